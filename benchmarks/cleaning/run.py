"""How fast one document after another is cleaned, on one core, each step by itself and all together, and which step is slowest.

    .venv/bin/python -m benchmarks.cleaning.run [--text FILE ...] [--rounds 7] [--output benchmarks/results/cleaning.json]

The texts are cut into documents of about 4,000 characters at line ends; without a text, the demo's plays. The steps are taken in
turn in each round. Those documents that every rule keeps stand by themselves, too: there, no rule is spared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.result import at_least_one, half, output_file, show, text_file, wait_until_quiet, write

from groundup.text.cache import cache_directory
from groundup.text.cleaning.document import clean
from groundup.text.cleaning.language import identify_language
from groundup.text.cleaning.lines import keep_lines
from groundup.text.cleaning.normalization import normalize
from groundup.text.cleaning.quality import quality_fault
from groundup.text.cleaning.settings import RULE_SETS, CleaningSettings, QualitySettings
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

CLEANING = CleaningSettings("NFC", repair_mojibake=True, control_characters=True)  # those of `groundup data prepare`
ALL = QualitySettings(rules=RULE_SETS)
Step = Callable[[str], object]


def steps() -> dict[str, Step]:
    rules: dict[str, Step] = {
        f"rules: {name}": partial(quality_fault, settings=QualitySettings(rules=(name,))) for name in RULE_SETS
    }
    return {
        "normalization": partial(normalize, settings=CLEANING),
        "lines of c4": partial(keep_lines, settings=ALL.c4),
        **rules,
        "language": identify_language,
        "all together": partial(clean, cleaning=CLEANING, quality=ALL),
    }


def cut(text: str, characters: int = 4000) -> list[str]:
    """Documents that end at line ends."""
    documents: list[str] = []
    start = 0
    while start < len(text):
        end = text.find("\n", start + characters)
        end = len(text) if end < 0 else end + 1
        documents.append(text[start:end])
        start = end
    return documents


def rows_of(documents: list[str], rounds: int) -> list[dict[str, Any]]:
    megabytes = sum(len(document.encode()) for document in documents) / 1e6
    seconds: dict[str, list[float]] = {name: [] for name in steps()}
    for step in steps().values():
        step(documents[0])
    for _ in range(rounds):
        for name, step in steps().items():
            start = time.perf_counter()
            for document in documents:
                step(document)
            seconds[name].append(time.perf_counter() - start)
    whole = statistics.median(seconds["all together"])
    return [
        {
            "name": name,
            "megabytes_per_second": round(megabytes / statistics.median(each), 1),
            "half_of_rounds": half([megabytes / second for second in each], 1),
            "share_of_all": round(statistics.median(each) / whole, 3),
        }
        for name, each in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast documents are cleaned, step by step.")
    parser.add_argument("--text", type=text_file, nargs="*", default=[])
    parser.add_argument("--rounds", type=at_least_one, default=7)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    paths: list[Path] = arguments.text
    if paths:
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    else:
        texts = [each.text for each in read_documents(DataSettings(source="shakespeare"), cache_directory(), print)]
    busy_before = wait_until_quiet()
    documents = [document for text in texts for document in cut(text)]
    kept = [document for document in documents if clean(document, CLEANING, ALL).fault is None]
    columns = {"name": "", "megabytes_per_second": "MB/s", "half_of_rounds": "half of rounds", "share_of_all": "of all"}
    tables = []
    for title, some in (("all documents", documents), ("documents that are kept", kept)):
        if some:
            rows = rows_of(some, arguments.rounds)
            megabytes = sum(len(document.encode()) for document in some) / 1e6
            show(f"{title}: {len(some):,}, {megabytes:.1f} MB", columns, rows, {})
            tables.append({"title": title, "documents": len(some), "megabytes": round(megabytes, 2), "rows": rows})
    names = [path.name for path in paths] or ["shakespeare, of the catalogue"]
    write(arguments.output, "benchmarks.cleaning.run", busy_before, {"texts": names, "tables": tables})


if __name__ == "__main__":
    main()
