"""Ctrl-C while a verb runs: noted besides being raised, for what is imported may make another exception of it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Note:
    """Whether somebody has pressed Ctrl-C since the verb began."""

    def __init__(self) -> None:
        self.is_set = False

    def __call__(self, *_: object) -> None:
        self.is_set = True
        raise KeyboardInterrupt


NOTE = Note()


@contextmanager
def noted() -> Iterator[Note]:
    """Notes it in the block, where nobody else looks after the signal."""
    NOTE.is_set = False
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, NOTE)
    try:
        yield NOTE
    finally:
        if ours and signal.getsignal(signal.SIGINT) is NOTE:
            signal.signal(signal.SIGINT, signal.default_int_handler)
