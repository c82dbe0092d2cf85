"""A validator's chain of nonces: committed by its tip before any round; each drawing of samples takes the next.

    nonce_i = sha256(nonce_{i+1}),  tip = nonce_0

A round's sample is drawn from the beacon and the next nonce, so nobody, not even who makes the blocks, knows it before.
"""

from hashlib import sha256

from assay.protocol.errors import LimitExceeded
from assay.roles.memory import Memory
from assay.roles.world import World

CHAIN_LENGTH = 8192
"""Drawings that one enlistment can serve: 1,024 rounds and redone rounds, each drawn three times, and some."""


class Nonces:
    """The chains of one validator, by job; the seed survives a restart."""

    def __init__(self, world: World) -> None:
        self._entropy = world.entropy
        self._seeds = Memory.of_words(world.journal, "nonces")
        self._chains: dict[int, list[bytes]] = {}

    def tip(self, job: int) -> bytes:
        """What was, or is to be, committed of a job's chain; it begins when this is first asked for."""
        if self._seeds.get(job) is None:
            self._seeds.keep(self._entropy.draw(32), job)
        return self._chain(job)[0]

    def at(self, job: int, position: int) -> bytes:
        """The nonce of one drawing: each has its place in the chain. Raises `LimitExceeded` beyond its end."""
        if not 0 < position <= CHAIN_LENGTH:
            raise LimitExceeded("a job has outlived its chain of nonces", limit=CHAIN_LENGTH, actual=position)
        return self._chain(job)[position]

    def _chain(self, job: int) -> list[bytes]:
        if job not in self._chains:
            nonce = self._seeds.get(job) or b""
            chain = [nonce]
            for _ in range(CHAIN_LENGTH):
                nonce = sha256(nonce).digest()
                chain.append(nonce)
            self._chains[job] = chain[::-1]
        return self._chains[job]
