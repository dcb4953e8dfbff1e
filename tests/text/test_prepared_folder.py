"""What a person is told of a small pile whose every number was worked out by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from groundup.recipe.prepare_text import inspect_text, language_teller, prepare_text
from groundup.text.cleaning import language
from groundup.text.cleaning.settings import CleaningSettings, GopherSettings, QualitySettings
from groundup.text.duplicates.settings import DecontaminationSettings, DuplicateSettings
from groundup.text.privacy.settings import PrivacySettings
from groundup.text.settings import DataSettings

QUESTION = "Which of the two rivers that meet behind the old mill is the one with the colder water?"
LETTER = "You know, the mill is closed, and the baker will be back on Friday with all of our bread. Write to ann@post.example."
ROWS = [
    {"id": "letter", "text": LETTER, "language": "en-GB"},  # 116 characters, with <EMAIL> 107
    {"id": "copy", "text": LETTER, "language": "EN"},
    {"id": "nearly", "text": f"{LETTER} Ian", "language": "en"},  # 4 more
    {"id": "short", "text": "Call +44 20 7946 0123.", "language": "en"},  # 22
    {"id": "brief", "text": "Der Mann und sein Bruder haben das Boot verkauft.", "language": "de_AT"},  # 49
    {"id": "quiz", "text": f"A question of ben@post.example: {QUESTION}", "language": "en"},  # 32 + 87
    {
        "id": "broken",
        "text": "donâ€™t tell her that eva@post.example has it\x00",
        "language": "en",
    },  # 46; 43 when mended, 34 scrubbed
]
SETTINGS = DataSettings(
    "rows.jsonl",
    cleaning=CleaningSettings("NFC", repair_mojibake=True, control_characters=True, languages=("en",)),
    quality=QualitySettings(rules=("gopher",), gopher=GopherSettings(min_words=6, min_stop_words=1)),
    duplicates=DuplicateSettings(exact=True, near="drop", threshold=0.7),
    decontamination=DecontaminationSettings(files=("test.jsonl",)),
    privacy=PrivacySettings(mode="placeholder"),
)
FUNNEL = [
    ("read", 7, 116 + 116 + 120 + 22 + 49 + 119 + 46),
    ("mended", 7, 116 + 116 + 120 + 22 + 49 + 119 + 43),
    ("in the languages to keep", 6, 116 + 116 + 120 + 22 + 119 + 43),
    ("kept by the rules", 5, 116 + 116 + 120 + 119 + 43),
    ("without evaluation text", 4, 116 + 116 + 120 + 43),
    ("without personal data", 4, 107 + 107 + 111 + 34),
    ("without exact duplicates", 3, 107 + 111 + 34),
    ("without near-duplicates", 2, 107 + 34),
    ("kept", 2, 107 + 34),
]


@pytest.fixture(autouse=True)
def pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    Path("test.jsonl").write_text(json.dumps({"text": QUESTION}))


def funnel_of(facts: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(row["step"], row["documents"], row["characters"]) for row in facts["funnel"]]


def test_the_funnel_by_hand_and_no_example_shows_personal_data() -> None:
    facts = prepare_text(SETTINGS, Path("out"), print)
    assert funnel_of(facts) == FUNNEL
    assert facts["tally"]["dropped"] == {
        "gopher.min_words": 1,
        "cleaning.languages": 1,
        "evaluation text": 1,
        "exact duplicate": 1,
        "near-duplicate": 1,
    }
    examples = facts["tally"]["examples"]
    assert examples["gopher.min_words"][0]["text"] == "Call <PHONE>."
    assert examples["mojibake repaired (Windows-1252)"][0]["text"] == (
        "donâ€™t tell her that <EMAIL> has it␀ → don’t tell her that <EMAIL> has it"
    )
    written = "".join(file.read_text() for file in Path("out").iterdir())
    assert "post.example" not in written
    assert "7946" not in written


def test_inspect_says_what_settings_would_leave() -> None:
    facts = inspect_text(SETTINGS, print)
    assert funnel_of(facts) == FUNNEL
    assert facts["composition"]["documents"] == 2
    assert facts["tally"]["examples"]["near-duplicate"][0]["detail"] == "of letter"
    assert inspect_text(DataSettings("rows.jsonl"), print)["funnel"] == []


def test_without_the_package_languages_stay_unknown_and_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    language._identifier.cache_clear()
    said: list[str] = []
    tell = language_teller(said.append)
    assert [tell(QUESTION), tell(LETTER)] == ["unknown", "unknown"]
    assert said == [
        "warning: telling languages apart needs an optional package: install it with  pip install 'groundup[data]'"
    ]
