from __future__ import annotations

import pytest
from tests.text.cleaning.languages import SENTENCES

from groundup.text.cleaning.lines import keep_lines
from groundup.text.cleaning.settings import C4Settings

DEFAULT = C4Settings()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("Home | About | Contact", "c4.end_marks"),
        ("Read on and on...", "c4.end_marks"),
        ("Read on and on…", "c4.end_marks"),
        ("Two words.", "c4.min_words_in_line"),
        ("Please switch on Javascript in your browser.", "c4.javascript_lines"),
        ("This page uses cookies for everything.", "c4.policy_lines"),
        (f"A word {'x' * 1001} that nobody reads.", "c4.max_word_length"),
    ],
)
def test_each_rule_removes_its_line(line: str, rule: str) -> None:
    kept = keep_lines(f"The first line stays.\n{line}\nThe last line stays.", DEFAULT)
    assert kept.text == "The first line stays.\nThe last line stays."
    assert kept.removed == {rule: 1}


@pytest.mark.parametrize("mark", [".", "!", "?", '"', "”", "»", ".)"])
def test_end_marks_that_count(mark: str) -> None:
    assert not keep_lines(f"This line stays{mark}", DEFAULT).removed


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_of_all_languages_stay(language: str) -> None:
    text = f"{SENTENCES[language]}\n\n{SENTENCES[language]}\n"
    assert keep_lines(text, DEFAULT).text == text


def test_each_rule_can_be_switched_off() -> None:
    off = C4Settings(
        citation_markers=False,
        end_marks=False,
        min_words_in_line=0,
        max_word_length=0,
        javascript_lines=False,
        policy_lines=False,
    )
    text = f"Home[1]\n{'x' * 2000}\njavascript: terms of use"
    assert keep_lines(text, off).text == text


def test_blank_lines_stay_between_paragraphs() -> None:
    kept = keep_lines("menu\n\nThe first paragraph stays.\n\nmenu\n\n\nThe second one, too.\n\nmenu\n", DEFAULT)
    assert kept.text == "The first paragraph stays.\n\nThe second one, too."
    assert kept.removed == {"c4.end_marks": 3}


def test_citation_markers_go_before_lines_are_judged() -> None:
    kept = keep_lines("It was built in 1820.[1][23]\nIts roof[citation needed] is new.\nThe list [a] is x[i].", DEFAULT)
    assert kept.text == "It was built in 1820.\nIts roof is new.\nThe list [a] is x[i]."
    assert (kept.removed, kept.citation_markers) == ({}, 3)
