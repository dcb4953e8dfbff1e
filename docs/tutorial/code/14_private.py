"""Private training by the library: what it says before the first step, what it spends, what is out of reach. Needs a few seconds more:

python docs/tutorial/code/14_private.py > docs/tutorial/records/14-private.txt
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

from letter_runs import SMALL
from letters import write_letters

import groundup as gu
from groundup.errors import SettingError

folder = Path(tempfile.mkdtemp())
(folder / "post.jsonl").write_text(
    "\n".join(json.dumps({"text": "\n".join(each.lines)}) for each in write_letters(600, random.Random(6)))
)
small = {**SMALL, "data.source": str(folder / "post.jsonl"), "data.packing": "documents", "training.optimizer": "adamw"}
small |= {"training.max_steps": 150, "training.batch_size": 60, "training.length_warmup_fraction": 0.0}
small |= {"training.learning_rate": 0.005, "training.eval_steps": 150}
print("epsilon   held-out loss   spent at the end")
for epsilon in (float("inf"), 8.0, 2.0):
    said: list[str] = []
    run = gu.train(
        "shakespeare", {**small, "training.privacy.epsilon": epsilon}, run=folder / f"e{epsilon}", say=said.append
    )
    result = json.loads((run.path / "result.json").read_text())
    spent = result["privacy"]["epsilon"]["prv"]
    print(f"{epsilon:7}{result['validation']['loss']:16.2f}{'no bound' if spent is None else f'{spent:.2f}':>19}")

print("\nwhat it says with training.privacy.epsilon = 2")
print("\n".join(line for line in said if "private" in line or "outside" in line))
print("\nand with training.privacy.epsilon = 0.01")
try:
    gu.train("shakespeare", {**small, "training.privacy.epsilon": 0.01}, run=folder / "none", say=said.append)
except SettingError as error:
    print(error)
