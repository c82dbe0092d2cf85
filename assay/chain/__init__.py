"""The ledger as we see it: contracts, clients, an embedded chain, events."""
