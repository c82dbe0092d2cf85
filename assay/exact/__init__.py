"""Arithmetic that has one answer on every machine."""
