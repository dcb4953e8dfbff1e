"""The tables of README.md, docs/speed.md and docs/speedrun.md, made from the files in results/: no figure is typed by hand.

.venv/bin/python -m benchmarks.readme           rewrite what is stale
.venv/bin/python -m benchmarks.readme --check   only say so, and fail (a test does)
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Line:
    """One line of the table of docs/speed.md: a row of ours in a result, and whom it stands beside there."""

    what: str
    file: str
    ours: str
    peers: dict[str, str]
    """How a peer is called in the result, and how here."""
    table: str = ""


TRAINING = {
    "nanoGPT": "nanoGPT",
    "transformers GPT-2, plain loop": "transformers in a plain loop",
    "transformers GPT-2, Trainer": "its Trainer",
    "litgpt Pythia, plain loop": "litgpt",
}
GENERATION = {
    "transformers generate": "transformers",
    "nanoGPT generate": "nanoGPT",
    "ONNX Runtime, fp32": "ONNX Runtime",
    "CTranslate2, fp32": "CTranslate2",
    "llama.cpp, f32": "llama.cpp",
}
STEP = "Groundup, ONNX step"
EIGHT_BITS = {
    "transformers generate": "transformers in fp32",
    "ONNX Runtime, int8": "ONNX Runtime, int8",
    "CTranslate2, int8": "CTranslate2, int8",
    "llama.cpp, q8_0": "llama.cpp, q8_0",
}
PEFT = {"transformers + PEFT": "transformers with PEFT"}
CHARACTERS = "Groundup, characters, to lists"
IDS = {"tokenizers, characters": "tokenizers (the same ids)"}
BF16 = {
    "nanoGPT": "nanoGPT in fp32, its only format on a CPU",
    "nanoGPT under bf16 autocast": "nanoGPT under autocast",
    "transformers GPT-2, Trainer, bf16": "transformers' Trainer",
}
LINES = [
    Line("a training step at nanoGPT's shape for a CPU, fp32", "throughput-small", "Groundup gpt2, AdamW", TRAINING),
    Line("the same in bf16, on a processor with units for it", "throughput-small", "Groundup gpt2, AdamW, bf16", BF16),
    Line("with a context of 256 and 4 rows, fp32", "throughput-demo", "Groundup gpt2, AdamW", TRAINING),
    Line("the same in bf16", "throughput-demo", "Groundup gpt2, AdamW, bf16", BF16),
    Line("a training step at nanoGPT's shape for a GPU, dropout 0.2, fp32", "throughput-large", "Groundup gpt2, AdamW", TRAINING),
    Line("a step of LoRA at GPT-2's size, 4 rows of 128 tokens, dropout, fp32", "lora", "Groundup", PEFT, "LoRA"),
    Line("the same on rows of unequal length", "lora", "Groundup", PEFT, "LoRA, rows of unequal length"),
    Line("all weights in its place", "lora", "Groundup", {"transformers": "transformers"}, "all weights"),
    Line("text from a character model, one at a time", "generation", "Groundup", GENERATION, "characters-batch-1"),
    Line("the same, our step in ONNX Runtime", "generation", STEP, GENERATION, "characters-batch-1"),
    Line("sixteen at a time, in PyTorch", "generation", "Groundup", GENERATION, "characters-batch-16"),
    Line("the same, our step in ONNX Runtime", "generation", STEP, GENERATION, "characters-batch-16"),
    Line("text from a network of GPT-2's size, one at a time", "generation", "Groundup", GENERATION, "124M-batch-1"),
    Line("the same, our step in ONNX Runtime", "generation", STEP, GENERATION, "124M-batch-1"),
    Line("the same, its weights in 8 bits", "generation", f"{STEP}, int8", EIGHT_BITS, "124M-batch-1"),
    Line("sixteen at a time, in PyTorch", "generation", "Groundup", GENERATION, "124M-batch-16"),
    Line("the same, our step in ONNX Runtime", "generation", STEP, GENERATION, "124M-batch-16"),
    Line("characters to ids, a long text", "tokenizing", CHARACTERS, IDS, "long"),
    Line("characters to ids, line by line", "tokenizing", CHARACTERS, IDS, "lines"),
    Line(
        "from the shell to a first token",
        "start_up",
        "groundup generate, first token",
        {"transformers script, first token": "a transformers script"},
        "processes",
    ),
]  # fmt: skip
FRONT = {
    0: "a training step at nanoGPT's shape for a CPU, fp32",
    1: "the same in bf16, on a processor with units for it",
    6: "a step of LoRA at GPT-2's size, rows of unequal length",
    7: "a step of all of GPT-2's weights, 4 rows of 128 tokens, fp32",
    8: "text from a character model, one at a time, in PyTorch",
    12: "text from a network of GPT-2's size, one at a time, in PyTorch",
    13: "the same, our step in ONNX Runtime",
    14: "the same, its weights in 8 bits",
    17: "characters to ids, a long text",
    19: "from the shell to a first token",
}
"""Which of the lines are in the README, and what they are called there, where other lines stand before them."""


def result(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def short_speed_table() -> str:
    """The README's: some lines of the whole table, the worst of its figures among them."""
    return _speed_table([replace(LINES[place], what=what) for place, what in FRONT.items()])


