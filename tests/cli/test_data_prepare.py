"""`groundup data prepare` and what is no recipe: what is said when there is nothing to train on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundup.cli.data_prepare import prepare
from groundup.errors import DataError, SettingError
from groundup.recipe.settings import find_recipe


@pytest.mark.parametrize("as_json", [True, False])
def test_text_of_which_nothing_is_left_is_an_error(
    as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n', encoding="utf-8")
    arguments = [str(tmp_path / "rows.jsonl"), 'data.quality.rules=["gopher"]', "data.cleaning.languages=[]"]
    with pytest.raises(
        DataError, match=r"^nothing is left of the 2 documents that were read: .*removed.jsonl says why"
    ):
        prepare(arguments, tmp_path / "out", as_json=as_json)
    shown = capsys.readouterr().out
    assert (json.loads(shown)["funnel"][-1]["documents"] == 0) if as_json else ("gopher.min_words" in shown)
    rows = [json.loads(line) for line in (tmp_path / "out" / "removed.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in rows] == ["gopher.min_words"] * 2


def test_a_text_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("To be", encoding="utf-8")
    with pytest.raises(SettingError, match=r"this is no TOML file; name a TOML file.*data.source=.*text.txt\)"):
        find_recipe(str(tmp_path / "text.txt"))
