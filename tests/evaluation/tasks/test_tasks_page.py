"""docs/tasks.md lists each setting, with its default and its sentence, and its example is a task."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path

from groundup.config import build, field_sentences
from groundup.evaluation.tasks.settings import TaskSettings

PAGE = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")


def test_the_page_lists_the_settings() -> None:
    sentences, rows = field_sentences(TaskSettings), []
    for field in dataclasses.fields(TaskSettings):
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        shown = "" if default in ("", []) else f"`{json.dumps(default)}`"
        rows.append(f"| `{field.name}` | {shown} | {' '.join(sentences[field.name].split())} |")
    found = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", PAGE, re.S)
    assert found is not None
    assert found[1].split("\n")[2:] == rows


def test_the_examples_are_tasks() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    assert [build(TaskSettings, tomllib.loads(example)).shots for example in examples] == [3, 0, 5]
