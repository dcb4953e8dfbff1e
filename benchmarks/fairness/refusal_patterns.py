"""How well the shipped patterns know a refusal: replies written by hand, `refusal_answers.toml`.

python -m benchmarks.fairness.refusal_patterns
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from groundup.evaluation.fairness.prompts import read_prompts
from groundup.evaluation.fairness.scorers import Refusal
from groundup.evaluation.fairness.settings import SHIPPED
from groundup.evaluation.intervals import proportion

ANSWERS = Path(__file__).with_name("refusal_answers.toml")


def main() -> None:
    """One line for each language: of the refusals, how many are found; of what is found, how many refuse."""
    known = Refusal([pattern for prompts in read_prompts(SHIPPED) for pattern in prompts.refusals])
    for language, replies in tomllib.loads(ANSWERS.read_text(encoding="utf-8")).items():
        found, false = (int(sum(known(replies[kind]))) for kind in ("refusing", "answering"))
        for name, share in (
            ("recall", proportion(found, len(replies["refusing"]))),
            ("precision", proportion(found, found + false)),
        ):
            print(f"{language} {name} {share.value:.2f} [{share.low:.2f}, {share.high:.2f}], n = {share.n}")


if __name__ == "__main__":
    main()
