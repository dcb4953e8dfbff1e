"""Start-up: the wall clock and the peak memory of whole processes, from their start until they have ended.

    .venv/bin/python -m benchmarks.start_up.run [--rounds 5]

The two that give a first token read the same directory (a character model, 4 layers, width 128) and must print the same.
Figures are medians over the rounds; ratios are to the transformers script in the same round.
"""

from __future__ import annotations

import argparse
import statistics
import string
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from benchmarks.contender import Program, measure, start_all
from benchmarks.environment import Unavailable, python_of
from benchmarks.result import at_least_one, compared, half, output_file, show, wait_until_quiet, write

from groundup.model.directory import save_model
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer

LAUNCHER = Program("benchmarks.start_up.launcher")
BASE = "transformers script, first token"
OURS = "groundup generate, first token"
PROMPT = "the first "
TRANSFORMERS = "from transformers import AutoModelForCausalLM, Trainer"


def make_model(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = train_character_tokenizer([string.printable], byte_fallback=False)
    shape = {"d_model": 128, "num_layers": 4, "num_heads": 4, "max_seq_len": 256}
    config = preset_config("gpt2", vocab_size=tokenizer.vocab_size, **shape, initialization="normal", init_std=0.1)
    save_model(Transformer(config), folder, tokenizer.end_id, tokenizer.pad_id)
    tokenizer.save(folder, config.max_seq_len)


def commands(folder: str) -> dict[str, tuple[str, list[str]]]:
    """For each name, the environment and the arguments that follow its interpreter."""
    script = str(Path(__file__).parent / "first_token_transformers.py")
    generate = ["-m", "groundup", "generate", folder, "--prompt", PROMPT, "--max-new-tokens", "1"]
    return {
        BASE: ("transformers", [script, folder, PROMPT]),
        OURS: ("", [*generate, "--temperature", "0"]),
        "python, nothing": ("", ["-c", "pass"]),
        "groundup --help": ("", ["-m", "groundup", "--help"]),
        "import groundup": ("", ["-c", "import groundup"]),
        "import torch": ("", ["-c", "import torch"]),
        "import transformers' model class and Trainer": ("transformers", ["-c", TRANSFORMERS]),
        "import litgpt": ("litgpt", ["-c", "import litgpt"]),
    }


def same_text(lines: dict[str, list[str]]) -> None:
    """Stop unless both write the same first token."""
    said = {name: subprocess.run(lines[name], capture_output=True, text=True).stdout for name in (BASE, OURS)}
    if not said[OURS].strip() or said[OURS].strip() != said[BASE].strip():
        sys.exit(f"the two don't write the same: {said}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Start-up, beside transformers and litgpt.")
    parser.add_argument("--rounds", type=at_least_one, default=5)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    left_out: dict[str, str] = {}
    busy_before = wait_until_quiet()
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        lines: dict[str, list[str]] = {}
        for name, (environment, rest) in commands(folder).items():
            try:
                lines[name] = [str(python_of(environment)), *rest]
            except Unavailable as error:
                left_out[name] = str(error)
        if BASE not in lines:
            sys.exit(f"{BASE}, whom the others are compared with, can't be measured: {left_out[BASE]}")
        same_text(lines)
        contenders = []
        for name, line in lines.items():
            contenders += start_all({name: LAUNCHER}, {"command": line}, left_out)
        contenders = measure(contenders, arguments.rounds, 1, left_out, warm_up=1)
    base = next((contender.seconds for contender in contenders if contender.name == BASE), None)
    if base is None:
        sys.exit(f"{BASE}, whom the others are compared with, can't be measured: {left_out[BASE]}")
    rows = []
    for contender in contenders:
        row: dict[str, Any] = {"name": contender.name, **compared(base, contender.seconds, "times_transformers")}
        row["seconds"] = round(statistics.median(contender.seconds), 3)
        row["half_of_seconds"] = half(contender.seconds)
        row["peak_rss_mb"] = round(contender.peak_rss / 1e6)
        rows.append(row)
    columns = {
        "name": "",
        "seconds": "seconds",
        "half_of_seconds": "half of the rounds",
        "times_transformers": "x the transformers script",
        "peak_rss_mb": "peak RSS, MB",
    }
    title = "whole processes, from start to end"
    show(title, columns, rows, left_out)
    table = {"name": "processes", "title": title, "base": BASE, "rows": rows, "left_out": left_out}
    write(arguments.output, "benchmarks.start_up.run", busy_before, {"rounds": arguments.rounds, "tables": [table]})


if __name__ == "__main__":
    main()
