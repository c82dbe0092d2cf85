"""One profile for all properties: no deadline on shared machines, the same examples everywhere."""

from hypothesis import settings

settings.register_profile("assay", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("assay")
