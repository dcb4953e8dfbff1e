"""A mixture of real texts to encode: every text of the catalogue, and the source code of Python's own library.

    .venv/bin/python -m benchmarks.tokenizing.corpus FILE [--megabytes 80]

The documents are shuffled, a quarter of the size at most from any one source, and written as a list in JSON. It is never committed.
"""

from __future__ import annotations

import argparse
import json
import random
import sysconfig
from collections import Counter
from pathlib import Path

from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

MOST_OF_ONE = 0.25


def python_library() -> list[str]:
    """Of the Python that runs this, its tests included."""
    texts = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" not in path.parts:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return texts


def mixed_documents(megabytes: float) -> tuple[list[str], dict[str, int]]:
    """Documents of about this size in all, in a random order that is always the same, and the bytes of each source."""
    sources = {
        name: [document.text for document in read_documents(DataSettings(source=name), cache_directory(), print)]
        for name in CATALOGUE
        if name != "python-stdlib"
    }
    sources["python"] = python_library()
    order = random.Random(0)
    everything = [(name, text) for name, texts in sources.items() for text in texts]
    order.shuffle(everything)
    taken, sizes = [], Counter[str]()
    for name, text in everything:
        size = len(text.encode("utf-8", errors="replace"))
        if sizes[name] + size <= MOST_OF_ONE * megabytes * 1e6 and sizes.total() < megabytes * 1e6:
            taken.append(text)
            sizes[name] += size
    return taken, dict(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a mixture of real texts.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--megabytes", type=float, default=80.0)
    arguments = parser.parse_args()
    documents, sizes = mixed_documents(arguments.megabytes)
    arguments.file.write_text(json.dumps({"documents": documents, "sizes": sizes}), encoding="utf-8")
    print(f"{len(documents):,} documents: {sizes}")


if __name__ == "__main__":
    main()
