"""What counting gives: n-gram models with Kneser-Ney smoothing of orders 1 to 6, on the demo's text.

    .venv/bin/python -m benchmarks.ngram.run [--source shakespeare] [--run runs/shakespeare] [--units bytes,characters,bpe]

The plays and the held-out ones are those that `groundup train shakespeare` takes, or another source's. Each order's model is a process of
its own; its seconds are those of one run, its memory includes the ids and Python. With --run, the figure of a trained model
stands beside; it must have the same held-out text.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.result import output_file, show, wait_until_quiet, write

from groundup.evaluation.ngram import END_BYTE, byte_ids
from groundup.recipe.data import prepare_data
from groundup.recipe.measure import first_token_bytes
from groundup.recipe.settings import load_recipe
from groundup.run.directory import RunDirectory
from groundup.tokens.prepare import PreparedData

ORDERS = range(1, 7)
BYTE_PAIRS = ["tokenizer.kind=bpe", "tokenizer.vocab_size=2048"]
UNITS = {"bytes": BYTE_PAIRS, "characters": ["tokenizer.kind=character"], "bpe": BYTE_PAIRS}
COLUMNS = {
    "order": "order",
    "bits_per_byte": "bits per byte",
    "accuracy": "next token right",
    "grams": "n-grams",
    "train_seconds": "seconds to count",
    "score_seconds": "to score",
    "peak_rss_mb": "peak RSS, MB",
}


def ids_of(data: PreparedData, unit: str) -> tuple[Any, Any, dict[str, Any]]:
    """Training and validation ids, and what is told of them."""
    train, validation, tokenizer = data.train, data.validation, data.tokenizer
    facts: dict[str, Any] = {"vocab_size": tokenizer.vocab_size, "end_id": tokenizer.end_id}
    first = first_token_bytes(tokenizer, validation.ids, validation.first_piece)
    if unit != "bytes":
        return train.ids, validation.ids, {**facts, "num_bytes": validation.num_bytes - first}
    facts = {"vocab_size": END_BYTE + 1, "end_id": END_BYTE, "num_bytes": validation.num_bytes - 1}
    return byte_ids(texts(data, np.asarray(train.ids))), byte_ids(texts(data, np.asarray(validation.ids))), facts


def texts(data: PreparedData, ids: Any) -> list[str]:
    """The documents again, from their byte pairs, which lose nothing."""
    ends = np.flatnonzero(ids == data.tokenizer.end_id)
    return [data.tokenizer.decode(document.tolist()) for document in np.split(ids, ends + 1) if len(document)]


def one_unit(data: PreparedData, unit: str, folder: Path) -> dict[str, Any]:
    train, validation, facts = ids_of(data, unit)
    files = {name: folder / f"{unit}-{name}.npy" for name in ("train", "validation")}
    np.save(files["train"], train)
    np.save(files["validation"], validation)
    rows = []
    for order in ORDERS:
        task = json.dumps({**{name: str(path) for name, path in files.items()}, **facts, "order": order})
        line = [sys.executable, "-m", "benchmarks.ngram.one_order", task]
        rows.append(json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout))
    title = f"{unit}: {len(train):,} tokens counted, {len(validation):,} held out, vocabulary {facts['vocab_size']:,}"
    show(title, COLUMNS, rows, {})
    return {
        "name": unit,
        "title": title,
        **facts,
        "tokens": {"train": len(train), "validation": len(validation)},
        "rows": rows,
    }


def trained_model(path: Path, prepared: Iterable[PreparedData]) -> dict[str, Any]:
    """A finished run's own figures, if it was measured on the validation text of one of these."""
    directory = RunDirectory(path)
    if directory.manifest()["hashes"]["validation_tokens"] not in [data.validation.sha256 for data in prepared]:
        sys.exit(
            f"{path} was measured on another validation text than these: name a run of the same source and tokenizer"
        )
    result = directory.result()
    figures = {name: result["validation"][name] for name in ("bits_per_byte", "loss", "tokens", "bytes", "window")}
    return {"steps": result["steps"], "seconds": result["seconds"], **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description="n-gram models with Kneser-Ney smoothing, orders 1 to 6.")
    parser.add_argument("--source", default="shakespeare", help="a catalogue name, a file or a folder")
    parser.add_argument("--run", type=Path, help="a finished run, whose figure stands beside")
    parser.add_argument("--units", default=",".join(UNITS), help="of bytes, characters, bpe")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    prepared = {
        unit: prepare_data(load_recipe("shakespeare", [f"data.source={arguments.source}", *UNITS[unit]]), Path(), print)
        for unit in arguments.units.split(",")
    }
    busy_before = wait_until_quiet()
    with tempfile.TemporaryDirectory() as folder:
        tables = [one_unit(data, unit, Path(folder)) for unit, data in prepared.items()]
    facts: dict[str, Any] = {"source": arguments.source, "tables": tables}
    if arguments.run:
        facts["trained_model"] = trained_model(arguments.run, prepared.values())
        print(f"the trained model: {facts['trained_model']['bits_per_byte']:.4f} bits per byte")
    write(arguments.output, "benchmarks.ngram.run", busy_before, facts)


if __name__ == "__main__":
    main()
