"""What the contracts announce of single slots: commitments entered directly, secrets called for and shown."""

from assay.chain.contracts.containers import TranscriptOpening
from assay.chain.contracts.rerun import Challenged, Rerun
from assay.chain.contracts.rounds import SecretDemanded, SecretRevealed, SlotCommitted, TableRevealed
from assay.chain.events import read_log
from assay.chain.ledger import Ledger
from assay.roles.book import RoundName, drop

BLOCKS_MAX = 5_000
"""Blocks of one request for logs: what public nodes admit."""
KINDS = (SecretDemanded, SecretRevealed, SlotCommitted, TableRevealed, Challenged)
TOPICS = [["0x" + kind.TOPIC.hex() for kind in KINDS]]


class Notices:
    """Everything announced so far, by round and slot."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._due_s: dict[tuple[RoundName, int], int] = {}
        self._openings: dict[tuple[RoundName, int], dict[bytes, TranscriptOpening]] = {}
        self._nonces: dict[tuple[RoundName, str, bytes], bytes] = {}
        self._leaves: dict[tuple[RoundName, int], bytes] = {}
        self._befores: dict[int, bytes] = {}
        self._disputes = ledger.open(Rerun).address
        self._block = ledger.deployment.first_block - 1

    def due_s(self, name: RoundName, slot: int) -> int | None:
        """When a slot's secret is due on chain, in the chain's seconds; nothing if nobody has called for it."""
        self._read()
        return self._due_s.get((name, slot))

    def opening(self, name: RoundName, slot: int, transcript_root: bytes) -> TranscriptOpening | None:
        """Secret and leaves behind a transcript's root, if they stand on chain."""
        self._read()
        return self._openings.get((name, slot), {}).get(transcript_root)

    def nonce(self, name: RoundName, validator: str, table_root: bytes) -> bytes | None:
        """The nonce with which a table was revealed: it says which sample its rows should be."""
        self._read()
        return self._nonces.get((name, validator, table_root))

    def leaf(self, name: RoundName, slot: int) -> bytes | None:
        """The leaf of a commitment that its provider entered directly."""
        self._read()
        return self._leaves.get((name, slot))

    def before(self, dispute: int) -> bytes:
        """Root of the state that a disputed segment begins from, as its challenge opened it; zero for others."""
        self._read()
        return self._befores.get(dispute, bytes(32))

    def forget(self, job: int, below: int) -> None:
        """Drops what concerns rounds of a job that are final."""
        for known in (self._due_s, self._openings, self._nonces, self._leaves):
            drop(known, job, below)

    def _read(self) -> None:
        head = self._ledger.rpc.get_head()
        while self._block < head:
            last = min(head, self._block + BLOCKS_MAX)
            query = {
                "address": [self._ledger.rounds.address, self._disputes],
                "topics": TOPICS,
                "fromBlock": hex(self._block + 1),
                "toBlock": hex(last),
            }
            for raw in self._ledger.rpc.request("eth_getLogs", query):
                self._enter(raw)
            self._block = last

    def _enter(self, raw: object) -> None:
        log = read_log(raw)
        if log.topics[0] == SecretDemanded.TOPIC:
            demand = SecretDemanded.decode(log)
            self._due_s[(demand.job, demand.generation, demand.round), demand.slot] = demand.deadline
        elif log.topics[0] == SecretRevealed.TOPIC:
            answer = SecretRevealed.decode(log)
            slot = ((answer.job, answer.generation, answer.round), answer.slot)
            self._openings.setdefault(slot, {})[answer.transcript_root] = answer.opening
        elif log.topics[0] == Challenged.TOPIC:
            challenge = Challenged.decode(log)
            self._befores[challenge.dispute] = challenge.before
        elif log.topics[0] == TableRevealed.TOPIC:
            table = TableRevealed.decode(log)
            key = ((table.job, table.generation, table.round), table.validator, table.table_root)
            self._nonces[key] = table.nonce
        else:
            entry = SlotCommitted.decode(log)
            self._leaves[(entry.job, entry.generation, entry.round), entry.slot] = entry.leaf
