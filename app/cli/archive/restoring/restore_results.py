"""The outcomes of a restore."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from app.cli.transfers.result_lines import ResultLines

# Further ones are only in the file of --report.
MAX_LISTED = 100


class RestoreOutcome(StrEnum):
    """The outcome for one item of an archive."""

    RESTORED = "restored"
    # The service has it already.
    STORED = "stored"
    # The e-mail address belongs to another account, which takes its place.
    MAPPED = "mapped"
    # The service has something else in its place, which stays as it is.
    CONFLICT = "conflict"
    # The archive has no valid item.
    REFUSED = "refused"


class RestoreResult(NamedTuple):
    """The outcome for an item: its path in the archive, or its kind and name; and the reason."""

    path: str
    outcome: RestoreOutcome
    reason: str = ""


@dataclass(slots=True)
class RestoreResults:
    """Counts the results, and keeps the first ones that need attention."""

    lines: ResultLines = field(default_factory=ResultLines)
    counts: Counter[RestoreOutcome] = field(default_factory=Counter)
    listed: list[RestoreResult] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the service has everything of the archive."""
        return not self.counts[RestoreOutcome.CONFLICT] + self.counts[RestoreOutcome.REFUSED]

    def record(self, result: RestoreResult) -> None:
        """Add a result."""
        self.counts[result.outcome] += 1
        if result.reason and len(self.listed) < MAX_LISTED:
            self.listed.append(result)
        self.lines.write(result.path, result.outcome, reason=result.reason)
