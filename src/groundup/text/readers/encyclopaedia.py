"""Articles of the English Wikipedia, from its own markup to plain text.

The archive keeps some of the first pages of a dump of 2016, compressed XML with each page's wikitext. What is left of
an article is its running text, headings and lists; templates, tables, pictures, notes and the lists of links at its
end are left out. A template in the middle of a sentence (a converted length, a word in another script) leaves a gap.
"""

from __future__ import annotations

import bz2
import html
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from groundup.errors import DataError
from groundup.text.archive import read_members
from groundup.text.texts import Text

DUMP = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
MAX_DUMP_BYTES = 64 * 2**20
MIN_CHARACTERS = 500  # below, a page is a list of links to others

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
NOTE = re.compile(
    r"<ref\b[^>]*/>|<(ref|math|gallery|timeline|score|source|code|pre)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE
)
TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
TABLE = re.compile(r"\{\|(?:(?!\{\|).)*?\|\}", re.DOTALL)
PICTURE = re.compile(r"\[\[(?:File|Image|Category)\s*:[^\[\]]*(?:\[\[[^\[\]]*\]\][^\[\]]*)*\]\]", re.IGNORECASE)
LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
OUTER_LINK = re.compile(r"\[(?:https?:)?//[^\s\]]*\s*([^\]]*)\]")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
QUOTES = re.compile(r"'{2,}")
HEADING = re.compile(r"^=+\s*(.*?)\s*=+\s*$")
LAST_HEADINGS = {
    "see also",
    "references",
    "notes",
    "footnotes",
    "bibliography",
    "further reading",
    "external links",
    "sources",
    "citations",
}


def read_encyclopaedia(archive: Path) -> list[Text]:
    """Each article, named by its title; redirects and pages of links are left out."""
    decompressor = bz2.BZ2Decompressor()
    try:
        dump = decompressor.decompress(read_members(archive, DUMP)[DUMP], max_length=MAX_DUMP_BYTES)
        if not decompressor.eof:
            raise DataError(f"{archive}: {DUMP} is cut short or unpacks to more than {MAX_DUMP_BYTES:,} bytes")
        pages = list(_pages(dump))
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f"{archive}: {DUMP} is damaged ({error})") from error
    articles = [(title, wikitext_to_text(wikitext)) for title, wikitext in pages]
    return [
        Text(title, f"{title}\n\n{text}\n", {"language": "en", "title": title})
        for title, text in articles
        if len(text) >= MIN_CHARACTERS
    ]


def wikitext_to_text(wikitext: str) -> str:
    """The running text of a page: paragraphs and headings with a blank line between, a list's items a line each."""
    if wikitext.lstrip().upper().startswith("#REDIRECT"):
        return ""
    text = NOTE.sub("", COMMENT.sub("", wikitext))
    for innermost in (TEMPLATE, TABLE):
        while (shorter := innermost.sub("", text)) != text:
            text = shorter
    text = OUTER_LINK.sub(r"\1", LINK.sub(r"\1", PICTURE.sub("", text)))
    text = html.unescape(QUOTES.sub("", TAG.sub("", text))).replace("\xa0", " ")
    blocks: list[str] = []
    before = ""  # what the line before was
    for raw_line in text.split("\n"):
        heading = HEADING.match(raw_line)
        if heading and heading[1].lower() in LAST_HEADINGS:
            break
        line = " ".join((heading[1] if heading else raw_line.lstrip("*#:; ")).split())
        kind = "heading" if heading else "item" if raw_line[:1] in ("*", "#", ":", ";") else "text"
        if line and kind == before != "heading":
            blocks[-1] += f"\n{line}" if kind == "item" else f" {line}"
        elif line:
            blocks.append(line)
        before = kind if line else ""
    return "\n\n".join(blocks)


def _pages(dump: bytes) -> Iterator[tuple[str, str]]:
    """Each article of a dump as (title, wikitext)."""
    for _, element in ElementTree.iterparse(io.BytesIO(dump)):
        if element.tag.rpartition("}")[2] == "page":
            namespace = element.tag.rpartition("}")[0] + "}"
            if element.findtext(f"{namespace}ns") == "0":
                wikitext = element.findtext(f"{namespace}revision/{namespace}text") or ""
                yield element.findtext(f"{namespace}title") or "", wikitext
            element.clear()
