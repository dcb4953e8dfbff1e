"""How much of a batch is padding when each row is one document: in the order drawn, and by length. Counts, not seconds.

    .venv/bin/python -m benchmarks.packing.lengths [--source medical] [--lengths 256 1024] [--batch-sizes 8 32]

The text, an entry of the catalogue or files, becomes tokens by byte pairs. Batches are counted over one epoch, each as wide as its
longest row.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.result import at_least_one, output_file, show, write

from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.tokens.length_buckets import DocumentRows
from groundup.tokens.order import Group, sample_rows
from groundup.tokens.packing import LENGTH, cut_documents, pack
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.train import train_tokenizer
from groundup.tokens.write_store import write_store

COLUMNS = {"length": "T", "batch_size": "batch", "cut": "documents cut", "best_fit": "best fit"}
COLUMNS |= {"full": "rows of T", "drawn": "by document, as drawn", "buckets": "by document, by length"}


def padding(ends: np.ndarray, length: int, batch_size: int) -> dict[str, Any]:
    """Shares of padding: rows packed; one document a row, of T tokens each, as wide as a batch's longest, and that by length."""
    pieces = cut_documents(ends, length)
    rows, groups = DocumentRows(pieces, 0, batch_size), (Group(0, len(pieces), len(pieces), 0),)
    drawn, _ = sample_rows(groups, 0, np.arange(len(pieces) // batch_size * batch_size))
    lengths = pieces[drawn, LENGTH].reshape(-1, batch_size)
    tokens = int(ends[-1])
    return {
        "length": length,
        "batch_size": batch_size,
        "cut": f"{(np.diff(ends, prepend=0) > length).mean():.1%}",
        "best_fit": f"{1 - tokens / (len(pack(pieces, length, 0)) * length):.2%}",
        "full": f"{1 - tokens / (len(pieces) * length):.1%}",
        "drawn": f"{1 - lengths.sum() / (lengths.max(axis=1).sum() * batch_size):.1%}",
        "buckets": f"{rows.padding_share(groups, seed=0):.1%}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="medical")
    parser.add_argument("--lengths", type=at_least_one, nargs="+", default=[256, 1024])
    parser.add_argument("--batch-sizes", type=at_least_one, nargs="+", default=[8, 32])
    parser.add_argument("--vocab-size", type=at_least_one, default=4096)
    parser.add_argument("--output", type=output_file)
    options = parser.parse_args()
    texts = [document.text for document in read_documents(DataSettings(options.source), cache_directory(), print)]
    tokenizer = train_tokenizer(texts, TokenizerSettings(kind="bpe", vocab_size=options.vocab_size))
    with tempfile.TemporaryDirectory() as folder:
        ends = np.array(write_store(Path(folder) / "all.json", texts, tokenizer).ends)
    rows = [padding(ends, length, size) for length in options.lengths for size in options.batch_sizes]
    middle = int(np.median(np.diff(ends, prepend=0)))
    title = f"{options.source}: {len(ends):,} documents, {int(ends[-1]):,} tokens, half of them up to {middle:,} long"
    show(f"{title}. Padding:", COLUMNS, rows, {})
    facts = {
        "source": options.source,
        "documents": len(ends),
        "tokens": int(ends[-1]),
        "median": middle,
        "padding": rows,
    }
    write(options.output, "benchmarks.packing.lengths", None, facts)


if __name__ == "__main__":
    main()
