"""`python -m tests.model`."""

from tests.model.record import main

main()
