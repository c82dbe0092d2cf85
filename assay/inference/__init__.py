"""Answers of a registered model, and agreement on answers. Nothing is here yet."""
