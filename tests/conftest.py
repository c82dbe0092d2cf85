"""What holds for every test."""

import signal

# A run in the background of a shell ignores SIGINT, and its children would too: they are there to be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
