from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.text.cleaning.languages import SENTENCES

from groundup.text.cleaning.mojibake import repair_mojibake

CODECS = ("cp1252", "latin-1", "mac_roman", "cp1251", "cp437", "cp850")


def damage(text: str, codec: str) -> str:
    """The text's UTF-8, read byte by byte in another encoding; a byte that this doesn't have becomes a control character."""
    characters = []
    for byte in text.encode():
        try:
            characters.append(bytes([byte]).decode(codec))
        except UnicodeDecodeError:
            characters.append(chr(byte))
    return "".join(characters)


# Lines as they stand in a page on machine learning that was read as MacRoman: words, formulas, arrows, signs, drawings.
PAGE = """\
Let’s begin — “attention” is all you need…
attention(Q, K, V) = softmax(QKᵀ / √dₖ) V
∂L/∂w ≈ (L(w + ε) − L(w − ε)) / 2ε
∑ pᵢ = 1, θ ∈ ℝⁿ, x ≤ y ≠ z
✅ done   ❌ failed   🎉 shipped   👩‍🔬 research
text → tokens → ids
├── model.py
│   └── größe.txt
Schrödinger’s naïve café, £5 or 3 €
20 °C ± 2, ½ cup, © 2024
• one
"""


def test_a_page_read_as_macroman() -> None:
    # ftfy 6.3.1's fix_text gives `"'úÖ done   ‚ùå failed …` for the fifth line: it takes `‚` for a quotation mark to straighten.
    assert damage("✅ done", "mac_roman") == "‚úÖ done"
    text, repaired = repair_mojibake(damage(PAGE, "mac_roman"))
    assert text == PAGE
    assert repaired == {"MacRoman": sum(not line.isascii() for line in PAGE.split("\n"))}


@pytest.mark.parametrize("line", [line for line in PAGE.split("\n")[:8] if line])
def test_each_line_alone(line: str) -> None:
    assert repair_mojibake(damage(line, "mac_roman"))[0] == line


@pytest.mark.parametrize(("language", "codec"), list(itertools.product(SENTENCES, CODECS)))
def test_sentences_of_all_languages(language: str, codec: str) -> None:
    assert repair_mojibake(damage(SENTENCES[language], codec))[0] == SENTENCES[language]


@pytest.mark.parametrize(
    ("language", "codecs"), list(itertools.product(("de", "fr", "ru", "zh"), itertools.product(CODECS[:3], repeat=2)))
)
def test_damaged_twice(language: str, codecs: tuple[str, str]) -> None:
    text = SENTENCES[language]
    assert repair_mojibake(damage(damage(text, codecs[0]), codecs[1]))[0] == text


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Prikaže", "cp850"),  # as code page 437: ŝ
        ("nový, starý", "cp850"),  # Û
        ("það", "cp850"),  # Ý
        ("běží", "cp437"),  # as code page 850: Ľ
        ("ktoś", "cp437"),  # Ž
    ],
)
def test_code_pages_with_the_same_characters_are_told_apart(text: str, codec: str) -> None:
    assert repair_mojibake(damage(text, codec))[0] == text


@pytest.mark.parametrize("codec", CODECS)
def test_a_word_of_another_script_may_touch_a_latin_letter(codec: str) -> None:
    assert repair_mojibake(damage(r"\fIпараметры\fR", codec))[0] == r"\fIпараметры\fR"


@pytest.mark.timeout(20)
def test_a_long_line_of_single_letters_takes_no_square_of_its_length() -> None:
    """With a count over the whole line for each letter it takes far longer."""
    line = damage("слово " + "а 1 " * 40_000, "cp1252")
    assert repair_mojibake(line)[0].startswith("слово а 1 а")


@pytest.mark.parametrize("language", SENTENCES)
def test_correct_text_stays(language: str) -> None:
    sentence = SENTENCES[language]
    words = sentence.split()
    forms = [sentence, *words, *(word.upper() for word in words), *(f"«{word}»" for word in words)]
    forms += [f"{word}{mark}" for word in words for mark in ("»", "”", "’", "\xa0»", "…", "—", "™", "’s")]
    forms += [f"{word}{mark}".upper() for word in words for mark in ("»", "”", "\xa0»", "…", "’s")]
    changed = [form for form in (*forms, "\n".join(forms)) if repair_mojibake(form)[0] != form]
    assert not changed


@pytest.mark.parametrize(
    "text",
    [
        "À la carte, ÂGE D'OR, ÉCOLE",
        "LA LIBERTÉ»",
        "bonté\xa0»",
        "l’école",
        "“Äpfel",
        "SÃO PAULO, MAÇÃ, IRMÃ…",
        "PÅ”",
        "“Ça va, dit-il.",  # a Cyrillic sign
        "l’ús",  # an Armenian one
        "VYPÍŠE",  # a rare mark
        "LÉŠ",
        "Её",
        "В»",
        "√π and 2√π r",
        "√2 ≈ 1.41",
        "¬p ∨ q, ¬∞",
        "├── src\n│   └── main.py\n╔══╗\n║  ║\n╚══╝",
        "ΓÇ",
        "½ €, 10 °C, § 5, № 7",
        "ÿ and þ",
        "Ω°",
        "CAFÉ™",
        "日本語「テスト」",
        "ﬁne ﬂow",
        "the two characters â€ begin it",
        "Ã",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    assert repair_mojibake(text) == (text, {})


@pytest.mark.parametrize(
    "text",
    [
        "Mojibake: an apostrophe turns into â€™ when UTF-8 is read as Windows-1252.",
        "Why do I see donâ€™t instead of don’t? The page is UTF-8.\nAnd cafÃ© for café.",
        "ftfy repairs cafÃ©",
        'print("Ã©")',  # shown in quotes, not used
    ],
)
def test_a_text_about_mojibake_stays(text: str) -> None:
    assert repair_mojibake(text) == (text, {})


def test_a_text_about_encodings_that_is_damaged_throughout_is_repaired() -> None:
    page = "Read it as UTF-8, don’t guess.\n" * 12
    assert repair_mojibake(damage(page, "cp1252"))[0] == page


def test_only_damaged_lines_are_repaired() -> None:
    text, repaired = repair_mojibake("Müller war hier.\nMÃ¼ller war dort.\n")
    assert text == "Müller war hier.\nMüller war dort.\n"
    assert repaired == {"Windows-1252": 1}


def test_a_line_with_another_character_beyond_ascii_stays() -> None:
    assert repair_mojibake("für MÃ¼ller")[0] == "für MÃ¼ller"


def test_unclear_lines_follow_the_rest() -> None:
    assert repair_mojibake("Â©\n")[0] == "Â©\n"
    assert repair_mojibake("Â©\ncafÃ©\nfÃ¼r\ndonâ€™t\n")[0] == "©\ncafé\nfür\ndon’t\n"


@given(st.text(st.sampled_from("abc eE.\nÃÂâ€™©¼Å“”ðŸ‚Äô√∂π┬├╨РсВ»éüäÉ\x80\x9d\xa0中ж’"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_repairing_again_changes_nothing(text: str) -> None:
    once = repair_mojibake(text)[0]
    assert repair_mojibake(once) == (once, {})


@given(
    st.lists(st.text("abcdefghijklmnopqrstuvwxyzäöüßéèêñçåø", min_size=4, max_size=12), min_size=6, max_size=20),
    st.sampled_from(CODECS),
)
@settings(max_examples=150, deadline=None)
def test_words_of_western_languages_come_back(words: list[str], codec: str) -> None:
    text = " ".join(f"Ein{word}er" for word in words)
    assert repair_mojibake(damage(text, codec))[0] == text
