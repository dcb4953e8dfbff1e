"""The texts of licenses for software and other works: legal English, and a little German, French, Japanese, Dutch, Chinese.

A file is a block of facts between two lines `---` (YAML, of which only plain `key: value` lines are read), then the text.
"""

from __future__ import annotations

from pathlib import Path

from groundup.text.archive import read_members
from groundup.text.texts import Text

CATEGORIES = {"Permissive", "Copyleft", "Copyleft Limited", "Public Domain"}
"""Licenses that let a work be used and shared; what forbids it, mostly vendors' agreements, is left out."""
LANGUAGES = {"zh-hans": "zh"}


def read_license_texts(archive: Path) -> list[Text]:
    """Each license of these categories, named by its key, that isn't marked as withdrawn."""
    texts = []
    for name, content in read_members(archive, "licensedcode/data/licenses/*.LICENSE").items():
        facts, text = split_facts(content.decode("utf-8"))
        if facts.get("category") in CATEGORIES and facts.get("is_deprecated") != "yes" and text.strip():
            language = facts.get("language", "en")
            metadata = {"language": LANGUAGES.get(language, language), "title": facts.get("name", "")}
            texts.append(Text(Path(name).stem, f"{text.strip()}\n", metadata))
    return texts


def split_facts(content: str) -> tuple[dict[str, str], str]:
    """A file as (facts, text)."""
    if not content.startswith("---\n"):
        return {}, content
    head, _, text = content.removeprefix("---\n").partition("\n---\n")
    pairs = [line.partition(": ") for line in head.split("\n") if not line.startswith((" ", "-"))]
    return {key: value.strip().strip("'\"") for key, separator, value in pairs if separator}, text
