"""What holds for any text: no overlaps, nothing found in what was scrubbed, the same again."""

from __future__ import annotations

import pickle

import pytest
from benchmarks.privacy.texts import measured_set
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.scrub import Scrubbed, scrub
from groundup.text.privacy.settings import Mode, PrivacySettings

KEY = b"a key for the tests alone"
PIECES = [sample.text for sample in measured_set(11, 3, 3)]
MODES: list[Mode] = ["placeholder", "redact", "pseudonym"]
glued = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.text(alphabet="0123456789 -+().,:/@<>ABXab\n", max_size=20),
        st.text(max_size=8),
        st.sampled_from(["", " ", "\n", "SSN ", "call ", "born on ", "password=", "IBAN ", "+", "0"]),
    ),
    max_size=5,
).map("".join)


@given(glued)
@settings(max_examples=120, deadline=None)
def test_findings_are_in_order_within_the_text_and_do_not_overlap(text: str) -> None:
    done = 0
    for finding in find_personal_data(text, PrivacySettings("placeholder")):
        assert done <= finding.start < finding.end <= len(text)
        done = finding.end


@pytest.mark.parametrize("mode", MODES)
@given(text=glued)
@settings(max_examples=120, deadline=None)
def test_scrubbing_again_changes_nothing_since_nothing_is_left_to_find(mode: Mode, text: str) -> None:
    chosen = PrivacySettings(mode=mode)
    once = scrub(text, chosen, KEY)
    assert find_personal_data(once.text, chosen) == []
    assert scrub(once.text, chosen, KEY) == Scrubbed(once.text)


@pytest.mark.parametrize("mode", MODES)
def test_every_text_of_the_measured_set_is_the_same_when_scrubbed_again(mode: Mode) -> None:
    chosen = PrivacySettings(mode=mode)
    for piece in PIECES:
        once = scrub(piece, chosen, KEY)
        assert scrub(once.text, chosen, KEY).text == once.text


@given(glued)
@settings(max_examples=60, deadline=None)
def test_what_is_not_found_stays_as_it_was(text: str) -> None:
    if not find_personal_data(text, PrivacySettings("placeholder")):
        assert scrub(text, PrivacySettings("placeholder")) == Scrubbed(text)


def test_settings_and_results_can_be_sent_to_other_processes() -> None:
    chosen = PrivacySettings(mode="redact", kinds=("email",))
    result = scrub("Write to ann@mail.org or 212-555-0147.", chosen)
    assert pickle.loads(pickle.dumps((chosen, result))) == (chosen, result)  # noqa: S301
    assert result.text == "Write to  or 212-555-0147."
