"""The page on other libraries: each cell has its verdict and its evidence, and what it says of Groundup is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from groundup.cli.main import app
from groundup.recipe.settings import load_recipe

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "peers.md"
TEXT = PAGE.read_text(encoding="utf-8")
TABLE = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.partition("## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]
FEATURES = [[*row[0].split(". "), *row[1:]] for row in TABLE if row[0][0].isdigit()]  # the last rows are not numbered
OTHERS = ("nanoGPT", "nanochat", "litgpt", "LLaMA-Factory", "transformers, TRL, PEFT")
EVIDENCE = dict(re.findall(r"^(\d+)\. (.+)$", TEXT.partition("## Where each is seen")[2], re.MULTILINE))


def test_rows_are_numbered_as_their_evidence_is() -> None:
    assert [row[0] for row in FEATURES] == [str(number) for number in range(1, len(FEATURES) + 1)] == list(EVIDENCE)
    assert len(FEATURES) > 20


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row[1])
def test_each_yes_names_what_shows_it(row: list[str]) -> None:
    number, feature, ours, *theirs = row
    assert re.match(r"(yes|partly)\b.*: `.+\[.+\]\(|no\b", ours)
    title, *seen = EVIDENCE[number].split(". *")
    files = {name: file for name, _, file in (each.partition("*: ") for each in seen)}
    assert title.startswith(feature)
    assert set(files) <= {"Groundup", *OTHERS}
    for name, verdict in zip(OTHERS, theirs, strict=True):
        assert verdict in ("yes", "partly", "no", "?")
        assert verdict in ("no", "?") or re.search(r"`[\w./-]+(\.\w+|/)`", files[name]), name


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    assert [link for link in links if not (PAGE.parent / (link.partition("#")[0] or PAGE.name)).exists()] == []
    assert len(links) > 30


def test_commands_exist() -> None:
    group = typer.main.get_command(app)
    named = {shlex.split(words)[0] for row in FEATURES for words in re.findall(r"`groundup ([^`]+)`", row[2])}
    assert named - set(group.commands) == set()  # type: ignore[attr-defined]
    assert len(named) > 10


def test_settings_exist() -> None:
    words = " ".join(re.findall(r"`((?:training|data|parallel)\.[^`]+)`", " ".join(row[2] for row in FEATURES))).split()
    assert len(words) >= 5
    for word in words:
        load_recipe("domain", [word])


def test_our_lines_are_counted() -> None:
    (said,) = [row[1] for row in TABLE if row[0].startswith("Lines of Python")]
    lines = sum(len(path.read_bytes().splitlines()) for path in (ROOT / "src").rglob("*.py"))
    assert lines == pytest.approx(int(said.replace(",", "")), rel=0.1)


def test_the_short_table_in_the_readme_says_the_same() -> None:
    whole = {row[1]: row[2:] for row in FEATURES}
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    short = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    short = [row for row in short if len(row) == 7 and row[0] in whole]
    assert 5 < len(short) <= 12
    for feature, ours, *theirs in short:
        assert theirs == whole[feature][1:], feature
        assert ours.split()[0].strip(":,") == whole[feature][0].split()[0].strip(":,"), feature
