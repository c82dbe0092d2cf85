"""Prices and probabilities: Python proposes, the contracts check."""
