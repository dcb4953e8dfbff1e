"""How long the sizes that people ask about take to train, as `groundup plan` works it out: from scratch, and fine-tuned.

    python -m benchmarks.planning.brief --output benchmarks/results/planning-brief.json

Nothing is trained, measured or fetched. The network of seven thousand million parameters is a folder with a config.json, made here.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.command import command_line
from benchmarks.result import output_file

from groundup.cli.plan import plan

GPT = ("model.preset=gpt2", "model.vocab_size=50257", "tokenizer.kind=bpe", "training.optimizer=adamw")
PLAIN = ("training.length_warmup_fraction=0", "training.batch_size=512", "training.compile=true")
SMALL = (*GPT, *PLAIN, "model.d_model=768", "model.num_layers=12", "model.num_heads=12", "model.max_seq_len=1024")
MEDIUM = (*GPT, *PLAIN, "model.d_model=1600", "model.num_layers=48", "model.num_heads=25", "model.max_seq_len=1024")
LARGE = (
    *GPT,
    "training.length_warmup_fraction=0",
    "training.batch_size=2048",
    "model.d_model=12288",
    "model.num_layers=96",
    "model.num_heads=96",
    "model.max_seq_len=2048",
)
SEVEN = "llama-2-7b"
TUNED = ("model.max_seq_len=2048", "training.batch_size=16", "training.max_steps=3000")
LLAMA_2_7B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}


def steps(tokens: float, batch_tokens: int) -> str:
    return f"training.max_steps={round(tokens / batch_tokens)}"


ROWS: list[tuple[str, str, tuple[str, ...], str, int]] = [
    (
        "125M, 2.5 thousand million tokens (20 a parameter)",
        "shakespeare",
        (*SMALL, steps(2.5e9, 2**19)),
        "a100-80gb",
        8,
    ),
    ("125M, 300 thousand million tokens (as GPT-3's)", "shakespeare", (*SMALL, steps(300e9, 2**19)), "a100-80gb", 8),
    ("125M, 300 thousand million tokens", "shakespeare", (*SMALL, steps(300e9, 2**19)), "a100-80gb", 4),
    ("125M, 300 thousand million tokens", "shakespeare", (*SMALL, steps(300e9, 2**19)), "h100", 8),
    (
        "1.5B, 31 thousand million tokens (20 a parameter)",
        "shakespeare",
        (*MEDIUM, steps(31e9, 2**19)),
        "a100-80gb",
        16,
    ),
    ("1.5B, 300 thousand million tokens", "shakespeare", (*MEDIUM, steps(300e9, 2**19)), "a100-80gb", 16),
    ("1.5B, 300 thousand million tokens", "shakespeare", (*MEDIUM, steps(300e9, 2**19)), "a100-80gb", 32),
    ("1.5B, 300 thousand million tokens", "shakespeare", (*MEDIUM, steps(300e9, 2**19)), "h100", 32),
    ("175B, 300 thousand million tokens (GPT-3)", "shakespeare", (*LARGE, steps(300e9, 2**22)), "a100-80gb", 512),
    ("175B, 300 thousand million tokens", "shakespeare", (*LARGE, steps(300e9, 2**22)), "a100-80gb", 1024),
    ("175B, 3.5 million million tokens (20 a parameter)", "shakespeare", (*LARGE, steps(3.5e12, 2**22)), "h100", 1024),
    ("7B, adapters, 98 million tokens", "domain", (f"model.base=./{SEVEN}", *TUNED), "a100-80gb", 1),
    (
        "7B, all weights, activations computed twice, 98 million tokens",
        "domain",
        (f"model.base=./{SEVEN}", *TUNED, "training.method=full", "training.activation_checkpointing=true"),
        "a100-80gb",
        4,
    ),
    (
        "7B, adapters, activations computed twice, 98 million tokens",
        "domain",
        (f"model.base=./{SEVEN}", *TUNED, "training.activation_checkpointing=true", "training.accumulation_steps=16"),
        "rtx-4090",
        1,
    ),
]
"""What is trained, the recipe and its overrides, on what, on how many."""


def main() -> None:
    parser = argparse.ArgumentParser(description="The sizes that people ask about.")
    parser.add_argument("--output", type=lambda name: output_file(name).absolute())
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["GROUNDUP_CACHE"] = f"{folder}/cache"  # nothing is prepared there, whatever is elsewhere
        for row in every_row():
            rows.append(row)
            print(f"{row['what']}: {row['seconds'] / 86400:,.2f} days on {row['count']} × {row['card']}")
    if arguments.output is not None:
        written = {"command": command_line("benchmarks.planning.brief"), "rows": rows}
        arguments.output.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def every_row() -> Iterator[dict[str, Any]]:
    """All of them, worked out in a folder that is empty, with a cache in which nothing is prepared."""
    Path(SEVEN).mkdir()
    Path(SEVEN, "config.json").write_text(json.dumps(LLAMA_2_7B), encoding="utf-8")
    for row in ROWS:
        yield planned(*row)


def planned(what: str, recipe: str, overrides: tuple[str, ...], card: str, count: int) -> dict[str, Any]:
    """One row, as the command gives it."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        plan(recipe, list(overrides), on=card, count=count, as_json=True)
    arguments = [recipe, *overrides, "--on", card, "--count", str(count)]
    found = json.loads(printed.getvalue())
    elsewhere = found["elsewhere"]
    ways = {name: one["total"] for name, one in elsewhere["memory"].items()}
    return {
        "what": what,
        "command": " ".join(["groundup plan", *arguments]),
        "card": elsewhere["accelerator"]["name"],
        "card_bytes": elsewhere["accelerator"]["memory"],
        "count": elsewhere["count"],
        "parameters": found["parameters"]["total"],
        "trained": found["trained"],
        "tokens": found["tokens"],
        "flops": found["flops"],
        "six_n_d": 6 * found["parameters"]["total"] * found["tokens"],
        "seconds": elsewhere["seconds"],
        "joules": elsewhere["joules"],
        "bytes_by_strategy": ways,
        "strategy": elsewhere["strategy"],
        "advice": elsewhere["advice"],
    }


if __name__ == "__main__":
    main()
