"""Assay: training on strangers' machines that is paid only when it tests true.

    net = assay.connect()
    job = net.post(assay.Job.load("job.toml"), model=assay.capture(model, loss, optimizer))
    for event in job.events():
        print(event)
    model = job.model()

Training by exact arithmetic alone, without a network, is `assay.exact.compile`. Names are loaded when they are first
used, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay import exact
    from assay.api.consent import agree
    from assay.api.inspect import Audit
    from assay.api.job import Job
    from assay.api.own_model import capture
    from assay.api.sdk import Network, PostedJob, connect
    from assay.protocol.errors import AssayError

__all__ = ["AssayError", "Audit", "Job", "Network", "PostedJob", "agree", "capture", "connect", "exact"]

_HOMES = {
    "AssayError": "assay.protocol.errors",
    "Audit": "assay.api.inspect",
    "Job": "assay.api.job",
    "Network": "assay.api.sdk",
    "PostedJob": "assay.api.sdk",
    "agree": "assay.api.consent",
    "capture": "assay.api.own_model",
    "connect": "assay.api.sdk",
    "exact": "assay.exact",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    try:
        home = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name != "assay.api":
            raise
        raise ModuleNotFoundError(
            f"assay.{name} needs a network: install assay, not assay-exact", name=error.name
        ) from None
    return home if name == "exact" else getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
