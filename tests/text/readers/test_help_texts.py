from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.text.readers.help_texts import LANGUAGES, read_help_texts
from groundup.text.texts import Text

WriteArchive = Callable[[dict[str, Any]], Path]
ENGLISH = "The device could not be reached. Check that it is switched on."
GERMAN = "Das Gerät ist nicht erreichbar. Ist es eingeschaltet?"


def test_sentences_by_integration_and_language(write_archive: WriteArchive) -> None:
    """Labels, repetitions and what is still English are left out; white space is made single."""

    def member(integration: str, code: str) -> str:
        return f"homeassistant/components/{integration}/translations/{code}.json"

    archive = write_archive(
        {
            member("lamp", "en"): {"title": "Lamp", "config": {"error": ENGLISH, "step": {"user": {"again": ENGLISH}}}},
            member("lamp", "de"): {"title": "Lampe", "config": {"error": GERMAN.replace(" ", " \n ")}},
            member("oven", "en"): {"config": {"error": ENGLISH}},
            member("oven", "de"): {"config": {"error": GERMAN, "untranslated": ENGLISH}},
            member("oven", "zh-Hans"): {"config": {"error": "无法连接设备，请检查设备是否已打开。", "title": "烤箱"}},
            member("oven", "nl"): {"config": {"error": "Een taal die niet gevraagd wordt, maar wel een lange zin."}},
            "homeassistant/components/lamp/strings.json": {"error": "Something that is no translation but long enough"},
        }
    )
    assert read_help_texts(archive) == [
        Text("en/lamp", f"{ENGLISH}\n", {"language": "en"}),
        Text("de/lamp", f"{GERMAN}\n", {"language": "de"}),
        Text("zh/oven", "无法连接设备，请检查设备是否已打开。\n", {"language": "zh"}),
    ]


def test_english_comes_first() -> None:
    """It has to be known before what is left untranslated elsewhere can be."""
    assert next(iter(LANGUAGES)) == "en"
