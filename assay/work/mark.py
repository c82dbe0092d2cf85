"""What a model is worth on samples."""

from dataclasses import dataclass

from assay.protocol.score import score_of


@dataclass(frozen=True)
class Mark:
    """Right answers among the targets (0 where targets are no classes), and the mean loss of one."""

    correct_count: int
    target_count: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.correct_count / self.target_count

    def score(self, metric: str) -> int:
        """As contracts compare it."""
        return score_of(metric, self.correct_count, self.target_count, self.loss)
