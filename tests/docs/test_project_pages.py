"""The projects' pages: every link leads somewhere, every command has its options, and every setting that they name is one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from groundup.cli.main import app
from groundup.recipe.settings import load_recipe, shipped_recipes

PAGES = Path(__file__).parents[2] / "docs" / "projects"
NAMES = sorted(page.stem for page in PAGES.glob("*.md"))
SECTIONS = ("data", "tokenizer", "model", "training", "evaluation", "generation")
HAS_SETTING = re.compile(rf"(?:{'|'.join(SECTIONS)})\.\w[\w.]*=\S")


def own_words(name: str) -> str:
    """The page without what models wrote."""
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    return re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)


def commands(name: str) -> list[list[str]]:
    """Each command that stands on a line of its own or in a sentence, in words; without the remark behind it."""
    lines = re.findall(r"^    (groundup .+(?:\n        .+)*)|`(groundup [^`]+)`", own_words(name), re.MULTILINE)
    return [shlex.split(re.sub(r'(?<=[^\s"]) {4,}\S.*', "", line or inline, count=1)) for line, inline in lines]


def settings(name: str) -> list[list[str]]:
    """The settings that the page names in sentences, those of one stretch of code together."""
    stretches = re.findall(r"`([^`\n]+)`", own_words(name))
    return [shlex.split(one) for one in stretches if HAS_SETTING.match(one)]


@pytest.mark.parametrize("name", NAMES)
def test_links_and_pictures_are_there(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s#]+)", own_words(name)) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (PAGES / link).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist_with_these_options_and_settings(name: str) -> None:
    group: Any = typer.main.get_command(app)
    assert ["groundup", "train", name] in commands(name)
    for words in commands(name):
        command = group.commands[words[1]]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options
        if words[1] == "train":
            assert words[2] in shipped_recipes()
            load_recipe(words[2], [word for word in words[3:] if HAS_SETTING.match(word)])


@pytest.mark.parametrize("name", NAMES)
def test_ideas_are_settings_that_there_are(name: str) -> None:
    assert "## Ideas to go on" in own_words(name)
    assert settings(name)
    for together in settings(name):
        load_recipe(name, together)


def test_every_recipe_has_a_page() -> None:
    assert sorted(shipped_recipes()) == NAMES
