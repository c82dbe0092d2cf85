"""An order promises nothing that the contracts cannot keep."""

import dataclasses

import pytest

from assay.protocol.errors import Refused
from assay.protocol.job import Job
from assay.protocol.order import Roots, order_of
from assay.protocol.sections import Stop

ROOTS = Roots(bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32, bytes([4]) * 32)


def test_order_of_a_job_with_an_early_stop_is_refused() -> None:
    tables = {
        "job": {"name": "a", "budget": "250"},
        "model": {"architecture": "assay.architectures:mlp"},
        "data": {"source": "sklearn:digits"},
        "train": {"optimizer": {"name": "sgd", "lr": 0.1}},
    }
    job = Job.from_tables(tables)
    order_of(job, ROOTS, token="0x" + "11" * 20, decimals=6)
    stopping = dataclasses.replace(job, train=dataclasses.replace(job.train, stop=Stop("accuracy", 0.9)))
    with pytest.raises(Refused, match="early"):
        order_of(stopping, ROOTS, token="0x" + "11" * 20, decimals=6)
