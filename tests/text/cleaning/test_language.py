from __future__ import annotations

import sys

import pytest
from tests.text.cleaning.languages import SENTENCES

from groundup.errors import MissingExtraError
from groundup.recipe.evaluate_languages import evaluate_languages
from groundup.text.cleaning import language
from groundup.text.cleaning.document import clean
from groundup.text.cleaning.language import Language, identify_language, said_language
from groundup.text.cleaning.settings import CleaningSettings, QualitySettings


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_told(code: str) -> None:
    found = identify_language(SENTENCES[code])
    assert found.code == code
    assert 0.5 < found.confidence <= 1


@pytest.mark.parametrize("text", ["", "ok", "12345 67890 !!! ???", "\ud800", "1 + 1 = 2, a = b"])
def test_too_little_to_tell(text: str) -> None:
    assert identify_language(text) == Language("und", 0.0)


def test_most_of_a_long_text_decides() -> None:
    text = SENTENCES["en"] + "\n" + (SENTENCES["de"] + "\n") * 40
    assert identify_language(text).code == "de"
    assert len(language._sample(text)) == 3 * language.SAMPLE_CHARACTERS + 2


def test_surrogates_do_no_harm() -> None:
    assert identify_language("\ud800" + SENTENCES["fr"]).code == "fr"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    language._identifier.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=r"pip install 'groundup\[data\]'"):
            identify_language(SENTENCES["en"])
        with pytest.raises(MissingExtraError, match="telling languages apart"):
            evaluate_languages("nothing here is read before")
    finally:
        language._identifier.cache_clear()


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-US", "en"),
        ("en_GB", "en"),
        ("deu", "deu"),
        ("English", ""),
        ("", ""),
        ("?", ""),
    ],
)
def test_what_a_document_names_itself(named: str, code: str) -> None:
    assert said_language(named) == code


def test_a_name_that_is_no_code_is_not_believed() -> None:
    kept = clean(SENTENCES["en"], CleaningSettings(languages=("en",)), QualitySettings(), "English")
    assert kept.fault is None
