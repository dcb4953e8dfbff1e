"""The market once more, for a real model: SmolLM2 135M is tuned on 120 lines, with the defaults but for what is named here.

Takes about a quarter of an hour on two cores, nearly all of it for the 135 million weights' steps:

    python docs/tutorial/code/09_smollm2.py > docs/tutorial/records/09-smollm2.txt
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from market import LINES

import groundup as gu

BASE = "smollm2-135m-instruct"
log = partial(print, file=sys.stderr)
chapter = Path(__file__).parent.parent / "01-language-models.md"  # English that it hasn't read, of quite another kind
folder = Path(tempfile.mkdtemp())
(folder / "market.txt").write_text("\n\n".join(LINES[200:240]))
(folder / "english.txt").write_text(chapter.read_text(encoding="utf-8")[:6000])


def describe(name: str, model: str | Path) -> None:
    market, english = (
        gu.evaluate(model, data=str(folder / file), say=log)["perplexity"] for file in ("market.txt", "english.txt")
    )
    said = gu.load(model).generate("Eva sold Tom a", max_new_tokens=16, temperature=0)
    print(f"{name:22}{market:7.2f}{english:15.2f}   {said!r}")


print("perplexity             market   other English   after 'Eva sold Tom a'")
describe("before", BASE)
for learning_rate in (5e-5, 5e-4):
    output = folder / f"tuned-{learning_rate}"
    settings = {"training.learning_rate": learning_rate, "training.warmup_steps": 10, "training.epochs": 1}
    gu.fine_tune_pretrained_model(BASE, LINES[:120], LINES[240:260], output, settings, say=log)
    describe(f"learning rate {learning_rate:.0e}", output)
