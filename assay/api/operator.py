"""Starting and stopping a home's background process, and reading what it has said."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from assay.api.home import Home
from assay.protocol.errors import AssayError, Malformed, Unavailable, error_tree
from assay.protocol.plain import read_plain
from assay.store.hold import Hold

START_S, STOP_S = 300.0, 60.0
POLL_S = 0.1
LOG_LIMIT_BYTES, LINE_LIMIT_BYTES = 4 << 20, 1 << 16
NODE_URL = "ASSAY_NODE_URL"
"""Where the background process finds the URL of somebody else's node: everybody may read a process's arguments, and
nobody else what is in its environment."""
ENDED, TURNED_AWAY = 1, 75
"""Exit codes: of a process that is gone, and we do not know how; of one that found another one at work in its home."""


class _TurnedAway(Exception):
    """The process found another one at work."""


def start(home: Home, arguments: list[str], say: Callable[[str], None], *, url: str = "") -> bool:
    """Starts the process, for a chain of our own or the node at `url`, and returns when it is ready; False where it was
    somebody else who started it. Errors: those it ends with, `Unavailable` when it is late."""
    launch, waited = Hold(home.path / "lock.start"), False
    while not launch.take(str(os.getpid())):
        if not waited:
            say("somebody else is starting the network: waiting for it")
            waited = True
        if home.is_running():
            follow(home, say)
            return False
        time.sleep(POLL_S)
    try:
        if home.is_running():
            process = None
        else:
            process = _launch(home, arguments, url)
            # Until it has the home nobody else may begin: the log is its own.
            while process.poll() is None and not home.is_running():
                time.sleep(POLL_S)
    finally:
        launch.release()
    if process is None:
        follow(home, say)
        return False
    return _attend(home, process, say)


def _launch(home: Home, arguments: list[str], url: str) -> "subprocess.Popen[bytes]":
    """Starts the process, with a new log."""
    path = home.path / "network.log"
    if path.exists():
        os.replace(path, path.with_suffix(".log.1"))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # -P: no file of the folder in which somebody happens to stand is imported.
    command = [sys.executable, "-P", "-m", "assay.api.host", str(home.path), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != NODE_URL}
    environment |= {NODE_URL: url} if url else {}
    with open(handle, "wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
            close_fds=True,
        )


def _attend(home: Home, process: "subprocess.Popen[bytes]", say: Callable[[str], None]) -> bool:
    """Waits for the process that was started; False where it has found another one at work, which is ready now."""
    path = home.path / "network.log"

    def ended() -> int | None:
        code = process.poll()
        if code == TURNED_AWAY:
            raise _TurnedAway
        return code

    try:
        if not _hear(home, say, ended):
            process.terminate()
            raise _late(home)
    except _TurnedAway:
        # Another one has begun since we looked; it writes to the file that we have put away.
        if path.with_suffix(".log.1").exists():
            os.replace(path.with_suffix(".log.1"), path)
        follow(home, say)
        return False
    return True


def follow(home: Home, say: Callable[[str], None]) -> None:
    """Returns when the process that somebody else has started is ready. Errors: as for `start`."""
    if not (home.path / "network.log").exists():
        return
    if not _hear(home, say, lambda: None if home.is_running() else ENDED):
        raise _late(home)


def _hear(home: Home, say: Callable[[str], None], ended: Callable[[], int | None]) -> bool:
    """Tells what the process says until it is ready; False where it says nothing for too long. Errors: those it ends
    with."""
    until_s, heard = time.monotonic() + START_S, 0
    while time.monotonic() < until_s:
        code = ended()
        lines = list(read_log(home))
        if len(lines) > heard:
            until_s = time.monotonic() + START_S  # a slow machine gets there too
        for line in lines[heard:]:
            if line.get("event") == "Entered":
                say(str(line.get("step")))
            if line.get("event") == "Ready":
                return True
        heard = len(lines)
        if code is not None:
            raise _failure(home, code)
        time.sleep(POLL_S)
    return False


def _late(home: Home) -> Unavailable:
    words = f"the network is not ready, and has said nothing for {START_S:.0f} s"
    return Unavailable(words, hint=f"see {home.path / 'network.log'}; assay up goes on with it")


def stop(home: Home) -> bool:
    """Ends the process and waits until it is gone; False where there was none. Errors: `Unavailable`."""
    if not home.is_running():
        return False
    _send(home, signal.SIGTERM)
    until_s = time.monotonic() + STOP_S
    while home.is_running():
        if time.monotonic() > until_s:
            _send(home, getattr(signal, "SIGKILL", signal.SIGTERM))
            until_s += STOP_S
        time.sleep(POLL_S)
    return True


def _send(home: Home, number: signal.Signals) -> None:
    """A signal to the process that holds the home, if it is one of ours: numbers of processes are used again."""
    try:
        process = int(home.lock.words)
        command = Path(f"/proc/{process}/cmdline")
        if command.exists() and b"assay.api.host" not in command.read_bytes():
            raise OSError(f"process {process} is another program")
        os.kill(process, number)
    except (ValueError, OSError) as error:
        if home.is_running():
            raise Unavailable("the network's process cannot be told to stop", hint=f"{error!s:.100}") from None


def read_log(home: Home) -> Iterator[dict[str, Any]]:
    """Events of the background process since it was last started; lines that are none are left out."""
    try:
        with (home.path / "network.log").open("rb") as file:
            lines = file.read(LOG_LIMIT_BYTES).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            event = read_plain(line, LINE_LIMIT_BYTES, 4)
        except Malformed:
            continue
        if isinstance(event, dict):
            yield event


def crew_of(home: Home) -> list[dict[str, str]]:
    """name, role and address of the local crew's members, while it is there."""
    if not home.is_running():
        return []
    seated = [line for line in read_log(home) if line.get("event") == "Seated"]
    return [{key: str(line.get(key)) for key in ("name", "role", "address")} for line in seated]


def _failure(home: Home, code: int) -> AssayError:
    hint = f"see {home.path / 'network.log'}"
    for line in read_log(home):
        if line.get("event") == "Failed":
            kinds = {kind.code: kind for kind in error_tree()}
            kind = kinds.get(str(line.get("error")), Unavailable)
            return kind(str(line.get("message")), hint=str(line.get("hint") or hint))
    return Unavailable(f"the network's process ended with code {code}", hint=hint)
