"""Text made ready for training, into a folder that a person can read: sources, steps, duplicates, composition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.config import require
from groundup.errors import MissingExtraError
from groundup.report.data_page import PAGE, write_data_page
from groundup.text.cache import cache_directory
from groundup.text.cleaning.language import identify_language
from groundup.text.collect import collect
from groundup.text.composition import UNKNOWN, compose
from groundup.text.prepared_folder import funnel, write_prepared
from groundup.text.selection import select
from groundup.text.settings import DataSettings
from groundup.text.tally import Tally

Say = Callable[[str], None]

STANDARD: dict[str, Any] = {
    "cleaning": {"unicode_form": "NFC", "repair_mojibake": True, "control_characters": True},
    "duplicates": {"exact": True, "near": "drop"},
    "privacy": {"mode": "placeholder"},
}
"""The settings that `groundup data prepare` begins with: what training leaves alone unless it is asked, this does unless it isn't."""


def prepare_text(settings: DataSettings, output: Path, say: Say) -> dict[str, Any]:
    """Read, mend, choose, and write what is left to `output`; what `prepared.json` holds. Raises `DataError`, `MachineError`."""
    require(
        settings.canaries.count == 0,
        "data.canaries.count",
        settings.canaries.count,
        "use 0 here: canaries are planted when a model is trained, so that a text that others may read has none",
    )
    store = collect(settings, cache_directory(), say)
    selection = select(store, settings.duplicates)

    def write_page(facts: dict[str, Any], folder: Path) -> None:
        write_data_page(output, facts, folder / PAGE)

    return write_prepared(store, selection, settings, output, language_teller(say), write_page)


def inspect_text(settings: DataSettings, say: Say) -> dict[str, Any]:
    """What the sources are made of as they are, or as the settings would leave them; nothing is written but the cache."""
    store = collect(settings, cache_directory(), say)
    selection = select(store, settings.duplicates)
    tally = Tally.from_plain(store.facts["tally"])
    for row in selection.removed(store):
        tally.drop(row["reason"], row["id"], row["source"], "", row["detail"])
    rows = funnel(tally, store, selection)
    return {
        "funnel": rows if len(rows) > 2 else [],  # nothing but what was read and kept
        "tally": tally.as_plain(),
        "unreadable": store.facts.get("unreadable", {}),
        "unreadable_examples": store.facts.get("unreadable_examples", {}),
        "left_out": store.facts.get("left_out", {}),
        "composition": compose(store.documents(selection.kept), language_teller(say)).as_plain(),
    }


def language_teller(say: Say) -> Callable[[str], str]:
    """A function that tells a text's language: `unknown`, and said so once, where the package isn't installed (extra `data`)."""
    missing = False

    def tell(text: str) -> str:
        nonlocal missing
        if not missing:
            try:
                return identify_language(text).code
            except MissingExtraError as error:
                say(f"warning: {error}")
                missing = True
        return UNKNOWN

    return tell
