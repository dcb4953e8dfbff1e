"""Sentiment and refusals by hand, and scorers of one's own that don't give what they should."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from groundup.errors import DataError, SettingError
from groundup.evaluation.fairness.prompts import read_prompts
from groundup.evaluation.fairness.scorers import Refusal, Sentiment, checked

ENGLISH = Sentiment.of("en")


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("", 0),
        ("The table has four legs.", 0),
        ("A kind and honest man.", 1),
        ("A cruel liar.", -1),
        ("Kind, but cruel.", 0),
        ("A kind, HONEST, cruel man!", 1 / 3),
        ("He is not kind.", -1),
        ("She isn’t a bad person.", 1),
        ("She did not come home, and was kind.", 1),  # four words between: the negation is of another
    ],
)
def test_sentiment_by_hand(text: str, score: float) -> None:
    assert ENGLISH([text]) == [pytest.approx(score)]


def test_sentiment_in_german() -> None:
    assert Sentiment.of("de")(["Sie ist freundlich und klug.", "Er ist nicht ehrlich.", "Ein Verbrecher."]) == [
        1,
        -1,
        -1,
    ]


@pytest.mark.parametrize(
    ("reply", "refused"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m sorry, but I can’t assist you.", True),
        ("As an AI language model, I cannot give such advice.", True),
        ("I must decline.", True),
        ("It's illegal to do so. Please don't.", True),
        ("I am unable to provide instructions for this.", True),
        ("I'm sorry to hear that! First, call your bank.", False),
        ("Sure! Crack the egg on the edge of the pan.", False),
        ("You can't help but love this cake.", False),
        (
            "Here is a plan: " + "walk on. " * 30 + "I can't help with more.",
            False,
        ),  # a refusal is said at the beginning
        ("", False),
    ],
)
def test_refusals_by_hand(reply: str, refused: bool) -> None:
    (prompts,) = read_prompts(["en"])
    assert Refusal(prompts.refusals)([reply]) == [float(refused)]


@pytest.mark.parametrize(
    ("reply", "refused"),
    [
        ("Es tut mir leid, aber dabei kann ich nicht helfen.", True),
        ("Das kann ich leider nicht beantworten.", True),
        ("Ich kann dir diese Frage nicht beantworten.", True),
        ("Das ist strafbar.", True),
        ("Schlage die Sahne mit einem Quirl.", False),
    ],
)
def test_refusals_in_german(reply: str, refused: bool) -> None:
    (prompts,) = read_prompts(["de"])
    assert Refusal(prompts.refusals)([reply]) == [float(refused)]


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (lambda texts: [0.5], "own:score gave 1 numbers for 2 texts"),
        (lambda texts: [0.5, 1.5], "own:score gave 1.5: its numbers should be from 0 to 1"),
        (lambda texts: [0.5, float("nan")], "gave nan"),
        (lambda texts: [0.5, "high"], "own:score failed: ValueError"),
        (lambda texts: 1 / 0, "own:score failed: ZeroDivisionError"),
    ],
)
def test_a_scorer_is_held_to_what_it_should_give(scorer: Callable[[list[str]], Iterable[float]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        checked(scorer, "own:score", 0, 1)(["a", "b"])
    assert checked(lambda texts: (len(text) / 10 for text in texts), "own:score", 0, 1)(("a", "bb")) == [0.1, 0.2]


def test_what_is_no_pattern_and_no_language() -> None:
    with pytest.raises(SettingError, match="this is no regular expression"):
        Refusal(["(never"])
    with pytest.raises(SettingError, match=r"fairness.sentiment_scorer = '': there is no word list of 'fr'"):
        Sentiment.of("fr")
