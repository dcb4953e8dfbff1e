"""BBQ's bias scores of the predictions that were published with it, beside figure 3 of the paper.

    python -m benchmarks.fairness.bbq_published FOLDER        # results/UnifiedQA of the repository nyu-mll/BBQ

A prediction counts as one of the three answers if it is spelled as it is, but for capitals and a full stop at the end; "pantsu" is a
pantsuit, as in the published analysis.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from groundup.evaluation.audit_result import Figure
from groundup.evaluation.fairness.bbq import ANSWERS, bias_scores, read_bbq
from groundup.evaluation.intervals import Interval

FORMATS = ("race", "arc")


def main() -> None:
    """One line for each category and format of the question."""
    for path in sorted(Path(sys.argv[1]).glob("preds_*.jsonl")):
        for asked_as in FORMATS:
            row = scores(path, asked_as)
            print(path.stem, asked_as, row["questions"], *(percent(row[name]) for name in ("s_amb", "s_dis")))


def scores(path: Path, asked_as: str) -> dict[str, Figure]:
    """The scores of a category."""
    kept, chosen = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        predicted = plain(row[f"unifiedqa-t5-11b_pred_{asked_as}"])
        places = [number for number, answer in enumerate(ANSWERS) if plain(row[answer]) == predicted]
        if len(places) == 1:
            kept.append(line)
            chosen += places
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        file.write_text("\n".join(kept), encoding="utf-8")
        return bias_scores(read_bbq(str(file), print), chosen, seed=0)[0]


def plain(answer: str) -> str:
    """An answer without what may differ."""
    return re.sub("pantsu$", "pantsuit", answer.strip().rstrip(".").lower())


def percent(figure: Figure) -> str:
    """As the paper has it."""
    assert isinstance(figure, Interval)
    return f"{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


if __name__ == "__main__":
    main()
