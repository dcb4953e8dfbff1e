"""How fast personal data is looked for and replaced, and what is found in real text that should hold little.

    .venv/bin/python -m benchmarks.privacy.speed [FILE ...] [--megabytes 4] [--rounds 5] [--output benchmarks/results/privacy-speed.json]

Without files: the interpreter's own standard library (code) and, where they are, the system's documents (/usr/share/doc). One process, one core.
Megabytes a second are medians over the rounds; a document is a file. What is found is counted, for people to judge: --show prints it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.command import command_line
from benchmarks.privacy.report import show
from benchmarks.result import at_least_one, output_file

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.scrub import scrub
from groundup.text.privacy.settings import PrivacySettings


def read(paths: list[Path], megabytes: float) -> list[str]:
    """Files that are UTF-8 text, until there is enough."""
    texts, size = [], 0
    for path in paths:
        try:
            content = path.read_bytes()
            texts.append(content.decode("utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        size += len(content)
        if size > megabytes * 1e6:
            break
    return texts


def seconds(texts: list[str], settings: PrivacySettings) -> float:
    start = time.perf_counter()
    for text in texts:
        scrub(text, settings)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the privacy step on real text, and what it finds there.")
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--megabytes", type=float, default=4.0, help="at most, of each source")
    parser.add_argument("--rounds", type=at_least_one, default=5)
    parser.add_argument("--show", action="store_true", help="print what was found, e-mail and names left out")
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    sources = {path.name: [path] for path in arguments.files} or {
        "Python's standard library": sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")),
        "/usr/share/doc": sorted(path for path in Path("/usr/share/doc").glob("*/*") if path.is_file()),
    }
    rows: list[dict[str, Any]] = []
    for name, paths in sources.items():
        texts = read(paths, arguments.megabytes)
        if not texts:
            print(f"{name}: no text there, left out", file=sys.stderr)
            continue
        megabytes = sum(len(text.encode()) for text in texts) / 1e6
        speeds = {}
        for names in ("off", "context"):
            rounds = [seconds(texts, PrivacySettings("placeholder", names=names)) for _ in range(arguments.rounds)]
            speeds[names] = round(megabytes / statistics.median(rounds), 2)
        found: Counter[str] = Counter()
        for text in texts:
            for finding in find_personal_data(text, PrivacySettings("placeholder")):
                found[finding.kind] += 1
                if arguments.show and finding.kind not in ("email", "name"):
                    print(f"{finding.form}: {text[max(0, finding.start - 30) : finding.end + 10]!r}")
        rows.append(
            {
                "source": name,
                "MB": round(megabytes, 2),
                "MB/s, names off": speeds["off"],
                "MB/s, context": speeds["context"],
                "found": ", ".join(f"{kind} {count}" for kind, count in found.most_common()),
            }
        )
    show("speed on one core", rows)
    if arguments.output:
        result = {"command": command_line("benchmarks.privacy.speed"), "rounds": arguments.rounds, "sources": rows}
        arguments.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
