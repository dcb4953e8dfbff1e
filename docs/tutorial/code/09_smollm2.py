"""The market once more, for a real model: SmolLM2 135M is tuned on 120 lines, with the defaults but for what is named here.

Takes some ten minutes on two cores, nearly all of it for the 135 million weights' steps:

    python docs/tutorial/code/09_smollm2.py runs/market > docs/tutorial/records/09-smollm2.txt
"""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path

from market import LINES

import groundup as gu

BASE = "smollm2-135m-instruct"
log = partial(print, file=sys.stderr)
folder = Path(sys.argv[1])  # runs that are there already are not trained again
folder.mkdir(parents=True, exist_ok=True)
chapter = Path(__file__).parent.parent / "01-language-models.md"  # English that it hasn't read, of quite another kind
(folder / "english.txt").write_text(chapter.read_text(encoding="utf-8")[:6000])


def describe(name: str, model: str | Path, market_loss: float) -> None:
    english = gu.evaluate(model, data=str(folder / "english.txt"), say=log)["perplexity"]
    said = gu.load(model).generate("Eva sold Tom a", max_new_tokens=16, temperature=0)
    print(f"{name:20}{math.exp(market_loss):9.2f}{english:16.2f}   {said.strip()!r}")


print("perplexity             market   other English   after 'Eva sold Tom a'")
for learning_rate in (5e-5, 5e-4):
    output = folder / f"tuned-{learning_rate}"
    if not output.exists():
        settings = {"training.learning_rate": learning_rate, "training.warmup_steps": 10, "training.epochs": 1}
        gu.fine_tune_pretrained_model(BASE, LINES[:120], LINES[240:260], output, settings, say=log)
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in records if record["kind"] == "validation"]
    if learning_rate == 5e-5:
        describe("before", BASE, losses[0])
    describe(f"learning rate {learning_rate:.0e}", output, losses[-1])
