"""What one transaction may be at most, on the chains that Assay runs on."""

SIZE_LIMIT_BYTES = 131_072
"""Of one that nodes take and pass on, by default."""
GAS_LIMIT = 16_777_216
"""That one may use (EIP-7825)."""
