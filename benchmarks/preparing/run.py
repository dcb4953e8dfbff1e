"""How fast text is prepared on one core, each step by itself and all together, over a mixture of real texts.

    .venv/bin/python -m benchmarks.preparing.run [--megabytes 20] [--rounds 3] [--output benchmarks/results/preparing.json]

The steps are those of `groundup data prepare`, and the published rules, languages and evaluation text beside. Documents come from
the catalogue and Python's library, whole, in an order that is always the same. In each round every step does all documents; a step's
figure is the median over the rounds. `all together` is what one core does a second when everything is asked for, persons' names left
alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.result import at_least_one, half, output_file, show, wait_until_quiet, write
from benchmarks.tokenizing.corpus import mixed_documents

from groundup.recipe.prepare_text import STANDARD
from groundup.text.cleaning.settings import RULE_SETS, CleaningSettings, QualitySettings
from groundup.text.document import Document
from groundup.text.duplicates.settings import DecontaminationSettings, DuplicateSettings
from groundup.text.privacy.settings import PrivacySettings
from groundup.text.settings import DataSettings
from groundup.text.steps import Steps

PLAIN = DataSettings("-")
CLEANING = CleaningSettings(**STANDARD["cleaning"])
QUALITY = QualitySettings(rules=RULE_SETS)
DUPLICATES = DuplicateSettings(**STANDARD["duplicates"])
PRIVACY = PrivacySettings(mode="placeholder", names="off")
TEST_QUESTIONS = 1000


def settings(evaluation_text: str) -> dict[str, DataSettings]:
    """Each step by itself, and all of them."""
    decontamination = DecontaminationSettings(files=(evaluation_text,))
    alone = {
        "cleaning": replace(PLAIN, cleaning=CLEANING),
        "published rules, language": replace(PLAIN, quality=QUALITY),
        "evaluation text": replace(PLAIN, decontamination=decontamination),
        "personal data, names off": replace(PLAIN, privacy=PRIVACY),
        "signatures for near-duplicates": replace(PLAIN, duplicates=DUPLICATES),
    }
    whole = replace(PLAIN, cleaning=CLEANING, decontamination=decontamination, privacy=PRIVACY, duplicates=DUPLICATES)
    return {
        **alone,
        "all together, no rules": whole,
        "all together": replace(whole, quality=QUALITY),
    }


def doing(chosen: DataSettings) -> Callable[[Sequence[Document]], int]:
    """A function that does the steps for documents and says how many stay."""
    steps = Steps(chosen, Path())

    def do(documents: Sequence[Document]) -> int:
        kept, _ = steps.run(documents)
        steps.signatures(kept)
        return len(kept)

    return do


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast text is prepared on one core.")
    parser.add_argument("--megabytes", type=float, default=20.0)
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    texts, sizes = mixed_documents(arguments.megabytes)
    documents = [Document(str(number), text, "mixture", "unknown") for number, text in enumerate(texts)]
    megabytes = sum(sizes.values()) / 1e6
    busy_before = wait_until_quiet()
    with tempfile.TemporaryDirectory() as folder:
        questions = Path(folder, "questions.txt")
        questions.write_text("\n".join(text[:200] for text in texts[:: max(1, len(texts) // TEST_QUESTIONS)]))
        tasks = {name: doing(chosen) for name, chosen in settings(str(questions)).items()}
        seconds: dict[str, list[float]] = {name: [] for name in tasks}
        kept: dict[str, int] = {}
        for do in tasks.values():
            do(documents[:10])
        for _ in range(arguments.rounds):
            for name, do in tasks.items():
                start = time.perf_counter()
                kept[name] = do(documents)
                seconds[name].append(time.perf_counter() - start)
    whole = statistics.median(seconds["all together, no rules"])
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "megabytes_per_second": round(megabytes / statistics.median(each), 2),
            "half_of_rounds": half([megabytes / second for second in each], 2),
            "times_all": round(statistics.median(each) / whole, 2),
            "kept": kept[name],
        }
        for name, each in seconds.items()
    ]
    columns = {
        "name": "",
        "megabytes_per_second": "MB/s",
        "half_of_rounds": "half of rounds",
        "times_all": "time, of all without rules",
        "kept": "documents kept",
    }
    show(f"{len(documents):,} documents, {megabytes:.1f} MB, one core", columns, rows, {})
    write(arguments.output, "benchmarks.preparing.run", busy_before, {"sizes": sizes, "rows": rows})


if __name__ == "__main__":
    main()
