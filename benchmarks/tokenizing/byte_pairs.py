"""Byte pairs to ids on one thread: megabytes a second of mixed real text, beside `tokenizers` and tiktoken.

    .venv/bin/python -m benchmarks.tokenizing.byte_pairs [--megabytes 80] [--documents FILE]

A vocabulary of ours is trained on a tenth of the documents. The documents are dealt out into slices; in each round every contender
encodes the next slice, which it hasn't seen. Figures are medians over the rounds of the speed divided by that of `tokenizers`
(`encode_batch_fast`, a document at a time) on the same slice. A contender whose ids aren't those of `tokenizers` is left out.
FILE is what `benchmarks.tokenizing.corpus` wrote; without it the texts are read anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.contender import Program, measure, start_all
from benchmarks.result import at_least_one, compared, output_file, show, text_file, wait_until_quiet, write
from benchmarks.tokenizing.corpus import mixed_documents

from groundup.tokens.byte_pair import train_byte_pair_tokenizer

HERE = "benchmarks.tokenizing"
PEERS = "tokenizing"
BASE = "tokenizers, each document"
ONE_THREAD = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
PROGRAMS = {
    BASE: Program(f"{HERE}.tokenizers_slices", PEERS, {"CALL": "each", "NAME": "each", **ONE_THREAD}),
    "tokenizers, all at once": Program(
        f"{HERE}.tokenizers_slices", PEERS, {"CALL": "batch", "NAME": "batch", **ONE_THREAD}
    ),
    "tokenizers, with places": Program(
        f"{HERE}.tokenizers_slices", PEERS, {"CALL": "places", "NAME": "places", **ONE_THREAD}
    ),
    "tiktoken": Program(f"{HERE}.tiktoken_slices", PEERS, {"NAME": "tiktoken", **ONE_THREAD}),
    "Groundup": Program(f"{HERE}.groundup_slices", "", {"NAME": "groundup", **ONE_THREAD}),
}


def compare(folder: Path, bytes_in_all: int, slices: int) -> dict[str, Any]:
    left_out: dict[str, str] = {}
    task = {"folder": str(folder), "slices": slices}
    contenders = measure(start_all(PROGRAMS, task, left_out), slices, 1, left_out, warm_up=0)
    base = next((contender for contender in contenders if contender.name == BASE), None)
    if base is None:
        sys.exit(f"{BASE}, whom the others are compared with, can't be measured: {left_out[BASE]}")
    told = {name: json.loads((folder / f"{program.variables['NAME']}.json").read_text())
            for name, program in PROGRAMS.items() if name not in left_out}  # fmt: skip
    rows = []
    for contender in contenders:
        if told[contender.name] != told[BASE]:
            left_out[contender.name] = f"its ids are not those of {BASE}"
            continue
        row: dict[str, Any] = {"name": contender.name, **compared(base.seconds, contender.seconds, "times_tokenizers")}
        row["megabytes_per_second"] = round(bytes_in_all / slices / 1e6 / statistics.median(contender.seconds), 2)
        row |= {"tokens": told[contender.name]["tokens"], "peak_rss_mb": round(contender.peak_rss / 1e6)}
        rows.append(row)
    return {"base": BASE, "rounds": slices, "rows": rows, "left_out": left_out}


def main() -> None:
    parser = argparse.ArgumentParser(description="Byte-pair encoding on one thread, beside tokenizers and tiktoken.")
    parser.add_argument("--documents", type=text_file, help="what benchmarks.tokenizing.corpus wrote")
    parser.add_argument("--megabytes", type=float, default=80.0)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--slices", type=at_least_one, default=8)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    if arguments.documents:
        corpus = json.loads(arguments.documents.read_text(encoding="utf-8"))
        documents, sizes = corpus["documents"], corpus["sizes"]
    else:
        documents, sizes = mixed_documents(arguments.megabytes)
    busy_before = wait_until_quiet()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_byte_pair_tokenizer(documents[::10], arguments.vocab_size).save(folder)
        (folder / "documents.json").write_text(json.dumps(documents), encoding="utf-8")
        bytes_in_all = sum(len(text.encode()) for text in documents)
        table = compare(folder, bytes_in_all, arguments.slices)
    columns = {
        "name": "",
        "times_tokenizers": "x tokenizers",
        "half_of_rounds": "half of the rounds",
        "megabytes_per_second": "MB/s",
        "tokens": "tokens",
        "peak_rss_mb": "peak RSS, MB",
    }
    title = f"byte pairs, {bytes_in_all / 1e6:.0f} MB of mixed text, one thread"
    show(title, columns, table["rows"], table["left_out"])
    facts = {
        "vocab_size": arguments.vocab_size,
        "sources": sizes,
        "tables": [{"name": "byte-pairs", "title": title, **table}],
    }
    write(arguments.output, f"{HERE}.byte_pairs", busy_before, facts)


if __name__ == "__main__":
    main()
