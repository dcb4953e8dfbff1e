from __future__ import annotations

import random

import pytest
from tests.text.cleaning.languages import SENTENCES

from groundup.config import build, write_toml
from groundup.errors import SettingError
from groundup.text.cleaning.quality import alphabetic_share, count_sentences, quality_fault, stop_words_found
from groundup.text.cleaning.settings import (
    RULE_SETS,
    C4Settings,
    CleaningSettings,
    FineWebSettings,
    GopherRepetitionSettings,
    GopherSettings,
    QualitySettings,
)

ALL = QualitySettings(rules=RULE_SETS)
PROSE = """\
It was a cold morning when the two of them set out for the harbour, and neither had slept well that night.
The road that they took has been closed since; nobody would think of walking there with a heavy bag today.
"We have to be at the ship before noon," she said. Her brother, who was counting the gulls, did not answer.
A cart came up behind them. Its driver asked where they were going, and whether they would like to ride along!
They thanked him. From the top of the last hill you could see the masts, the grey water and a line of smoke.
"""


def words(count: int, length: int = 5) -> str:
    """That many different words of that length, the stop words among them."""
    generator = random.Random(0)
    drawn = ["".join(generator.choices("bcdfghjklm", k=length)) for _ in range(count)]
    return " ".join(["the", "of", *drawn[2:]])


def faulty(name: str, text: str, language: str = "en") -> str | None:
    fault = quality_fault(text, QualitySettings(rules=(name,)), language)  # type: ignore[arg-type]
    return fault.rule.removeprefix(f"{name}.") if fault else None


def test_prose_is_kept() -> None:
    assert quality_fault(PROSE, ALL) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (words(49), "min_words"),
        (words(50), None),
        (words(100_000, 4), None),
        (words(100_001, 4), "max_words"),
        (words(60, 2), "min_mean_word_length"),
        (words(60, 10), None),
        (words(60, 11), "max_mean_word_length"),
        (words(59) + " #######", "max_symbols_per_word"),
        (words(59) + " ######", None),
        (words(54) + " ..." * 7 + " end", "max_symbols_per_word"),
        ("- " + words(60, 8).replace(" ", "\n- "), "max_bullet_lines"),
        (words(70) + "\n" + words(5) + "…\n" + words(5) + "...", "max_ellipsis_lines"),
        (words(48) + " 1234" * 13, "min_alphabetic_words"),
        (words(48) + " 1234" * 12, None),
        (words(60).replace("the", "xxx"), "min_stop_words"),
        (words(60).replace("the", "The,"), None),
    ],
)
def test_gopher_by_hand(text: str, rule: str | None) -> None:
    assert faulty("gopher", text) == rule


def lines(count: int, *more: str) -> str:
    return "\n".join([*(f"line {number} {number * 7919}" for number in range(count)), *more])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (lines(7, "x", "x", "x"), None),
        (lines(6, "x", "x", "x", "x", "x"), "max_duplicate_lines"),  # 4 of 11; in the case before 2 of 10
        (lines(3, "x" * 30, "y", "x" * 30), "max_duplicate_line_characters"),
        ("a\n\nb\n\na\n\na", "max_duplicate_paragraphs"),
        ("one two\nthree\n\nb\n\nc\n\none two\nthree", "max_duplicate_paragraph_characters"),
        ("in fact " * 3 + words(10), "max_top_2_gram"),
        ("as a rule, " * 3 + words(18), "max_top_3_gram"),
        ("on the other hand " * 2 + words(25), "max_top_4_gram"),
    ],
)
def test_gopher_repetition_by_hand(text: str, rule: str | None) -> None:
    assert faulty("gopher_repetition", text) == rule


@pytest.mark.parametrize("n", range(5, 11))
def test_gopher_repetition_of_stretches(n: int) -> None:
    """A stretch of n words, written a second time, fills just more than its share; no rule for fewer words is on."""
    thresholds = dict(zip(range(5, 11), (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True))
    off = {f"max_duplicate_{other}_grams": 0.0 for other in range(5, 11) if other != n}
    rules = QualitySettings(
        rules=("gopher_repetition",),
        gopher_repetition=GopherRepetitionSettings(max_top_2_gram=0, max_top_3_gram=0, max_top_4_gram=0, **off),
    )
    all_words = words(200).split()
    for total, wanted in ((int(n * 5 / thresholds[n] / 6), True), (int(n * 5 / thresholds[n] / 6) + 2, False)):
        text = " ".join([*all_words[2 : total - n + 2], *all_words[2 : n + 2]])
        fault = quality_fault(text, rules)
        assert (fault is not None) == wanted
        if fault is not None:
            assert fault.rule == f"gopher_repetition.max_duplicate_{n}_grams"
            assert fault.measured == n * 5 / len(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (PROSE, None),
        (PROSE + "Lorem ipsum dolor sit amet.", "lorem_ipsum"),
        (PROSE + "if (a) { b }.", "curly_brackets"),
        ("One is here. Two is here! Three, too? Four.", "min_sentences"),
        ("One is here. Two is here! Three, too? Four. “Five.”", None),
        ("", "min_sentences"),
    ],
)
def test_c4_by_hand(text: str, rule: str | None) -> None:
    assert faulty("c4", text) == rule


