"""Precision and recall of the guard's classifier on toxic and harmless sentences that it wasn't trained on, at several thresholds, beside a
word list; and what guarding costs while a text streams.

    .venv/bin/python -m benchmarks.guard.run [--output benchmarks/results/guard.json]

The word list is made of the 50 words that tell most in the training set: what somebody would write who reads those rows.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.guard.sets import Rows, labelled_sets

from groundup.serving.guard.classifier import train_classifier
from groundup.serving.guard.guard import Guard
from groundup.serving.guard.labelled import Labelled
from groundup.serving.guard.measure import measure
from groundup.serving.guard.settings import GuardSettings, OutputSettings, ToxicitySettings, WordSettings

THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
WORDS = 50
LICENSE = Path(__file__).parents[2] / "LICENSE"
TOKEN = 4  # characters: about what a token of English has


def main() -> None:
    """Measure, print, and write with --output."""
    options = argparse.ArgumentParser(description="Precision and recall of the guard.")
    options.add_argument("--output", type=Path)
    arguments = options.parse_args()
    sets = labelled_sets()
    train = sets.pop("train")
    with TemporaryDirectory() as name:
        folder = Path(name)
        train_classifier([text for text, _ in train], [bool(label) for _, label in train]).save(folder / "toxicity")
        (folder / "words.txt").write_text("\n".join(_telling_words(train)), encoding="utf-8")
        result: dict[str, object] = {
            "command": ".venv/bin/python -m benchmarks.guard.run",
            "train": {"rows": len(train), "toxic": sum(label for _, label in train)},
        }
        settings = {
            f"toxicity at {threshold}": GuardSettings(
                output=OutputSettings(toxicity="refuse"), toxicity=ToxicitySettings("toxicity", threshold)
            )
            for threshold in THRESHOLDS
        } | {"words": GuardSettings(output=OutputSettings(words="refuse"), words=WordSettings(("words.txt",)))}
        for set_name, rows in sets.items():
            labelled = [Labelled(text, bool(label)) for text, label in rows]
            result[set_name] = {
                called: measure(Guard(each, folder), labelled, "output")["any"].figures()
                for called, each in settings.items()
            }
    result["streaming"] = {
        called: _streaming(Guard(GuardSettings(output=OutputSettings(personal_data="redact", whole=whole)), Path()))
        for called, whole in (("personal data", False), ("personal data, held whole", True))
    }
    text = json.dumps(result, indent=1) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


def _telling_words(rows: Rows) -> list[str]:
    """Words whose occurrence says most about the label: the largest log-odds, each count with one added, of those in at least five rows."""
    counts = {label: Counter(word for text, each in rows if each == label for word in _words(text)) for label in (0, 1)}
    totals = {label: sum(each == label for _, each in rows) for label in (0, 1)}

    def log_odds(word: str) -> float:
        return math.log((counts[1][word] + 1) / (totals[1] + 2)) - math.log((counts[0][word] + 1) / (totals[0] + 2))

    frequent = [word for word, count in counts[1].items() if count >= 5 and len(word) > 2]
    return sorted(frequent, key=log_odds, reverse=True)[:WORDS]


def _words(text: str) -> set[str]:
    return set(re.findall("[a-z]+", text.lower()))


def _streaming(guard: Guard) -> dict[str, float]:
    """What a token of plain English costs, and how many characters are held back."""
    text = LICENSE.read_text(encoding="utf-8")
    stream, left, held = guard.stream(), 0, []
    start = time.perf_counter()
    for at in range(0, len(text), TOKEN):
        left += len(stream.add(text[at : at + TOKEN]))
        held.append(at + TOKEN - left)
    seconds = time.perf_counter() - start
    return {
        "microseconds_a_token": round(1e6 * seconds / len(held), 1),
        "characters_held_median": statistics.median(held),
        "characters_held_95_percent": statistics.quantiles(held, n=20)[-1],
        "characters_held_most": max(held),
    }


if __name__ == "__main__":
    main()
