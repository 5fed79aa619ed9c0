"""Count the rows of a table, and compare labels with the folders that photos lie in."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

from app.scoring.row import Row


class Summary:
    """Counts the rows that pass through it.

    Args:
        labels: the model's labels. A photo whose folder has the name of one counts for accuracy.
    """

    def __init__(self, labels: Collection[str]) -> None:
        self._labels = frozenset(labels)
        self._rows = self._labelled = self._right = 0
        self._problems: Counter[str] = Counter()
        self._decisions: Counter[str] = Counter()

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, counted."""
        for row in rows:
            self._count(row)
            yield row

    def text(self) -> str:
        """The counts, in a few lines."""
        answered = self._rows - self._problems.total()
        lines = [f"{self._rows:,} photos, {answered:,} of them with a label"]
        if self._problems:
            lines.append(f"problems: {_listed(self._problems)}")
        if self._decisions:
            lines.append(f"decisions: {_listed(self._decisions)}")
        if self._labelled:
            share = 100 * self._right / self._labelled
            lines.append(
                f"accuracy: {share:.2f} %, {self._right:,} of {self._labelled:,} photos that have "
                "a label and lie in a folder with the name of one"
            )
        return "\n".join(lines)

    def _count(self, row: Row) -> None:
        self._rows += 1
        if row.problem:
            self._problems[row.problem] += 1
            return
        if row.decision:
            self._decisions[row.decision] += 1
        folder = PurePosixPath(row.path).parent.name
        if folder in self._labels:
            self._labelled += 1
            self._right += folder == row.label


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.most_common())