def speed_table() -> str:
    """All of it."""
    return _speed_table(LINES)


def _speed_table(chosen: Sequence[Line]) -> str:
    """How many times as fast as each peer, in one sitting; then the time to a good model."""
    lines = ["| | times as fast as | peak memory, MB |", "|---|---|---|"]
    for line in chosen:
        found = result(line.file)
        tables = found.get("tables") or [found]
        rows = {
            row["name"]: row
            for table in tables
            if not line.table or table["name"] == line.table
            for row in table["rows"]
        }
        peers = {
            said: rows[name] for name, said in line.peers.items() if "warning" not in rows.get(name, {"warning": ""})
        }
        times = ", ".join(f"{said} **{_figure(times_as_fast(rows[line.ours], row))}**" for said, row in peers.items())
        memory = f"{rows[line.ours]['peak_rss_mb']} ({', '.join(str(row['peak_rss_mb']) for row in peers.values())})"
        lines.append(f"| {line.what} | {times} | {memory} |")
    return "\n".join([*lines, "", *_quality()]) + "\n"


def times_as_fast(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """The median of the ratios within a round."""
    pairs = zip(theirs["seconds_in_rounds"], ours["seconds_in_rounds"], strict=True)
    return float(statistics.median(their / our for their, our in pairs))


def _quality() -> list[str]:
    rows = {row["who"]: row for row in result("time-to-quality")["rows"]}
    base, quick, full = rows["nanoGPT"], rows["Groundup, quick"], rows["Groundup, full"]
    return [
        f"Whole processes, {len(base['loss_64'])} seeds: nanoGPT's setting for a CPU ends at {base['mean_loss_64']:.3f} nats a "
        f"character on tiny Shakespeare's whole validation text. "
        f"Our recipe with two layers and windows of 64 is at {quick['mean_loss_64']:.3f} after "
        f"**{_shares(quick)}** of its time, the demo's recipe (1,700 of its 2,000 steps) at **{full['mean_loss_64']:.3f}** after "
        f"{_shares(full)} of it, on a processor with units for bf16."
    ]


def _shares(row: dict[str, Any]) -> str:
    """The least and the most of the turns."""
    return f"{min(row['shares']):.0%} to {max(row['shares']):.0%}"


def ladder_table() -> str:
    return (RESULTS / "ladder.md").read_text(encoding="utf-8")


def demo_length_table() -> str:
    return (RESULTS / "ladder-demo-length.md").read_text(encoding="utf-8")


def sizes_table() -> str:
    return (RESULTS / "sizes.md").read_text(encoding="utf-8")


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 5 else f"{value:.2f}"


BLOCKS = {
    ROOT / "README.md": {"speed": short_speed_table},
    ROOT / "docs" / "speed.md": {"speed": speed_table},
    ROOT / "docs" / "speedrun.md": {
        "ladder": ladder_table,
        "demo length": demo_length_table,
        "sizes": sizes_table,
    },
}


def filled(page: Path) -> str:
    """A page with its blocks as they should be."""
    text = page.read_text(encoding="utf-8")
    for name, make in BLOCKS[page].items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        match = block.search(text)
        if match is None:
            sys.exit(f"{page.name} has no block <!-- {name} --> … <!-- /{name} -->")
        text = text[: match.end(1)] + make() + text[match.start(2) :]
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Fill the tables of README.md, docs/speed.md and docs/speedrun.md from the results."
    )
    parser.add_argument("--check", action="store_true", help="change nothing; fail if something is stale")
    check_only = parser.parse_args().check
    stale = [page for page in BLOCKS if filled(page) != page.read_text(encoding="utf-8")]
    for page in stale:
        print(f"{page.name} is stale")
        if not check_only:
            page.write_text(filled(page), encoding="utf-8")
    if check_only and stale:
        sys.exit("run: python -m benchmarks.readme")


if __name__ == "__main__":
    main()
