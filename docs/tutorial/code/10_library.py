"""Instruction tuning with the library: what carries loss, told before the first step; then adapters, trained, and merged at the end."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path

from talk import ASSISTANT, TAUGHT, USER
from village import TRAINING_LINES

import groundup as gu
from groundup.cli.main import app

folder = Path(tempfile.mkdtemp())
(folder / "village.txt").write_text("\n".join(TRAINING_LINES))
rows = []
for asked, answer in TAUGHT:
    loan, _, what = asked.removeprefix(f"{USER} ").removesuffix(f" {ASSISTANT}").partition(". ")
    rows.append({"instruction": what, "input": f"{loan}.", "output": answer})
(folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))


def quiet(line: str) -> None:
    """Say nothing on the way."""


small = {
    "data.source": str(folder / "village.txt"),
    "tokenizer.kind": "bpe",
    "tokenizer.vocab_size": 320,
    "model.d_model": 48,
    "model.num_layers": 2,
    "model.num_heads": 2,
    "model.max_seq_len": 256,
    "training.max_steps": 10,
    "training.batch_size": 4,
    "training.sample_tokens": 0,
    "training.num_threads": 1,
    "training.precision": "fp32",
}
with contextlib.chdir(folder):
    gu.train("shakespeare", small, run="village", say=quiet)
    Path("answers.toml").write_text("""
        [data]
        source = "rows.jsonl"

        [model]
        base = "village"
        max_seq_len = 256

        [training]
        objective = "instruction"
        method = "lora"
        max_steps = 10
        batch_size = 4
        sample_tokens = 0
        num_threads = 1
        precision = "fp32"
        lora.targets = "all-linear"
    """)
    said, shown = [], io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(io.StringIO()):
        app(["labels", "answers.toml", "--rows", "1"], standalone_mode=False)
    run = gu.train("answers.toml", run="answers", say=said.append)
    files = {
        where: sorted(path.name for path in (run.path / where).iterdir())
        for where in ("checkpoints/step-000010", "model")
    }

print("$ groundup labels answers.toml --rows 1")
print("\n".join(line.rstrip() for line in shown.getvalue().splitlines()))
print("\n$ groundup train answers.toml")
print(next(line for line in said if "parameters are trained" in line).partition(",  ")[0].partition("), ")[0] + ")")
for where, names in files.items():
    print(
        f"{where}/ holds {', '.join(name for name in names if name.startswith('adapter') or name == 'model.safetensors')}"
    )

assert "adapter_model.safetensors" in files["checkpoints/step-000010"]
assert "model.safetensors" not in files["checkpoints/step-000010"]
