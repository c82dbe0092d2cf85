"""What this machine has left: how much of its memory jobs may take."""

import os
from pathlib import Path

from assay.work.limits import Space

MEBIBYTE = 1 << 20
UNKNOWN_BYTES = 4 << 30
"""Where the machine does not say: half of it is what small ones have."""
MEMORY_FILE = Path("/proc/meminfo")


def available_bytes() -> int:
    """Memory that programs may still take without another one being put out, as the machine sees it now."""
    try:
        for line in MEMORY_FILE.read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                return int(amount.split()[0]) << 10
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return UNKNOWN_BYTES


def measure_space(size_bytes: int = 0, shared_by: int = 1) -> Space:
    """The memory for jobs of one process: half of what is available now, unless somebody says how much."""
    return Space(size_bytes or available_bytes() // 2, shared_by)
