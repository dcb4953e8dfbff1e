"""What a smart home says to its people, in ten languages: help, questions, warnings, told by 1,500 integrations.

The archive keeps a JSON file for each integration and language, a tree whose leaves are strings, from labels of one
word to paragraphs. Translators wrote them, so the languages say the same things.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundup.text.archive import read_members
from groundup.text.texts import Text

LANGUAGES = {
    "en": "en",
    "de": "de",
    "el": "el",
    "es": "es",
    "fr": "fr",
    "ja": "ja",
    "ko": "ko",
    "ru": "ru",
    "tr": "tr",
    "zh-Hans": "zh",
}
"""From the archive's codes to ours; English first, so that what is left untranslated elsewhere is known."""
MIN_BYTES = 40
"""Shorter strings are labels. Bytes, since 13 Chinese characters say about as much as 40 letters."""


def read_help_texts(archive: Path) -> list[Text]:
    """One text for each integration in each language, named like `de/mqtt`: its sentences, one to a line.

    A sentence is kept where it is first met in its language, and left out where it is still English.
    """
    patterns = tuple(f"homeassistant/components/*/translations/{code}.json" for code in LANGUAGES)
    members = read_members(archive, patterns)
    english: set[str] = set()
    texts = []
    for code, language in LANGUAGES.items():
        seen = set(english)
        for member, content in members.items():
            if not member.endswith(f"/{code}.json"):
                continue
            sentences = []
            for string in _strings(json.loads(content)):
                sentence = " ".join(string.split())
                if len(sentence.encode()) >= MIN_BYTES and sentence not in seen:
                    seen.add(sentence)
                    sentences.append(f"{sentence}\n")
            if sentences:
                integration = Path(member).parts[2]
                texts.append(Text(f"{language}/{integration}", "".join(sentences), {"language": language}))
        if language == "en":
            english = seen
    return texts


def _strings(tree: Any) -> Iterator[str]:
    """The leaves of a tree of JSON objects."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for branch in tree.values():
            yield from _strings(branch)
