"""The same for a real model: what SmolLM2's own template makes of a row, and how many numbers its adapters are.

Needs the model (93 MB, fetched once) and a minute:

    python docs/tutorial/code/10_smollm2.py > docs/tutorial/records/10-smollm2.txt
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path

import groundup as gu
from groundup.cli.main import app
from groundup.model.lora import add_lora, parameter_split
from groundup.model.lora_settings import LoraSettings

BASE = "smollm2-135m-instruct"
folder = Path(tempfile.mkdtemp())
rows = [
    {
        "messages": [
            {"role": "user", "content": f"Name the capital of {country}."},
            {"role": "assistant", "content": city},
        ]
    }
    for country, city in (
        ("France", "Paris."),
        ("Japan", "Tokyo."),
        ("Peru", "Lima."),
        ("Kenya", "Nairobi."),
        ("Norway", "Oslo."),
    )
]
(folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
(folder / "recipe.toml").write_text(
    f'data.source = "rows.jsonl"\nmodel.base = "{BASE}"\ntraining = {{objective = "instruction", method = "lora", batch_size = 1}}\n'
)
shown = io.StringIO()
with contextlib.chdir(folder), contextlib.redirect_stdout(shown), contextlib.redirect_stderr(io.StringIO()):
    app(["labels", "recipe.toml", "--rows", "1"], standalone_mode=False)
print("\n".join(line.rstrip() for line in shown.getvalue().split("\ntraining examples")[0].splitlines()))

model = gu.load(BASE).model
print(f"{'all weights':36}{parameter_split(model)[1]:12,}")
for targets in (("q_proj", "v_proj"), "attention", "all-linear"):
    add_lora(model, LoraSettings(rank=16, targets=targets), seed=1)
    trained, total = parameter_split(model)
    name = targets if isinstance(targets, str) else " and ".join(targets)
    print(f"{f'adapters of rank 16, {name}':36}{trained:12,}   {trained / total:.2%} of what is there then")
