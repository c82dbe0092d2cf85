"""Turns in real time: every role in order, again at once when something was done, else when something has changed."""

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from assay.protocol.errors import AssayError, Unavailable
from assay.roles.wake import IDLE, Wake

POLL_S = 0.25
PAUSE_S = 2.0
"""After a trouble that may pass, like a chain that does not answer."""
CRASHES_MAX = 3


class Role(Protocol):
    """Whoever takes turns."""

    def tick(self) -> Wake:
        """One turn."""
        ...


class Turns:
    """Gives roles turns until `stop` is set. A role is made by its factory, and made again from its journal when it
    crashes, where `crashed` (told of the bug) says so.

    `pulse` is anything that differs when the chain or the board has changed; `clock` is protocol time. `note` hears
    of troubles that pass, once each.
    """

    def __init__(
        self,
        makers: Mapping[str, Callable[[], Role]],
        pulse: Callable[[], Hashable],
        clock: Callable[[], int],
        stop: threading.Event,
        *,
        note: Callable[[str, AssayError], None] = lambda *_: None,
        crashed: Callable[[str, Exception], None] | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        self._makers, self._pulse, self._clock, self.stop = dict(makers), pulse, clock, stop
        self._note, self._crashed, self._poll_s = note, crashed, poll_s
        self.roles: dict[str, Any] = {}
        self.crashes: dict[str, int] = {}
        self._noted: dict[str, str] = {}

    def run(self, done: Callable[[], bool] = lambda: False) -> None:
        """Until stopped or `done`."""
        while not self.stop.is_set():
            seen, began_s = self._attempt("chain", self._pulse), self._attempt("chain", self._clock)
            wake = IDLE
            for name in list(self._makers):
                wake |= self._turn(name)
                if self.stop.is_set():
                    return
            if done():
                return
            if not wake.acted:
                self._rest(seen, began_s, wake)

    def _turn(self, name: str) -> Wake:
        try:
            if name not in self.roles:
                self.roles[name] = self._makers[name]()
            wake: Wake = self.roles[name].tick()
        except AssayError as trouble:
            self._tell(name, trouble)
            return IDLE
        except OSError as trouble:
            # A full disk, or one that is gone: what the role had in hand may be half done, its journal is whole.
            self.roles.pop(name, None)
            self._tell(name, Unavailable(f"the machine refuses: {trouble.strerror or type(trouble).__name__}"))
            return IDLE
        except Exception as bug:
            if self._crashed is None:
                raise
            self._crashed(name, bug)
            self.roles.pop(name, None)
            self.crashes[name] = self.crashes.get(name, 0) + 1
            if self.crashes[name] > CRASHES_MAX:
                del self._makers[name]
            return IDLE
        self._noted.pop(name, None)
        return wake

    def _rest(self, seen: Hashable, began_s: int | None, wake: Wake) -> None:
        if self._noted:
            self.stop.wait(PAUSE_S)
            return
        while not self.stop.wait(self._poll_s):
            if self._attempt("chain", self._pulse) != seen:
                return
            now_s = self._attempt("chain", self._clock)
            # While time stands still, in a network that is frozen, nothing comes due: what is due was tried.
            if now_s is None or (wake.at_s is not None and now_s >= wake.at_s and now_s != began_s):
                return

    def _attempt(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            found = read()
        except AssayError as trouble:
            self._tell(name, trouble)
            return None
        self._noted.pop(name, None)
        return found

    def _tell(self, name: str, trouble: AssayError) -> None:
        if self._noted.get(name) != trouble.message:
            self._noted[name] = trouble.message
            self._note(name, trouble)
