"""docs/serving.md lists each setting, with its default and its sentence."""

from __future__ import annotations

import dataclasses
import re

from tests.conftest import ROOT

from groundup.config import field_sentences
from groundup.serving.settings import ServingSettings


def settings_table() -> str:
    """The table as it should stand there."""
    sentences = field_sentences(ServingSettings)
    rows = [
        f"| `serving.{field.name}` | {'' if field.default == '' else f'`{field.default}`'} | {sentences[field.name]} |"
        for field in dataclasses.fields(ServingSettings)
    ]
    return "\n".join(["| setting | default | |", "|---|---|---|", *rows])


def test_the_table_of_settings() -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", page, re.S)
    assert found is not None
    assert found[1] == settings_table(), settings_table()
