"""Files of one JSON object a line: metrics.jsonl, events.jsonl, samples.jsonl."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from groundup.files import naming
from groundup.run.files import explain_os_errors, without_infinities, write_atomic

Record = dict[str, Any]


def append_record(path: Path, record: Record) -> None:
    """Add one line. A number that is not finite is written as null, since JSON has no other word for it."""
    line = json.dumps(without_infinities(record), ensure_ascii=False, allow_nan=False) + "\n"
    with explain_os_errors(path), path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, 2)
            if file.read(1) != b"\n":  # a crash cut the last line short; it must not take this one with it
                line = "\n" + line
        file.write(line.encode())


def read_records(path: Path) -> list[Record]:
    """All whole lines; a line cut short by a crash is left out."""
    records = []
    if not path.is_file():
        return []
    with naming(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    for line in text.split("\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int | None):
            records.append(record)
    return records


def begins_with(path: Path, num_bytes: int, sha256: str) -> bool:
    """Whether the first bytes of a file are those that once were the whole of it."""
    if not path.is_file():
        return False
    with naming(path), path.open("rb") as file:
        return hashlib.sha256(file.read(num_bytes)).hexdigest() == sha256


def cut_records(path: Path, last_step: int) -> None:
    """Drop the lines after a step, and any broken one: the steps that follow will be taken, and told, again."""
    if path.is_file():
        kept = [record for record in read_records(path) if (record.get("step") or 0) <= last_step]
        write_atomic(path, "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in kept))
