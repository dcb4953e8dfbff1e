from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundup.text.readers.spoken_questions import (
    INSTRUCTION,
    MEMBER,
    MOST_CHARACTERS,
    find_evidence,
    mend_spacing,
    read_spoken_questions,
)
from groundup.text.texts import Text

WriteArchive = Callable[[dict[str, Any]], Path]
BRIDGE = "The bridge , built in 1 , 204 days , is 2 . 5 km long . It opened in May ."


def read(write_archive: WriteArchive, *rows: tuple[str, str, str]) -> list[Text]:
    content = "".join(json.dumps(dict(zip(("passage", "question", "answer"), row, strict=True))) + "\n" for row in rows)
    return read_spoken_questions(write_archive({MEMBER: content}))


def test_a_row_asks_and_answers_with_the_sentence_that_tells(write_archive: WriteArchive) -> None:
    [text] = read(write_archive, (BRIDGE, "How wide no how long is it ?", "2 . 5 km ."))
    passage = "The bridge, built in 1,204 days, is 2.5 km long. It opened in May."
    asked = f"{passage}\n\nQuestion: How wide no how long is it?"
    reply = '{"evidence": "The bridge, built in 1,204 days, is 2.5 km long.", "answer": "2.5 km"}'
    assert text.row == {
        "messages": [
            {"role": "system", "content": INSTRUCTION},
            {"role": "user", "content": asked},
            {"role": "assistant", "content": reply},
        ]
    }
    assert (text.name, text.text, text.metadata) == ("question 0", f"{asked}\n\n{reply}\n", {"language": "en"})


def test_what_is_left_out(write_archive: WriteArchive) -> None:
    rows = [
        (BRIDGE, "Who paid for it ?", "unknown"),  # the passage doesn't tell
        (BRIDGE, "What is it ?", "a tunnel"),  # nor does it say this
        (f"{BRIDGE} {'x' * MOST_CHARACTERS}", "When ?", "May"),
        ('The so - called " bridge is long . It opened in May .', "When ?", "May"),  # one quotation mark too few
        (BRIDGE, "When uh opened it ?", "May"),
        (BRIDGE, "How long ?", "2 . 5 km"),  # another question about the same passage
    ]
    assert [text.name for text in read(write_archive, *rows)] == ["question 4"]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("In the U . S . it isn ' t so ; the king ' s men , e . g . , left .", "In the U.S. it isn't so; the king's men, e.g., left."),
        ("They cost $ 40 , 000 ( or 3 . 5 % ) in 1999 , 2000 and 2001 .", "They cost $40,000 (or 3.5%) in 1999, 2000 and 2001."),
        ('It is " well - known " , he said : " No ! "', 'It is "well-known", he said: "No!"'),
        ("The ' aided ' schools are their parents ' choice .", "The 'aided' schools are their parents' choice."),
        ("A coup d ' état in 1968 – 69 [ citation needed ] failed .", "A coup d'état in 1968–69 failed."),
    ],
)  # fmt: skip
def test_marks_stand_where_people_put_them(tokens: str, text: str) -> None:
    assert mend_spacing(tokens) == text


def test_the_sentence_shares_words_with_the_question() -> None:
    passage = "In 1900 it rained. Dr. Ada M. Hall left in 1900 (by boat). She was 9."
    assert find_evidence(passage, "When did Hall leave?", "1900") == "Dr. Ada M. Hall left in 1900 (by boat)."
    assert find_evidence(passage, "What happened?", "1900") == "In 1900 it rained."  # a tie: the first
    assert find_evidence(passage, "When?", "1901") is None
