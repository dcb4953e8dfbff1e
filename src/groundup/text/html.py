"""The text of an HTML page: what a reader would see, a line a block."""

from __future__ import annotations

import re
from html.parser import HTMLParser

UNSEEN = {"script", "style", "template", "noscript", "head", "svg", "nav", "iframe", "object", "select", "button"}
HEAD = {"base", "link", "meta", "noscript", "script", "style", "template", "title"}
# fmt: off
BLOCKS = {
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre", "section",
    "table", "tbody", "td", "tfoot", "th", "thead", "title", "tr", "ul",
}
# fmt: on
APART = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table", "ul", "ol", "dl"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.title: list[str] = []
        self.unseen: list[str] = []
        self.in_title = False
        self.preformatted = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "title" and not self.title:
            self.in_title = True
        elif tag == "body" or (self.unseen == ["head"] and tag not in HEAD):
            self.unseen = []  # whatever the head left open; its end and the body's beginning may be left out
            self._break(tag)
        elif tag in UNSEEN:
            self.unseen.append(tag)
        elif not self.unseen:
            self.preformatted += tag == "pre"
            self._break(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if not self.unseen:
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self.in_title = False
        elif tag in self.unseen:
            while self.unseen.pop() != tag:
                pass
        elif not self.unseen:
            self.preformatted = max(0, self.preformatted - (tag == "pre"))
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if self.in_title:
            self.title.append(data)
        elif not self.unseen:
            if not self.preformatted:
                data = re.sub(r"[ \t\r\n\f]+", " ", data)
                if not self.pieces or not self.pieces[-1] or self.pieces[-1].endswith(("\n", " ")):
                    data = data.lstrip(" ")
            if data:
                self.pieces.append(data)

    def _break(self, tag: str) -> None:
        if tag in BLOCKS:
            self.pieces.append("\n\n" if tag in APART else "\n")


def html_text(page: str) -> tuple[str, str]:
    """(text, title) of a page: scripts, styles, menus and forms' buttons left out, entities resolved, one line a block."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    text = "\n".join(line.rstrip() for line in "".join(reader.pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n"), " ".join("".join(reader.title).split())
