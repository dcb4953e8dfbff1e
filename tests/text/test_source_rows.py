"""Rows of sources with all their columns, and rows that a program gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from groundup.errors import DataError
from groundup.text.bad_input import BadInput
from groundup.text.settings import DataSettings
from groundup.text.source_rows import keep_rows, read_source_rows
from groundup.text.sources import find_sources, source_hashes

ROWS: list[dict[str, Any]] = [{"prompt": "Say 1", "completion": "1"}, {"prompt": "Sáy 2", "completion": "2", "id": 7}]


def test_rows_are_named_by_source_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    (tmp_path / "two.json").write_text(json.dumps(ROWS[:1]), encoding="utf-8")
    (tmp_path / "three.csv").write_text("prompt,completion\nSay 3,3\n", encoding="utf-8")
    names = tuple(str(tmp_path / name) for name in ("one.jsonl", "two.json", "three.csv"))
    sources = find_sources(DataSettings(source=names), tmp_path, print)
    found = list(read_source_rows(sources, "rows are wanted", BadInput()))
    assert [row.columns for row in found] == [*ROWS, ROWS[0], {"prompt": "Say 3", "completion": "3"}]
    places = ["one.jsonl, line 1", "one.jsonl, line 2", "two.json, item 1", "three.csv, line 2"]
    assert [row.place for row in found] == [f"{tmp_path}/{place}" for place in places]
    assert [row.source for row in found] == [names[0], *names]


def test_what_cannot_be_read_is_told_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "x"}\n{"prompt"\n[1]\n', encoding="utf-8")
    sources = find_sources(DataSettings(source=str(tmp_path / "rows.jsonl")), tmp_path, print)
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2 is not valid JSON"):
        list(read_source_rows(sources, "rows are wanted", BadInput()))
    bad = BadInput(skip=True)
    assert len(list(read_source_rows(sources, "rows are wanted", bad))) == 1
    assert dict(bad.counts) == {"not JSON": 1, "not an object": 1}
    (tmp_path / "rows.jsonl").write_text("", encoding="utf-8")
    bad = BadInput()
    assert list(read_source_rows(sources, "rows are wanted", bad)) == []
    assert bad.examples == {"empty": [f"{tmp_path / 'rows.jsonl'} is empty"]}


def test_rows_of_a_program_are_kept_by_their_content(tmp_path: Path) -> None:
    def generated() -> Iterator[Any]:
        yield from ROWS

    source = keep_rows(generated(), tmp_path, "my rows")
    assert [(row.place, row.columns) for row in read_source_rows([source], "", BadInput())] == [
        ("my rows, line 1", ROWS[0]),
        ("my rows, line 2", ROWS[1]),
    ]
    again = keep_rows(list(ROWS), tmp_path, "my rows")
    assert source_hashes(again) == source_hashes(source)
    kinds: tuple[Any, ...] = (list, np.array, torch.tensor)
    arrays = keep_rows([{"input_ids": kind([5, 6])} for kind in kinds], tmp_path, "ids")
    assert [row.columns for row in read_source_rows([arrays], "", BadInput())] == [{"input_ids": [5, 6]}] * 3
    with pytest.raises(DataError, match="my rows, row 2 is a str: give mappings such as"):
        keep_rows([ROWS[0], "text"], tmp_path, "my rows")  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"my rows, row 1 holds what is neither text nor number .*\(set\)"):
        keep_rows([{"text": {1}}], tmp_path, "my rows")
    assert {path.suffix for path in (tmp_path / "rows").iterdir()} == {".jsonl"}
