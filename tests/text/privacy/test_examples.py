"""What people are shown of a text whose personal data is taken out: never that."""

from __future__ import annotations

import itertools
from pathlib import Path

from groundup.text.cleaning.settings import CleaningSettings, QualitySettings
from groundup.text.document import Document
from groundup.text.privacy.scrub import without_personal_data
from groundup.text.privacy.settings import PrivacySettings
from groundup.text.settings import DataSettings
from groundup.text.steps import Steps

SETTINGS = PrivacySettings("placeholder")
LETTER = "I am\x07 out. Call 212-555-0147 or write to ann.miller@mail.org."


def test_examples_of_other_steps_keep_no_personal_data_either(tmp_path: Path) -> None:
    cleaning, rules = CleaningSettings(control_characters=True), QualitySettings(rules=("gopher",))
    steps = Steps(DataSettings(privacy=SETTINGS, cleaning=cleaning, quality=rules), tmp_path)
    _, tally = steps.run([Document("1", LETTER, "letters", "unknown")])
    examples = tally.as_plain()["examples"]
    assert set(examples) == {"control characters removed", "gopher.min_words"}
    assert examples["gopher.min_words"][0]["text"] == "I am␇ out. Call <PHONE> or write to <EMAIL>."
    assert examples["control characters removed"][0]["text"] == (
        "I am␇ out. Call <PHONE> or write to <EMAIL> → I am out. Call <PHONE> or write to <EMAIL>"
    )


def test_a_value_that_the_ends_cut_is_hidden_whole() -> None:
    for start, end in itertools.combinations(range(0, len(LETTER) + 1, 5), 2):
        shown = without_personal_data(LETTER, start, end, SETTINGS)
        assert not any(part in shown for part in ("212", "555", "014", "ann.", "mill", "@", ".org"))


def test_a_private_key_that_begins_far_before_is_hidden() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA0123+/\n" * 70 + "-----END RSA PRIVATE KEY-----"
    assert without_personal_data(f"see\n{key}\nthere", 1000, 1100, SETTINGS) == "<SECRET>"
