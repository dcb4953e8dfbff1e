from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from groundup.errors import DataError
from groundup.text.readers import encyclopaedia
from groundup.text.readers.encyclopaedia import DUMP, read_encyclopaedia, wikitext_to_text

WriteArchive = Callable[[dict[str, Any]], Path]

WIKITEXT = """\
{{Infobox|name={{nowrap|A}}
|x=[[y]]}}
<!-- hidden -->'''Ants''' are [[insect|insects]] of the [[family]] ''Formicidae''.<ref name="a">{{cite|x}}</ref> They
live in [[Colony (biology)|colonies]]<ref name="a" /> of {{convert|2|mm}} to many&nbsp;thousands.
[[File:Ant.jpg|thumb|An [[ant]] at work]]

== Life ==
* They [http://example.org/eat eat].
* They work.
{| class="wikitable"
| cell || {| inner |}
|}
The end &amp; the <small>rest</small>.

== See also ==
* [[Bee]]
"""
TEXT = """\
Ants are insects of the family Formicidae. They live in colonies of to many thousands.

Life

They eat.
They work.

The end & the rest."""


def test_a_page_by_hand() -> None:
    assert wikitext_to_text(WIKITEXT) == TEXT


def test_a_redirect_is_empty() -> None:
    assert wikitext_to_text("#REDIRECT [[Ant]]") == ""


def dump(*pages: tuple[str, int, str]) -> bytes:
    inner = "".join(
        f"<page><title>{escape(title)}</title><ns>{space}</ns><revision><id>1</id><text>{escape(text)}</text></revision></page>"
        for title, space, text in pages
    )
    return bz2.compress(f'<mediawiki xmlns="http://example.org/export">{inner}</mediawiki>'.encode())


def test_articles_of_a_dump(write_archive: WriteArchive) -> None:
    long = "An '''ant''' is small. " * 40
    pages = dump(
        ("Ant & bee", 0, long), ("Talk:Ant", 1, long), ("Emmet", 0, "#REDIRECT [[Ant]]"), ("Stub", 0, "Short.")
    )
    (article,) = read_encyclopaedia(write_archive({DUMP: pages}))
    assert article.name == "Ant & bee"
    assert article.text == "Ant & bee\n\n" + ("An ant is small. " * 40).strip() + "\n"
    assert article.metadata == {"language": "en", "title": "Ant & bee"}


def test_a_damaged_or_huge_dump_is_named(write_archive: WriteArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dump(("Ant", 0, "An ant. " * 1000))
    with pytest.raises(DataError, match="is cut short or unpacks to more than"):
        read_encyclopaedia(write_archive({DUMP: whole[:-20]}))
    with pytest.raises(DataError, match="is damaged"):
        read_encyclopaedia(write_archive({DUMP: bz2.compress(b"<mediawiki><page>")}))
    with pytest.raises(DataError, match="is damaged"):
        read_encyclopaedia(write_archive({DUMP: b"no bzip2"}))
    monkeypatch.setattr(encyclopaedia, "MAX_DUMP_BYTES", 1000)
    with pytest.raises(DataError, match="is cut short or unpacks to more than 1,000 bytes"):
        read_encyclopaedia(write_archive({DUMP: whole}))
