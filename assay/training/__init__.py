"""Training by exact arithmetic, for people who run no network: `assay.exact.compile` is the door."""
