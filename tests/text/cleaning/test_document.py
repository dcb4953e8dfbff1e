from __future__ import annotations

import multiprocessing
from dataclasses import replace
from functools import partial

from tests.text.cleaning.languages import SENTENCES
from tests.text.cleaning.test_quality import PROSE

from groundup.text.cleaning.document import Cleaned, clean, language_fault
from groundup.text.cleaning.language import Language
from groundup.text.cleaning.settings import RULE_SETS, C4Settings, CleaningSettings, GopherSettings, QualitySettings

MEND = CleaningSettings("NFC", repair_mojibake=True, control_characters=True)
CLEANING = replace(MEND, languages=("en", "de"))
ALL = QualitySettings(rules=RULE_SETS)


def test_by_default_all_text_is_kept() -> None:
    assert clean("#\r\n", MEND, QualitySettings()) == Cleaned("#\n", 2, {"line ends normalized": 1}, {}, None, None)


def test_lines_go_before_the_document_is_judged() -> None:
    cleaned = clean("Menu { }\n" + PROSE.replace("smoke.", "smoke.[1]") + "\x00", MEND, ALL)
    assert cleaned.text == PROSE.strip()
    assert cleaned.removed_lines == {"c4.end_marks": 1}
    assert cleaned.changes == {"control characters removed": 1, "citation markers removed (c4.citation_markers)": 1}
    assert cleaned.fault is None


def test_english_words_are_asked_of_english_texts_only() -> None:
    rules = QualitySettings(rules=("gopher",), gopher=GopherSettings(min_words=5))
    cleaned = clean(SENTENCES["de"], MEND, rules)
    assert cleaned.fault is None
    assert cleaned.language is not None
    assert cleaned.language.code == "de"


def test_other_languages_are_dropped_with_a_reason() -> None:
    cleaned = clean(SENTENCES["fr"], CLEANING, QualitySettings())
    assert cleaned.text == SENTENCES["fr"]
    assert cleaned.fault is not None
    assert cleaned.fault.reason == "its language is fr, wanted: en, de (cleaning.languages)"


def test_a_document_that_says_its_language_is_believed() -> None:
    assert clean(SENTENCES["fr"], CLEANING, QualitySettings(), "de-AT").fault is None
    fault = clean(SENTENCES["de"], CLEANING, QualitySettings(), "fr").fault
    assert fault is not None
    assert fault.reason == "its language is fr, wanted: en, de (cleaning.languages)"


def test_a_language_must_be_sure() -> None:
    fault = language_fault(Language("en", 0.5), CLEANING)
    assert fault is not None
    assert (
        fault.reason == "its language is en with a confidence of 0.50, at least 0.65 wanted (cleaning.min_confidence)"
    )
    assert language_fault(Language("en", 0.65), CLEANING) is None
    assert language_fault(Language("und", 0.0), CLEANING) is not None
    assert language_fault(Language("xx", 0.0), CleaningSettings()) is None


def test_other_processes_give_the_same() -> None:
    texts = [PROSE, SENTENCES["de"], "donâ€™t", PROSE * 3]
    task = partial(clean, cleaning=CLEANING, quality=QualitySettings(rules=RULE_SETS, c4=C4Settings(min_sentences=1)))
    here = list(map(task, texts))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(task, texts) == here
