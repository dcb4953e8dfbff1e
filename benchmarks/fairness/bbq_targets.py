"""Whom BBQ's answers name, beside lm-eval: by category, the questions, those with a target, and those of which lm-eval says the same.

    python -m benchmarks.fairness.bbq_targets FOLDER        # data of the repository nyu-mll/BBQ, or what its scripts make of its templates

lm-eval lists the answers that are biased: in a negative question the target, in another the other person.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lm_eval.tasks.bbq.utils import process_docs  # type: ignore[import-untyped]

from groundup.evaluation.fairness.bbq import NUM_ANSWERS, Question, read_bbq


class Rows(list[dict[str, Any]]):
    """What lm-eval needs of a data set."""

    def map(self, function: Any) -> list[dict[str, Any]]:
        """Each row, changed."""
        return [function(row) for row in self]


def main() -> None:
    """One line for each category."""
    for path in sorted(Path(sys.argv[1]).glob("*.jsonl")):
        questions = read_bbq(str(path), print)
        rows = Rows(map(json.loads, path.read_text(encoding="utf-8").splitlines()))
        try:
            theirs = [set(row["biased_answers"]) for row in process_docs(rows)]
        except AttributeError as error:  # of labels that are lists, as a script of today's pandas writes some of SES
            print(path.stem, len(questions), f"lm-eval can't read it: {error}")
            continue
        named = [(one, answers) for one, answers in zip(questions, theirs, strict=True) if one.target is not None]
        print(path.stem, len(questions), len(named), sum(biased(one) == answers for one, answers in named))


def biased(question: Question) -> set[str]:
    """The answer that is biased, by its text."""
    (other,) = set(range(NUM_ANSWERS)) - {question.target, question.unknown}
    chosen = question.target if question.negative else other
    assert chosen is not None
    return {question.answers[chosen]}


if __name__ == "__main__":
    main()
