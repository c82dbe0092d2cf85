"""The states that rounds begin from and end in: fetched from whoever holds them, and told to whoever looks for them."""

from assay.protocol.errors import AssayError
from assay.roles.assignment import State
from assay.roles.assignments import Assignments
from assay.roles.book import Book
from assay.roles.register import Register
from assay.roles.voice import Voice
from assay.store.port import Blobs
from assay.work.state import state_root


class States:
    """One party's way to states and from it."""

    def __init__(self, blobs: Blobs, register: Register, assignments: Assignments, book: Book, voice: Voice) -> None:
        self._blobs, self._register, self._assignments = blobs, register, assignments
        self._book, self._voice = book, voice

    def find(self, job: int, root: bytes) -> State | None:
        """The state with this root: remembered, or published by anybody and verified; nothing if nobody has it yet."""
        assignment = self._assignments.of(job)
        if root in assignment.states:
            return assignment.states[root]
        signature = assignment.signature
        for cid in self._book.published.get((job, root), ()):
            try:
                state = signature.decode(self._blobs.get(cid, signature.encoded_bytes))
            except AssayError:
                continue
            if state_root(state) == root:
                assignment.keep(root, state)
                return state
        generation, first_open, _ = self._register.progress(job)
        self._voice.say((job, generation, first_open), "seek", {"root": root.hex()}, topic=root)
        return None

    def tell(self, job: int) -> None:
        """Says where a state is to whoever looks for it and this party holds it."""
        for name, page in [item for item in self._book.rounds.items() if item[0][0] == job and item[1].sought]:
            states = self._assignments.states(job)
            for asker, root in [item for item in page.sought if item[1] in states]:
                del page.sought[asker, root]
                cid = self._blobs.put(self._assignments.of(job).signature.encode(states[root]))
                self._voice.answer(name, "aggregate", {"root": root.hex(), "cid": cid}, asker, root)
