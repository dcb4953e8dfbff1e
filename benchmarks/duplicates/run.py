"""Near-duplicates and evaluation text: how fast, how right, how much memory.

    .venv/bin/python -m benchmarks.duplicates.run [--texts FOLDER] [--million 1000000]

The corpus are passages of 300 words, without a folder of .txt files those of the plays that `make demo` learns from, each with two
copies that were edited to a known degree. What is a near-duplicate is known by brute force: the exact Jaccard similarity of
every pair. datasketch and rensa do the same from the same texts, with as large signatures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.contender import Program, measure, start_all
from benchmarks.duplicates.copies import Passage, make_corpus, similarities
from benchmarks.environment import ROOT
from benchmarks.result import at_least_one, compared, output_file, show, wait_until_quiet, write

from groundup.text.cache import cache_directory
from groundup.text.duplicates.clusters import near_duplicates
from groundup.text.duplicates.contamination import Contamination
from groundup.text.duplicates.exact import digest
from groundup.text.duplicates.settings import DecontaminationSettings, DuplicateSettings
from groundup.text.duplicates.signatures import signature
from groundup.text.duplicates.words import sequence_hashes, windows
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

HERE = "benchmarks.duplicates"
BASE = "datasketch"
PROGRAMS = {
    BASE: Program(f"{HERE}.datasketch_drops", "duplicates"),
    "rensa": Program(f"{HERE}.rensa_drops", "duplicates"),
    "Groundup": Program(f"{HERE}.groundup_drops"),
}
SETTINGS = DuplicateSettings()
NEARLY = 0.05  # below the threshold; the estimate's standard deviation there is 0.04


def speeds(text: str, rounds: int) -> list[dict[str, Any]]:
    """Megabytes a second of one core, by the length of the documents."""
    evaluation = Contamination.from_texts([text[: len(text) // 10]], DecontaminationSettings())
    rows = []
    for length in (300, 3000, 30_000, len(text)):
        documents = [text[begin : begin + length] for begin in range(0, min(len(text), 3000 * length), length)]
        size = sum(len(document.encode()) for document in documents) / 1e6
        row: dict[str, Any] = {"characters_a_document": length, "documents": len(documents)}
        row["digest"] = round(size / _seconds(digest, documents, rounds), 1)
        row["signature"] = round(size / _seconds(lambda document: signature(document, SETTINGS), documents, rounds), 1)
        row["overlap"] = round(size / _seconds(evaluation.overlap, documents, rounds), 1)
        rows.append(row)
    return rows


def _seconds(work: Callable[[str], object], documents: Sequence[str], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        for document in documents:
            work(document)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def sequence_set(text: str) -> frozenset[object]:
    """The set that signatures are of; that its hashes are those of plain Python is tested."""
    parts = [
        sequence_hashes(words.hashes, SETTINGS.shingle_words) for words in windows(text, SETTINGS.shingle_words - 1)
    ]
    return frozenset(np.concatenate(parts).tolist())


def by_edit(
    corpus: Sequence[Passage], exact: dict[tuple[int, int], float], cluster: Sequence[int]
) -> list[dict[str, Any]]:
    """For each kind of edit how alike copy and original are, and how many of the copies are found."""
    rows = []
    for edit in dict.fromkeys(passage.edit for passage in corpus if passage.edit):
        pairs = [(passage.original, place) for place, passage in enumerate(corpus) if passage.edit == edit]
        alike = [exact.get((original, place), 0.0) for original, place in pairs if original is not None]
        found = [cluster[original] == cluster[place] for original, place in pairs if original is not None]
        rows.append(
            {
                "edit": edit,
                "copies": len(pairs),
                "mean_similarity": round(statistics.mean(alike), 3),
                "at_least_the_threshold": round(statistics.mean(value >= SETTINGS.threshold for value in alike), 3),
                "found": round(statistics.mean(found), 3),
            }
        )
    return rows


def of_pairs(corpus: Sequence[Passage], exact: dict[tuple[int, int], float], cluster: Sequence[int]) -> dict[str, Any]:
    """Recall and precision over all pairs of documents."""
    members: dict[int, list[int]] = {}
    for place, first in enumerate(cluster):
        members.setdefault(first, []).append(place)
    found = {(left, right) for some in members.values() for left in some for right in some if left < right}
    true = {pair for pair, value in exact.items() if value >= SETTINGS.threshold}
    clear = {pair for pair, value in exact.items() if value >= SETTINGS.threshold + NEARLY}
    near = {pair for pair, value in exact.items() if value >= SETTINGS.threshold - NEARLY}
    siblings = {pair for pair in found if corpus[pair[0]].original == corpus[pair[1]].original is not None}
    return {
        "pairs_at_least_the_threshold": len(true),
        "pairs_found": len(found),
        "recall": round(len(found & true) / len(true), 4),
        "recall_of_pairs_0.05_above": round(len(found & clear) / len(clear), 4),
        "precision": round(len(found & true) / len(found), 4),
        "precision_counting_pairs_0.05_below": round(len(found & near) / len(found), 4),
        "pairs_further_below": len(found - near),
        "of_them_copies_of_one_original": len((found - near) & siblings),
    }


def beside_others(
    corpus: Sequence[Passage], exact: dict[tuple[int, int], float], folder: Path, rounds: int
) -> dict[str, Any]:
    """The same corpus through each library, from texts to the documents dropped."""
    texts = folder / "texts.json"
    texts.write_text(json.dumps([passage.text for passage in corpus]), encoding="utf-8")
    task = {"texts": str(texts), "threshold": SETTINGS.threshold, "num_permutations": SETTINGS.num_permutations}
    task |= {"shingle_words": SETTINGS.shingle_words, "bands": SETTINGS.bands, "rows": SETTINGS.rows}
    left_out: dict[str, str] = {}
    contenders = measure(start_all(PROGRAMS, task, left_out, telling=True), rounds, 1, left_out, warm_up=0)
    base = next((contender for contender in contenders if contender.name == BASE), None)
    if base is None:
        sys.exit(f"{BASE}, whom the others are compared with, can't be measured: {left_out[BASE]}")
    size = sum(len(passage.text.encode()) for passage in corpus) / 1e6
    true = {right for (_, right), value in exact.items() if value >= SETTINGS.threshold}
    near = {right for (_, right), value in exact.items() if value >= SETTINGS.threshold - NEARLY}
    rows = []
    for contender in contenders:
        dropped = set(contender.told["dropped"])
        row: dict[str, Any] = {"name": contender.name, **compared(base.seconds, contender.seconds, "times_datasketch")}
        row["megabytes_per_second"] = round(size / statistics.median(contender.seconds), 2)
        row["seconds_cutting_texts_in_python"] = round(contender.told["cutting_seconds"], 2)
        row["peak_rss_mb"] = round(contender.peak_rss / 1e6)
        row["dropped"] = len(dropped)
        row["recall"] = round(len(dropped & true) / len(true), 4)
        row["precision"] = round(len(dropped & true) / len(dropped), 4)
        row["precision_counting_0.05_below"] = round(len(dropped & near) / len(dropped), 4)
        rows.append(row)
    return {"base": BASE, "rounds": rounds, "megabytes": round(size, 1), "rows": rows, "left_out": left_out}


def a_million(count: int, folder: Path) -> dict[str, Any]:
    signatures = folder / "signatures.bin"

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", f"{HERE}.million", *arguments]
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout

    run("make", str(signatures), str(count))
    facts = {**json.loads(run(str(signatures))), **json.loads(run(str(signatures), "traced"))}
    signatures.unlink()
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast, how right and how large the removal of duplicates is.")
    parser.add_argument("--texts", type=Path, help="a folder of .txt files (default: the plays of the catalogue)")
    parser.add_argument("--million", type=at_least_one, default=1_000_000, help="made signatures (default: 1,000,000)")
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--output", type=output_file, help="the JSON file to write")
    arguments = parser.parse_args()
    source = DataSettings(source=str(arguments.texts) if arguments.texts else "shakespeare")
    texts = [document.text for document in read_documents(source, cache_directory(), print)]
    busy_before = wait_until_quiet()
    corpus = make_corpus(texts, copies=2)
    exact = similarities([sequence_set(passage.text) for passage in corpus])
    signatures = np.array([signature(passage.text, SETTINGS) for passage in corpus])
    cluster = near_duplicates(signatures, SETTINGS).tolist()
    edits, pairs = by_edit(corpus, exact, cluster), of_pairs(corpus, exact, cluster)
    facts: dict[str, Any] = {"text": arguments.texts.name if arguments.texts else "shakespeare, of the catalogue"}
    facts |= {"documents": len(corpus), "threshold": SETTINGS.threshold, "bands": SETTINGS.bands, "rows": SETTINGS.rows}
    columns = {"edit": "edited", "copies": "copies", "mean_similarity": "similarity", "found": "found"}
    show("copies found", columns, edits, {})
    print(json.dumps(pairs, indent=1))
    facts["quality"] = {**pairs, "by_edit": edits}
    with tempfile.TemporaryDirectory() as folder:
        facts["beside_others"] = beside_others(corpus, exact, Path(folder), arguments.rounds)
        columns = {"name": "", "times_datasketch": "x datasketch", "megabytes_per_second": "MB/s"}
        columns |= {"peak_rss_mb": "peak RSS, MB", "dropped": "dropped", "recall": "recall", "precision": "precision"}
        show(
            "from texts to documents dropped",
            columns,
            facts["beside_others"]["rows"],
            facts["beside_others"]["left_out"],
        )
        facts["speed"] = speeds("".join(texts), arguments.rounds)
        columns = {
            "characters_a_document": "characters",
            "digest": "digest",
            "signature": "signature",
            "overlap": "overlap",
        }
        show("MB/s of one core, by the length of a document", columns, facts["speed"], {})
        facts["made_signatures"] = a_million(arguments.million, Path(folder))
        print(json.dumps(facts["made_signatures"], indent=1))
    write(arguments.output, f"{HERE}.run", busy_before, facts)


if __name__ == "__main__":
    main()
