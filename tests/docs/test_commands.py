"""Each command that a page prints can be typed as it stands, and in the order of the pages."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.docs.test_tutorial import CHAPTERS, DOCS, ROOT, parse_command

from groundup.recipe.settings import shipped_recipes

README = ROOT / "README.md"
PROJECTS = sorted(DOCS.glob("projects/[!p]*.md"))  # Python's have texts of several lines
PAGES = [README, *sorted(DOCS.glob("*.md")), *PROJECTS]
PROGRAM = re.compile(r"^ *(?:\.venv/bin/)?groundup (.+)$")


def commands(text: str) -> list[list[str]]:
    """The words of each `groundup` command of a page, up to a pipe; what stands behind `#` is for people."""
    found = filter(None, (PROGRAM.match(line) for line in text.replace("\\\n", " ").splitlines()))
    return [shlex.split(re.split(r" [|>&]", match[1])[0], comments=True) for match in found]


def check(words: list[str]) -> None:
    """Raise what whoever types it would be shown; a recipe that stands for the reader's own is not looked for."""
    if words[0] in ("train", "labels", "plan") and words[1] not in shipped_recipes():
        tuned = any(word.startswith("model.base=") for word in words)
        words = [words[0], "domain" if tuned else "shakespeare", *words[2:]]
    parse_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_commands_can_be_typed_as_they_stand(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        check(words)


@pytest.mark.parametrize(
    "line", ["groundup evaluate runs/x      on its own text", "groundup train shakespeare    in a minute"]
)
def test_words_behind_a_command_are_found(line: str) -> None:
    (words,) = commands(f"So:\n\n    {line}\n")
    with pytest.raises(Exception, match=r"unexpected extra argument|override = 'in'"):
        check(words)


def begun(pages: list[Path]) -> list[str]:
    """The runs that the pages' commands begin, besides that of `make demo`."""
    runs = ["runs/shakespeare"]
    for page in pages:
        for words in commands(page.read_text(encoding="utf-8")):
            if words[0] == "train" and "--resume" not in words:
                runs.append(words[words.index("--run") + 1] if "--run" in words else f"runs/{words[1]}")
    return runs


def test_no_run_is_begun_twice() -> None:
    """Whoever types the README's commands, and then the course's or the projects', never names a run that is there already."""
    course, projects = begun([README, *CHAPTERS]), begun([README, *PROJECTS])
    assert {run for runs in (course, projects) for run in runs if runs.count(run) > 1} == set()
    assert len(course) > 20
    assert len(projects) > len(begun([README])) + 10
