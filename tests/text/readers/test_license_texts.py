from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.text.readers.license_texts import read_license_texts, split_facts
from groundup.text.texts import Text

WriteArchive = Callable[[dict[str, Any]], Path]


def license_file(category: str, text: str = "You may.\n", more: str = "") -> str:
    return f"---\nkey: k\nname: 'A Name: 1.0'\ncategory: {category}\n{more}text_urls:\n  - http://a/b: c\n---\n\n{text}"


def test_licenses_that_share(write_archive: WriteArchive) -> None:
    folder = "licensedcode/data/licenses"
    archive = write_archive(
        {
            f"{folder}/mit.LICENSE": license_file("Permissive"),
            f"{folder}/cecill.LICENSE": license_file("Copyleft", "Vous pouvez.\n\n---\n\nFin.", "language: fr\n"),
            f"{folder}/mulan.LICENSE": license_file("Permissive", "您可以。", "language: zh-hans\n"),
            f"{folder}/eula.LICENSE": license_file("Commercial"),
            f"{folder}/old.LICENSE": license_file("Permissive", more="is_deprecated: yes\n"),
            f"{folder}/empty.LICENSE": license_file("Public Domain", "\n"),
            "licensedcode/data/rules/mit_1.RULE": license_file("Permissive"),
        }
    )
    assert read_license_texts(archive) == [
        Text("cecill", "Vous pouvez.\n\n---\n\nFin.\n", {"language": "fr", "title": "A Name: 1.0"}),
        Text("mit", "You may.\n", {"language": "en", "title": "A Name: 1.0"}),
        Text("mulan", "您可以。\n", {"language": "zh", "title": "A Name: 1.0"}),
    ]


def test_a_file_without_facts_is_all_text() -> None:
    assert split_facts("You may.\n---\nYou must not.") == ({}, "You may.\n---\nYou must not.")
