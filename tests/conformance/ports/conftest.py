"""Keys and a domain for what several suites sign."""

import pytest

from assay.chain.signer import KeySigner
from assay.protocol.typed import Domain


@pytest.fixture(scope="session")
def domain() -> Domain:
    return Domain(31_337, "0x" + "ab" * 20)


@pytest.fixture(scope="session")
def signers() -> list[KeySigner]:
    return [KeySigner.create(bytes([index]) * 32) for index in (1, 2, 3)]
