"""What a model is worth on samples, for people. What contracts compare is `assay.protocol.score.Marks`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """Right answers among the targets (0 where targets are no classes), and the mean loss of one."""

    correct_count: int
    target_count: int
    loss: float

    @classmethod
    def of_sums(cls, correct_count: int, target_count: int, loss_sum: float) -> "Mark":
        """The mark of so many right answers and targets, which may be none, and the sum of their losses."""
        return cls(correct_count, max(target_count, 1), loss_sum / max(target_count, 1))

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.correct_count / self.target_count
