"""What packing loses, and what attention within documents costs.

    .venv/bin/python -m benchmarks.packing.run [--folder FOLDER] [--lengths 256 1024] [--rounds 7]

The Python files of a folder (by default the interpreter's own standard library) become tokens by byte pairs. For each row
length: how many documents are cut and how much is padding, in windows cut from the stream and in best-fit rows. Then steps of a
small network (forward and backward, fp32), on the plain causal path and with each token's document below it, in turn in each round.
"""

from __future__ import annotations

import argparse
import random
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.result import at_least_one, compared, output_file, show, wait_until_quiet, write

from groundup.device import set_threads
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.tokens.order import Group
from groundup.tokens.packing import cut_documents, pack
from groundup.tokens.plan import SamplePlan, make_plan, training_batch
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.store import TokenStore
from groundup.tokens.train import train_tokenizer
from groundup.tokens.write_store import write_store
from groundup.training.objectives.language_model import loss_sum, marked_loss_sum

COLUMNS = {"rows": "rows", "length": "T", "cut": "documents cut", "padding": "padding", "seconds": "seconds to pack"}
STEP_COLUMNS = {"name": "rows", "length": "T", "times_plain": "speed to plain", "half_of_rounds": "middle half"}
TOKENS_A_STEP = 2048
MORE_LENGTHS = (4096, 16384)  # of rows that are packed and not read


def read_store(pattern: str, folder: Path, vocab_size: int) -> tuple[TokenStore, int]:
    """The documents' tokens, and the id that padding has."""
    texts = [document.text for document in read_documents(DataSettings(pattern, skip_bad=True), folder, print)]
    tokenizer = train_tokenizer(texts, TokenizerSettings(kind="bpe", vocab_size=vocab_size))
    assert tokenizer.pad_id is not None
    return write_store(folder / "all.json", texts, tokenizer), tokenizer.pad_id


def losses(store: TokenStore, length: int, pad_id: int) -> list[dict[str, Any]]:
    """What windows and best-fit rows of a length lose."""
    ends = np.asarray(store.ends)
    begins = np.concatenate([[0], ends[:-1]])
    cut = ((begins - 1).clip(0) // length != (ends - 2).clip(0) // length).mean()  # window j predicts jT + 1 … (j + 1)T
    start = time.perf_counter()
    rows = pack(cut_documents(ends, length), length, pad_id)
    seconds = time.perf_counter() - start
    padding = 1 - int(ends[-1]) / (len(rows) * length)
    return [
        {"rows": "stream", "length": length, "cut": f"{cut:.1%}", "padding": "0.0%"},
        {
            "rows": "best_fit",
            "length": length,
            "cut": f"{(ends - begins > length).mean():.1%}",
            "padding": f"{padding:.2%}",
            "seconds": round(seconds, 3),
        },
    ]


def steps(store: TokenStore, length: int, pad_id: int, vocab_size: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds of forward and backward passes over the same rows, plain and with documents."""
    torch.manual_seed(1)
    model = Transformer(
        preset_config("qwen3", vocab_size=vocab_size, d_model=128, num_layers=4, num_heads=4, max_seq_len=length)
    )
    packed = pack(cut_documents(np.asarray(store.ends), length), length, pad_id)
    plans = {
        "stream": make_plan(len(store.ids), length),
        "best_fit": SamplePlan(length, packed, (Group(0, len(packed), len(packed), 0),)),
    }
    batch_size = TOKENS_A_STEP // length
    kinds: dict[str, Any] = {"stream, all": (loss_sum, training_batch(store.ids, plans["stream"], 1, 0, batch_size))}
    for name, plan in plans.items():
        for attention, ends in (("all", None), ("own", store.ends)):
            kinds.setdefault(
                f"{name}, {attention}", (marked_loss_sum, training_batch(store.ids, plan, 1, 0, batch_size, ends))
            )
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for round_number in range(rounds + 1):  # the first warms up
        for name in random.Random(round_number).sample(sorted(kinds), len(kinds)):
            function, batch = kinds[name]
            rows = torch.from_numpy(batch)
            start = time.perf_counter()
            function(model, rows).backward()
            model.zero_grad()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return [
        {"name": name, "length": length, **compared(seconds["stream, all"], own, "times_plain")}
        for name, own in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=sysconfig.get_path("stdlib"))
    parser.add_argument("--lengths", type=at_least_one, nargs="+", default=[256, 1024])
    parser.add_argument("--vocab-size", type=at_least_one, default=4096)
    parser.add_argument("--rounds", type=at_least_one, default=7)
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    busy = wait_until_quiet()
    set_threads(0)
    with tempfile.TemporaryDirectory() as folder:
        store, pad_id = read_store(f"{options.folder}/*.py", Path(folder), options.vocab_size)
        lost = [row for length in (*options.lengths, *MORE_LENGTHS) for row in losses(store, length, pad_id)]
        timed = [
            row
            for length in options.lengths
            for row in steps(store, length, pad_id, options.vocab_size, options.rounds)
        ]
        documents, tokens = len(store.ends), len(store.ids)
    show(f"{documents:,} documents, {tokens:,} tokens", COLUMNS, lost, {})
    show(f"Steps of {TOKENS_A_STEP:,} tokens", STEP_COLUMNS, timed, {})
    facts = {"documents": documents, "tokens": tokens, "lost": lost, "steps": timed}
    write(options.output, "benchmarks.packing.run", busy, facts)


if __name__ == "__main__":
    main()
