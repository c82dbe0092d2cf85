"""What if: a job file's own job, played in this process by honest parties and cheats on a chain of its own.

The programs, samples, prices, stakes and windows are those that would be posted. Nothing is published, signed with
anybody's key, or spent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.api.cast import DemoOptions, choose_cast
from assay.api.consent import Consent, refuse
from assay.api.draft import make_draft
from assay.api.job import Job
from assay.api.own_file import ask
from assay.api.scene import Cast, Note, Scene, perform
from assay.api.story import Story
from assay.chain.ground import SimulatedGround
from assay.protocol.errors import BadInput
from assay.roles.zoo import CHEATS


@dataclass(frozen=True)
class WhatIf:
    """What is changed of a job file, and who cheats. `providers` are the job's slots, those of cheats included."""

    providers: int | None = None
    rounds: int | None = None
    cheaters: tuple[str, ...] = ()
    seed: int = 7

    @property
    def changes(self) -> dict[str, int]:
        """Keys of the job file that hold something else."""
        given = {"match.providers": self.providers, "train.rounds": self.rounds}
        return {key: value for key, value in given.items() if value is not None}

    def cast(self, job: Job) -> Cast:
        """Who plays. Errors: `BadInput` for cheats that are none, or that would be the majority."""
        cheats = sum(CHEATS[name].role == "provider" for name in self.cheaters if name in CHEATS)
        honest, validators = job.match.providers - cheats, job.match.validators
        if honest < 1:
            raise BadInput(
                f"{cheats} cheats do not leave an honest provider among {job.match.providers}",
                hint="ask for more --providers, or fewer --cheaters",
            )
        return choose_cast(DemoOptions(self.seed, honest, self.cheaters, validators=validators))


def plan(path: Path, what_if: WhatIf, consent: Consent = refuse) -> Callable[[Note], dict[str, Any]]:
    """What plays the job of a file and tells what became of it; `consent` agrees to running a Python file.

    Errors: as for quoting it; the returned function's also `AtFault`, and `Unavailable` where the job could not be
    matched.
    """
    job = Job.load(path, what_if.changes, consent=consent)
    cast, paid_in = what_if.cast(job), job.terms.token
    job = replace(job, terms=replace(job.terms, token="default"))
    # Before anything is shown that redraws.
    ask({"model.architecture": job.model.architecture, "model.loss": job.model.loss_name}, job.folder, consent)

    def tell(story: Story) -> dict[str, Any]:
        told = story.outcome()
        return {"job": job.terms.name, "complete": story.complete, "changed": what_if.changes, **told}

    def play(note: Note) -> dict[str, Any]:
        def scene() -> Scene:
            if paid_in != "default":
                note({"kind": "step", "text": f"amounts are test dollars here, and those of job.token = {paid_in}"})
            note({"kind": "step", "text": "capturing the model"})
            draft = make_draft(job)
            seed = b"assay.simulate" + what_if.seed.to_bytes(8, "big")
            return Scene(draft.job, draft.bundle, draft.train, draft.test, cast, seed)

        return perform(scene, SimulatedGround(), note, tell)

    return play
