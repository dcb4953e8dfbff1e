"""Whole files without their personal data: rows of JSON, or one plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from groundup.errors import DataError
from groundup.files import replacing
from groundup.text.decode import decode_text
from groundup.text.privacy.scrub import Scrubbed, scrub
from groundup.text.privacy.settings import PrivacySettings

ROW_SUFFIXES, TEXT_SUFFIXES = (".jsonl", ".ndjson"), (".txt", ".md")
SHOWN_EXAMPLES, SHOWN_LINES, LONGEST_EXAMPLE = 3, 5, 40
LETTER, DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")


@dataclass
class Report:
    """What was done to a file."""

    mode: str
    rows: int = 0
    """Rows that were read; a plain text is one."""
    changed: int = 0
    dropped: int = 0
    skipped: int = 0
    """Rows that could not be read (`skip_bad`)."""
    skipped_lines: list[int] = field(default_factory=list)
    """The first of their line numbers."""
    other_keys: list[str] = field(default_factory=list)
    """Keys of the rows that were not looked into, in the order of their first use."""
    found: dict[str, int] = field(default_factory=dict)
    """Findings of each kind."""
    rows_with: dict[str, int] = field(default_factory=dict)
    """Rows with a finding of each kind."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The shape of the first few of each kind: letters as x, digits as 9. No value is ever shown."""

    def add(self, before: str, scrubbed: Scrubbed) -> None:
        """Count one text."""
        self.rows += 1
        self.dropped += scrubbed.drop
        self.changed += scrubbed.text != before
        for kind, count in scrubbed.counts.items():
            self.found[kind] = self.found.get(kind, 0) + count
            self.rows_with[kind] = self.rows_with.get(kind, 0) + 1
        for finding in scrubbed.findings:
            shown = self.examples.setdefault(finding.kind, [])
            example = shape(before[finding.start : finding.end])
            if len(shown) < SHOWN_EXAMPLES and example not in shown:
                shown.append(example)


def shape(value: str) -> str:
    """A value without what it says: `jane@mail.org` is `xxxx@xxxx.xxx`."""
    masked = DIGIT.sub("9", LETTER.sub("x", " ".join(value.split())))
    return masked if len(masked) <= LONGEST_EXAMPLE else masked[: LONGEST_EXAMPLE - 1] + "…"


def scrub_file(
    source: Path, output: Path, settings: PrivacySettings, key: bytes = b"", skip_bad: bool = False
) -> Report:
    """Write `source` to `output` without personal data: rows of JSON keep their other keys and their order.

    `output` gets its name when it is whole. Raises `DataError` that names the file and line of a row that isn't JSON, has no "text" or
    isn't UTF-8; with `skip_bad` such rows are left out and counted.
    """
    suffix = source.suffix.lower()
    if suffix not in ROW_SUFFIXES + TEXT_SUFFIXES:
        raise DataError(
            f'{source}: a file to scrub ends in .jsonl (rows with "text"), .txt or .md; rename or convert it'
        )
    if not source.is_file():
        raise DataError(f"{source} is {'not a regular file' if source.exists() else 'not there'}: name a file to scrub")
    if output.exists():
        raise DataError(f"{output} is there already: name a new file with --output")
    if not output.absolute().parent.is_dir():
        raise DataError(f"{output}: there is no folder {output.parent}; make it first, or name another --output")
    report = Report(settings.mode)
    with replacing(output) as file:
        if suffix in ROW_SUFFIXES:
            _scrub_rows(source, file, settings, key, skip_bad, report)
        else:
            text, _ = decode_text(source.read_bytes(), str(source))
            scrubbed = scrub(text, settings, key)
            report.add(text, scrubbed)
            file.write(b"" if scrubbed.drop else scrubbed.text.encode())
    return report


def _scrub_rows(
    source: Path, file: BinaryIO, settings: PrivacySettings, key: bytes, skip_bad: bool, report: Report
) -> None:
    for number, row in _rows(source):
        if isinstance(row, str):
            if not skip_bad:
                raise DataError(
                    f"{source}, line {number:,}: {row}; mend the row, or leave such rows out with --skip-bad"
                )
            report.skipped += 1
            report.skipped_lines += [number] if report.skipped <= SHOWN_LINES else []
            continue
        scrubbed = scrub(row["text"], settings, key)
        report.other_keys += [name for name in row if name != "text" and name not in report.other_keys]
        report.add(row["text"], scrubbed)
        if not scrubbed.drop:
            file.write(json.dumps({**row, "text": scrubbed.text}, ensure_ascii=False).encode() + b"\n")


def _rows(source: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Each row with its line's number, or what is wrong with it; blank lines are passed over."""
    with source.open("rb") as file:
        for number, line in enumerate(file, start=1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                yield number, _row(content)


def _row(line: bytes) -> dict[str, Any] | str:
    try:
        row = json.loads(line.decode("utf-8"))
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        return f"byte {error.start:,} (0x{error.object[error.start]:02x}) is not UTF-8"
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair, which is no character"
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({error})"
    if not isinstance(row, dict):
        return f"it is a JSON {type(row).__name__}, not an object"
    if "text" not in row:
        return 'it has no "text"'
    if not isinstance(row["text"], str):
        return f'its "text" is {type(row["text"]).__name__}, not a string'
    return row
