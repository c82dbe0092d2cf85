"""Bytes by their hash, and data sets by name."""