LONG = "a line that is long enough, number"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("\n".join(f"{LONG} {n}" for n in range(100, 120)), "min_lines_with_end_marks"),
        ("\n".join(f"{LONG} {n}{'.' if n < 103 else ''}" for n in range(100, 120)), None),  # 15 %
        (
            "\n".join([*(f"Short {n}." for n in range(67)), *(f"{LONG} {n}." for n in range(33))]),
            "max_short_lines",
        ),
        ("\n".join([*(f"Short {n}." for n in range(66)), *(f"{LONG} {n}." for n in range(34))]), None),
        ("\n".join([*(f"{LONG} {n}." for n in range(100, 108)), f"{LONG} 100."]), "max_duplicate_line_characters"),
        ("\n".join([*(f"{LONG} {n}." for n in range(100, 110)), f"{LONG} 100."]), None),  # 1 of 11
    ],
)
def test_fineweb_by_hand(text: str, rule: str | None) -> None:
    assert faulty("fineweb", text) == rule


def test_no_rule_unless_asked() -> None:
    assert quality_fault("#", QualitySettings()) is None


@pytest.mark.parametrize(
    "settings",
    [
        QualitySettings(rules=("gopher",), gopher=GopherSettings(*[0] * 9)),
        QualitySettings(rules=("gopher_repetition",), gopher_repetition=GopherRepetitionSettings(*[0.0] * 13)),
        QualitySettings(rules=("c4",), c4=C4Settings(lorem_ipsum=False, curly_brackets=False, min_sentences=0)),
        QualitySettings(rules=("fineweb",), fineweb=FineWebSettings(0, 0, 0)),
    ],
)
def test_every_rule_can_be_switched_off(settings: QualitySettings) -> None:
    for text in ("", "# { } ...", "- a\n- a\n- a...\n" * 20, "lorem ipsum " * 100):
        assert quality_fault(text, settings) is None


# In these languages words don't stand between spaces, or sentences end without a mark.
@pytest.mark.parametrize("language", ["zh", "ja", "th"])
def test_scripts_without_spaces_are_not_dropped(language: str) -> None:
    generator = random.Random(0)
    sentences = SENTENCES[language] if language == "th" else SENTENCES[language].replace("。", "。\n")
    shuffled = ["".join(generator.sample(part, len(part))) for part in sentences.split("\n") for _ in range(3) if part]
    end = "" if language == "th" else "。"
    text = "\n".join(part.replace("。", "") + end for part in shuffled)
    assert quality_fault(text, ALL, language) is None
    assert faulty("gopher", text[:60], language) == "min_words"
    assert faulty("gopher_repetition", text[:30] * 10, language) is not None


@pytest.mark.parametrize("language", ["de", "fr", "ru", "ar", "hi", "ko", "am"])
def test_other_languages_need_no_english_words(language: str) -> None:
    rules = QualitySettings(rules=("gopher",), gopher=GopherSettings(min_words=5))
    assert quality_fault(SENTENCES[language], rules, language) is None
    fault = quality_fault(SENTENCES[language], rules, "en")
    assert fault is not None
    assert fault.rule == "gopher.min_stop_words"


def test_a_reason_can_be_read() -> None:
    fault = quality_fault("Twelve words are not many, and nobody will miss them here, truly.", ALL)
    assert fault is not None
    assert fault.reason == "12 words, at least 50 wanted (gopher.min_words)"
    fault = quality_fault("a {", QualitySettings(rules=("c4",)))
    assert fault is not None
    assert fault.reason == "1 curly brackets, at most 0 wanted (c4.curly_brackets)"


def test_counts_by_hand() -> None:
    assert count_sentences("One. Two! Three?\nA heading\n\n3.5 is no end. 终。了！", 100) == 7
    assert alphabetic_share(["a1", "1a", "1", "é", "中", "-"], 0.9) == pytest.approx(4 / 6)
    assert alphabetic_share(["a", "b", "1", "2c"], 0.5) >= 0.5
    assert stop_words_found(["The", "end", "of", "THE", "(world),", "and", "that's", "that"], 8) == 4
    assert stop_words_found(["x"] * 1500 + ["with", "have"], 2) == 2


@pytest.mark.timeout(20)
def test_a_long_row_of_dots_takes_no_square_of_its_length() -> None:
    assert count_sentences("." * 100_000 + "a", 101) == 1


def test_thresholds_are_settings() -> None:
    values = {"rules": ["gopher", "c4"], "gopher": {"min_words": 5}, "c4": {"min_sentences": 1}}
    settings = build(QualitySettings, values, "data.quality.")
    assert quality_fault("It's the end of it, and that is all.", settings) is None
    assert "min_words = 5" in write_toml(settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rules": ["gofer"]}, r"data\.quality\.rules"),
        ({"rules": ["c4", "c4"]}, r"name each set once"),
        ({"gopher": {"min_words": -1}}, r"data\.quality\.gopher\.min_words = -1"),
        ({"gopher": {"min_word": 1}}, r"did you mean data\.quality\.gopher\.min_words"),
        ({"fineweb": {"max_short_lines": 1e12}}, r"data\.quality\.fineweb\.max_short_lines"),
    ],
)
def test_wrong_thresholds_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        build(QualitySettings, values, "data.quality.")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"languages": ["English"]}, r"data\.cleaning\.languages = 'English': use ISO 639 codes"),
        ({"min_confidence": 1.5}, r"data\.cleaning\.min_confidence"),
        ({"unicode_form": "NFD"}, r"data\.cleaning\.unicode_form"),
    ],
)
def test_wrong_cleaning_settings_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        build(CleaningSettings, values, "data.cleaning.")
