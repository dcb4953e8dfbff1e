"""Text to ids: megabytes a second, of one long text and of many lines.

    .venv/bin/python -m benchmarks.tokenizing.run [--text tinyshakespeare.txt] [--megabytes 4]

The text, without one the plays that `make demo` learns from, is repeated until it is long enough. Our character tokenizer stands
beside the `tokenizers` library with the same tokenizer.json, whose ids must be the same. tiktoken, sentencepiece and `tokenizers`
with subwords of the same text are there for reference: fewer tokens, more work for each. Figures are medians over the rounds of the
speed divided by that of `tokenizers` with characters in the same round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Program, measure, prepare, start_all
from benchmarks.environment import Unavailable
from benchmarks.result import at_least_one, compared, output_file, show, text_file, wait_until_quiet, write

from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.tokens.character import train_character_tokenizer

HERE = "benchmarks.tokenizing"
BASE = "tokenizers, characters"
PEERS = "tokenizing"
PROGRAMS = {
    BASE: Program(f"{HERE}.tokenizers_ids", PEERS, {"FILE": "tokenizer.json"}),
    "Groundup, characters, to arrays": Program(f"{HERE}.groundup_ids", "", {"AS": "array"}),
    "Groundup, characters, to lists": Program(f"{HERE}.groundup_ids"),
    "tokenizers, BPE": Program(f"{HERE}.tokenizers_ids", PEERS, {"FILE": "bpe.json"}),
    "tiktoken, the same BPE": Program(f"{HERE}.tiktoken_ids", PEERS),
    "sentencepiece, unigram": Program(f"{HERE}.sentencepiece_ids", PEERS),
}
SAME_AS = {  # whose ids must be the same as whose
    "Groundup, characters, to arrays": BASE,
    "Groundup, characters, to lists": BASE,
    "tiktoken, the same BPE": "tokenizers, BPE",
}


def check_ids(contenders: list[Contender], left_out: dict[str, str]) -> list[Contender]:
    """Those that give the ids they should; the others are moved to `left_out`."""
    digests = {contender.name: contender.told["digest"] for contender in contenders}
    for name, other in SAME_AS.items():
        if name in digests and other in digests and digests[name] != digests[other]:
            left_out[name] = f"its ids are not those of {other}"
    return [contender for contender in contenders if contender.name not in left_out]


def one_setting(task: dict[str, Any], rounds: int) -> dict[str, Any]:
    left_out: dict[str, str] = {}
    try:
        prepare(Program(f"{HERE}.train_peers", PEERS), task)
        contenders = check_ids(start_all(PROGRAMS, task, left_out, telling=True), left_out)
    except Unavailable as error:
        sys.exit(f"the peers, with whom ours is compared, can't be measured: {error}")
    contenders = measure(contenders, rounds, 1, left_out, warm_up=0)
    base = next((contender for contender in contenders if contender.name == BASE), None)
    if base is None:
        sys.exit(f"{BASE}, whom the others are compared with, can't be measured: {left_out[BASE]}")
    rows = []
    for contender in contenders:
        row: dict[str, Any] = {"name": contender.name, **compared(base.seconds, contender.seconds, "times_tokenizers")}
        row["megabytes_per_second"] = round(task["bytes"] / 1e6 / statistics.median(contender.seconds), 2)
        row["tokens"] = contender.told["tokens"]
        row["peak_rss_mb"] = round(contender.peak_rss / 1e6)
        if contender.name in SAME_AS:
            row["same_ids_as"] = SAME_AS[contender.name]
        rows.append(row)
    return {"base": BASE, "rounds": rounds, "rows": rows, "left_out": left_out}


def the_demos_text() -> str:
    """Fetched once, like `groundup train shakespeare` does."""
    documents = read_documents(DataSettings(source="shakespeare"), cache_directory(), print)
    return "\n".join(document.text for document in documents)


def main() -> None:
    parser = argparse.ArgumentParser(description="Encoding speed, beside tokenizers, tiktoken and sentencepiece.")
    parser.add_argument("--text", type=text_file, help="the text to encode, repeated; the demo's plays without one")
    parser.add_argument("--megabytes", type=float, default=4.0)
    parser.add_argument("--rounds", type=at_least_one, default=7)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    text = arguments.text.read_text(encoding="utf-8") if arguments.text else the_demos_text()
    bytes_a_character = len(text.encode("utf-8")) / len(text)
    characters = round(arguments.megabytes * 1e6 / bytes_a_character)
    busy_before = wait_until_quiet()
    columns = {
        "name": "",
        "times_tokenizers": "x tokenizers",
        "half_of_rounds": "half of the rounds",
        "megabytes_per_second": "MB/s",
        "tokens": "tokens",
        "peak_rss_mb": "peak RSS, MB",
        "same_ids_as": "same ids as",
    }
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_text(text, encoding="utf-8")
        train_character_tokenizer([text], byte_fallback=False).save(Path(folder))
        for name, title in (("long", "one long text"), ("lines", "many lines")):
            task = {"folder": folder, "text": str(path), "characters": characters}
            task |= {"lines": name == "lines", "bytes": arguments.megabytes * 1e6}
            table = one_setting(task, arguments.rounds)
            title = f"{title}, {arguments.megabytes:g} MB"
            show(title, columns, table["rows"], table["left_out"])
            tables.append({"name": name, "title": title, **table})
    facts = {
        "text": arguments.text.name if arguments.text else "shakespeare, of the catalogue",
        "repeated_to_megabytes": arguments.megabytes,
        "tables": tables,
    }
    write(arguments.output, f"{HERE}.run", busy_before, facts)


if __name__ == "__main__":
    main()
