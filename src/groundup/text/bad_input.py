"""What happens when a file or a row can't be read: the first one ends it, or, when asked for, all are left out and counted."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from groundup.errors import DataError

EXAMPLES = 3
ADVICE = "mend it, or leave such files and rows out, counted, with data.skip_bad=true"


@dataclass
class BadInput:
    """Told of each file and row that can't be read."""

    skip: bool = False
    """Whether to leave them out and go on."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many were left out, by what was wrong."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first few for each reason, in full."""

    def __call__(self, message: str, reason: str) -> None:
        """Count it, or raise `DataError`. `message` names the file and line, `reason` is what such faults are counted under."""
        if not self.skip:
            raise DataError(f"{message}; {ADVICE}")
        self.counts[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(message)

    def tell(self, say: Callable[[str], None]) -> None:
        """Say how many were left out, and which, if any were."""
        if self.counts:
            kinds = ", ".join(f"{reason} ({count:,})" for reason, count in self.counts.most_common())
            total = sum(self.counts.values())
            what = "files or rows could not be read and are" if total != 1 else "file or row could not be read and is"
            say(f"warning: {total:,} {what} left out: {kinds}")
            for example in itertools.chain(*self.examples.values()):
                say(f"  {example}")
