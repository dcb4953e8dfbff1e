"""The README and its neighbours: every link leads somewhere, every command and setting exists, every fixed name is true."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.recipe.settings import load_recipe, shipped_recipes

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def command_lines() -> list[list[str]]:
    lines = re.findall(
        r"^\s+(?:\.venv/bin/)?(groundup .+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_commands_exist_with_these_options(words: list[str]) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    command: Any = group.commands[words[1]]
    if isinstance(command, typer.core.TyperGroup):
        command = command.commands[words[2]]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options
    if words[1] == "train" and words[2] in shipped_recipes():
        load_recipe(words[2], [word for word in words[3:] if "=" in word and not word.startswith("--")])


def test_there_are_such_commands() -> None:
    assert len(command_lines()) >= 3


def test_help_names_every_recipe() -> None:
    help_text = CliRunner().invoke(app, ["train", "--help"]).output
    assert {name for name in shipped_recipes() if name not in help_text} == set()


def test_python_blocks_are_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        ast.parse(block)


def test_make_knows_the_targets_that_are_named() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        name for page in PAGES for name in re.findall(r"make ([a-z]+)\b", (ROOT / page).read_text(encoding="utf-8"))
    }
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert {"demo", "test", "install", "check"} <= named & targets


def test_architecture_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {
        path.name for path in (ROOT / "src" / "groundup").iterdir() if path.is_dir() and not path.name.startswith("_")
    }
    assert {room for room in rooms if f"`{room}/" not in text} == set()


def test_tables_of_figures_are_those_of_the_results() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.readme", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
