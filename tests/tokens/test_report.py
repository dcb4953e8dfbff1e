"""A tokenizer's figures on texts counted by hand."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from groundup.errors import DataError
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.existing import read_tokenizer
from groundup.tokens.report import Fertility, report_tokenizer, script_of
from groundup.tokens.word import train_word_tokenizer


def test_figures_by_hand() -> None:
    tokenizer = train_word_tokenizer(["to be or not to be to be"], 100, min_frequency=2)  # to, be, and the space
    report = report_tokenizer(tokenizer, ["to be", "or be"])
    assert report.whole == Fertility(documents=2, bytes=10, words=4, tokens=6, unknown=1, changed=1)
    assert report.whole.bytes_per_token == 10 / 6
    assert report.whole.tokens_per_word == 1.5
    assert (report.vocab_size, report.unused, report.longest) == (6, 0, ["be", "to", " "])
    assert report_tokenizer(tokenizer, ["be"]).unused == 2


def test_special_tokens_and_gaps_are_not_unused(tmp_path: Path) -> None:
    """cl100k has five special tokens, and seventeen ids that stand for nothing: nobody can need them."""
    letters = [base64.b64encode(bytes([byte])).decode() + f" {byte}\n" for byte in range(256)]
    (tmp_path / "cl100k_base.tiktoken").write_text("".join(letters))
    report = report_tokenizer(read_tokenizer(tmp_path), ["abc"])
    assert (report.vocab_size, report.unused) == (100277, 256 - 3)


def test_each_document_counts_for_its_script() -> None:
    tokenizer = train_character_tokenizer(["abc абв"], byte_fallback=True)
    report = report_tokenizer(tokenizer, ["abc", "абв", "cab", "бббб"])
    assert list(report.scripts) == ["Cyrillic", "Latin"], "the larger first"
    assert report.scripts["Latin"] == Fertility(2, 6, 2, 6, 0, 0)
    assert report.scripts["Cyrillic"] == Fertility(2, 14, 2, 7, 0, 0)
    assert report.whole == Fertility(4, 20, 4, 13, 0, 0)
    assert report.unused == 256 + 1  # the bytes, and the space


def test_each_document_counts_for_its_language() -> None:
    tokenizer = train_character_tokenizer(["abc"], byte_fallback=False)
    report = report_tokenizer(tokenizer, ["abc", "aé", "c c", "a"], ["en", "fr", "en"])
    assert report.languages == {"en": Fertility(2, 6, 3, 6, 1, 1), "fr": Fertility(1, 3, 1, 2, 1, 1)}
    assert report.whole == Fertility(4, 10, 5, 9, 2, 2)
    assert report_tokenizer(tokenizer, ["abc"]).languages == {}


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("To be", "Latin"),
        ("größer", "Latin"),
        ("Быть или не быть, to be", "Cyrillic"),
        ("नमस्ते दुनिया", "Devanagari"),
        ("السلام عليكم", "Arabic"),
        ("你好,世界", "Han"),
        ("生きるべきか死ぬべきか", "Japanese"),
        ("カタカナ", "Japanese"),
        ("안녕하세요", "Korean"),
        ("123 + 456", "none"),
        ("", "none"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    assert script_of(text) == script


def test_nothing_to_measure() -> None:
    with pytest.raises(DataError, match="the text is empty"):
        report_tokenizer(train_byte_pair_tokenizer(["abc"], 258), ["", ""])
