from __future__ import annotations

from pathlib import Path

import pytest

from groundup.errors import MachineError
from groundup.text.cache import cache_directory


@pytest.fixture(autouse=True)
def no_cache_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROUNDUP_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


def test_named_cache_wins_and_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "named" / "deep"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "named" / "deep"
    assert (tmp_path / "named" / "deep").is_dir()
    assert [file.name for file in (tmp_path / "named" / "deep").iterdir()] == ["CACHEDIR.TAG"]
    assert not (tmp_path / "xdg").exists()


def test_xdg_then_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home" / ".cache" / "groundup"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "groundup"


def test_a_relative_cache_does_not_move_with_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUNDUP_CACHE", "here")
    assert cache_directory() == tmp_path / "here"


def test_an_unwritable_cache_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("a file, so that no folder can be made below it")
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(MachineError, match=r"cannot be written.*GROUNDUP_CACHE") as caught:
        cache_directory()
    assert str(tmp_path / "file" / "cache") in str(caught.value)
    assert "Not a directory" in str(caught.value)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDUP_CACHE", "~no-such-user/cache")
    with pytest.raises(MachineError, match=r"the cache ~no-such-user/cache cannot be written .*GROUNDUP_CACHE"):
        cache_directory()
