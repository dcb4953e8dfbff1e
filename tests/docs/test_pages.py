"""The page on the web pages: its links and pictures are there, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from groundup.serving.inspecting import MAX_TOKENS

PAGE = Path(__file__).parents[2] / "docs" / "pages.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_links_and_pictures_are_there_and_small() -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", TEXT) if not link.startswith("https://")]
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    pictures = {link for link in links if link.endswith(".webp")}
    assert len(pictures) == 6
    assert max((PAGE.parent / picture).stat().st_size for picture in pictures) < 200_000


def test_the_example_runs(tiny_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(code) == 1
    exec(code[0].replace("runs/shakespeare", str(tiny_base)).replace("layer=2", "layer=1"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("[None, ")
    assert "Guess(likeliest=[(" in printed


def test_its_figures_are_the_codes() -> None:
    assert f"up to {MAX_TOKENS} tokens" in TEXT
