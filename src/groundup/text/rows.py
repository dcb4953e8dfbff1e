"""Files of rows, each with a text among its columns: JSON lines, JSON lists, CSV, TSV, Parquet, Arrow.

A reader takes a file, what messages call it, and whom to tell of a row that can't be read; of a file that can't be, it raises
`DataError`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from groundup.errors import DataError, MissingExtraError
from groundup.text.bad_input import BadInput
from groundup.text.compression import DamagedError, compression, opened
from groundup.text.decode import decode_text, lines
from groundup.text.table import Row, comma_separated, tab_separated

LONGEST_ROW = 256 * 2**20
"""Bytes; a longer line is no row, and would not fit into memory with its copies."""


def json_lines(path: Path, name: str, bad: BadInput) -> Iterator[Row]:
    """One JSON object a line; blank lines are passed over."""
    with opened(path, name) as file:
        yield from json_lines_of(file, name, bad)


def json_lines_of(file: BinaryIO, name: str, bad: BadInput) -> Iterator[Row]:
    """One JSON object a line of an open file."""
    for number, _, line in lines(file, LONGEST_ROW):
        place = f"line {number:,}"
        if line is None:
            bad(f"{name}, {place} is longer than {LONGEST_ROW // 2**20} MB", "line too long")
        elif line := line.strip():
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    decode_text(line, name)  # says which other form of Unicode it is
            try:
                row = _parse(line)
            except ValueError as error:
                bad(f"{name}, {place} is not valid JSON ({error})", "not JSON")
                continue
            if isinstance(row, dict):
                yield place, row
            else:
                bad(f"{name}, {place} is not a JSON object with a text in it", "not an object")


def json_list(path: Path, name: str, bad: BadInput) -> Iterator[Row]:
    """A JSON list of objects."""
    with opened(path, name) as file:
        content = file.read(LONGEST_ROW + 1)
    if len(content) > LONGEST_ROW:
        raise DataError(
            f"{name} is a JSON list of more than {LONGEST_ROW // 2**20} MB: write one object a line (.jsonl)"
        )
    if not content.strip():
        return
    try:
        rows = _parse(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise DataError(f"{name} is not valid JSON ({error}); if it has one object a line, call it .jsonl") from None
    if not isinstance(rows, list):
        raise DataError(f"{name} is not a JSON list of objects: write one, or one object a line (.jsonl)")
    for index, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield f"item {index:,}", row
        else:
            bad(f"{name}, item {index:,} is not a JSON object with a text in it", "not an object")


def parquet(path: Path, name: str, bad: BadInput) -> Iterator[Row]:
    """A Parquet file, a batch of rows in memory at a time."""
    _require_plain(path, name)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield from _arrow_rows(file.iter_batches(batch_size=1000), name, bad)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, "Parquet", error) from error


def arrow(path: Path, name: str, bad: BadInput) -> Iterator[Row]:
    """An Arrow stream or file, as Hugging Face datasets saves them."""
    _require_plain(path, name)
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        with pa.memory_map(str(path)) as source:
            try:
                yield from pa.ipc.open_stream(source)
                return
            except pa.ArrowInvalid:
                source.seek(0)
            file = pa.ipc.open_file(source)
            for index in range(file.num_record_batches):
                yield file.get_batch(index)

    try:
        yield from _arrow_rows(batches(), name, bad)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, "Arrow", error) from error


ROW_READERS: dict[str, Callable[[Path, str, BadInput], Iterator[Row]]] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".json": json_list,
    ".csv": comma_separated,
    ".tsv": tab_separated,
    ".parquet": parquet,
    ".arrow": arrow,
}


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _arrow_rows(batches: Iterable[Any], name: str, bad: BadInput) -> Iterator[Row]:
    number = 0
    for batch in batches:
        for row in _values(batch):
            number += 1
            if isinstance(row, ValueError | OverflowError):
                bad(f"{name}, row {number:,} holds what is no value of its column ({_one_line(row)})", "not a row")
            else:
                yield f"row {number:,}", row


def _values(batch: Any) -> Iterator[Any]:
    """A batch's rows, without times and dates, which are no texts, and which Python can't tell as finely or as far as Arrow; in place
    of a row with bytes that are no UTF-8, the error."""
    from pyarrow.types import is_temporal

    batch = batch.select([place for place, column in enumerate(batch.schema) if not is_temporal(column.type)])
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        for place in range(batch.num_rows):
            try:
                (row,) = batch.slice(place, 1).to_pylist()
            except (ValueError, OverflowError) as error:
                row = error
            yield row


def _damaged(name: str, kind: str, error: Exception) -> DamagedError:
    return DamagedError(f"{name} is not a whole {kind} file ({_one_line(error)}): fetch or copy it again")


def _require_plain(path: Path, name: str) -> None:
    if packed := compression(path.name):
        raise DataError(f"{name}: a table of this kind is packed within; unpack the {packed} file first")
    with contextlib.suppress(ImportError):
        import pyarrow  # noqa: F401

        return
    raise MissingExtraError(f"reading {path.name}", "data")


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
