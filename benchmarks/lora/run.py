"""Fine-tuning steps of GPT-2's 124M shape, ours and those of transformers with PEFT, in turn, each in a process of its own.

    .venv/bin/python -m benchmarks.lora.run [--rows FILE.json] [--rounds 5] [--steps 2]

LoRA of rank 16 on `c_attn` with dropout 0.1, beside GPT-2's own dropout of 0.1, and all weights: rows of 128 tokens, four a step.
With `--rows`, LoRA on rows of unequal lengths, too: those of a file's rows (JSON or JSON lines; of each the text of all its
fields, a token for every four bytes, no more than 512); a round is one pass over as many of them as `--unequal-steps` batches
hold. transformers draws rows at random and pads each to the longest of its batch, as its Trainer does; we share batches by
length. A contender's figure is the median over the rounds of its speed divided by that of transformers in the same round.
Prints tables and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Program, measure, prepare, start_all
from benchmarks.result import at_least_one, compared, output_file, show, text_file, wait_until_quiet, write

SHAPE: dict[str, Any] = {
    "vocab_size": 50257,
    "num_layers": 12,
    "num_heads": 12,
    "d_model": 768,
    "dropout": 0.1,
    "context": 128,
    "batch_size": 4,
    "rank": 16,
    "lora_dropout": 0.1,
}
LONGEST = 512
COLUMNS = {
    "name": "",
    "times_theirs": "x theirs",
    "half_of_rounds": "half of the rounds",
    "tokens_per_second": "tokens/s",
    "peak_rss_mb": "peak RSS, MB",
    "share_of_their_memory": "x their memory",
}


def contenders(method: str) -> dict[str, Program]:
    """transformers first, whom ours is compared with."""
    variables = {"METHOD": method}
    return {
        "transformers + PEFT" if method == "lora" else "transformers": Program(
            "benchmarks.lora.peft_loop", "peft", variables
        ),
        "Groundup": Program("benchmarks.lora.groundup_loop", "", variables),
    }


def lengths_of(path: Path, count: int) -> list[int]:
    """The lengths of so many rows of a file, drawn at random; in tokens of four bytes."""
    text = path.read_text(encoding="utf-8")
    rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines()]
    lengths = [len(_all_text(row).encode()) // 4 for row in rows]
    return [min(max(2, length), LONGEST) for length in random.Random(0).sample(lengths, count)]


def _all_text(value: Any) -> str:
    if isinstance(value, dict | list):
        return " ".join(map(_all_text, value.values() if isinstance(value, dict) else value))
    return str(value)


def table(title: str, method: str, task: dict[str, Any], rounds: int, steps: int, warm_up: int) -> dict[str, Any]:
    """Both contenders' figures on one task. The tokens are those of the rows, without padding."""
    left_out: dict[str, str] = {}
    tokens = sum(task["lengths"]) / steps if "lengths" in task else task["batch_size"] * task["context"]
    found = measure(start_all(contenders(method), task, left_out), rounds, steps, left_out, warm_up)
    rows = [_row(contender, found[0], tokens) for contender in found]
    show(title, COLUMNS, rows, left_out)
    return {"name": title, "title": title, "base": found[0].name, "rows": rows, "left_out": left_out}


def _row(contender: Contender, base: Contender, tokens: float) -> dict[str, Any]:
    return {
        "name": contender.name,
        **compared(base.seconds, contender.seconds, "times_theirs"),
        "tokens_per_second": round(tokens / statistics.median(contender.seconds), 1),
        "peak_rss_mb": round(contender.peak_rss / 1e6),
        "share_of_their_memory": round(contender.peak_rss / base.peak_rss, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=text_file, help="a file with rows, for their lengths")
    parser.add_argument("--rounds", type=at_least_one, default=5)
    parser.add_argument("--steps", type=at_least_one, default=2)
    parser.add_argument("--unequal-rounds", type=at_least_one, default=3)
    parser.add_argument("--unequal-steps", type=at_least_one, default=50)
    parser.add_argument("--only", default="", help="these of lora, full, unequal, by commas")
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else ["lora", "full", *(["unequal"] if options.rows else [])]
    busy_before = wait_until_quiet()
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        task = {**SHAPE, "base": folder}
        prepare(Program("benchmarks.lora.make_base"), task)
        for kind, title, method in (("lora", "LoRA", "lora"), ("full", "all weights", "full")):
            if kind in wanted:
                tables.append(table(title, method, task, options.rounds, options.steps, warm_up=2))
        if "unequal" in wanted:
            count = options.unequal_steps * SHAPE["batch_size"]
            task["lengths"] = lengths_of(options.rows, count)
            # A warm-up would be another pass, or the rounds would not begin with the rows.
            tables.append(
                table("LoRA, rows of unequal length", "lora", task, options.unequal_rounds, options.unequal_steps, 0)
            )
    facts = {"shape": SHAPE, "rounds": options.rounds, "steps_a_round": options.steps, "tables": tables}
    write(options.output, "benchmarks.lora.run", busy_before, facts)


if __name__ == "__main__":
    main()
