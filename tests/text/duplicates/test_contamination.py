from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.text.duplicates import reference

from groundup.errors import DataError
from groundup.text.duplicates import contamination
from groundup.text.duplicates.contamination import Contamination, Overlap
from groundup.text.duplicates.settings import DecontaminationSettings

DEFAULTS = DecontaminationSettings()
QUESTION = "How many times does the hour hand of a clock turn around in one whole week of seven days?"


def characters_in_a_word(text: str) -> int:
    """2 where more than a third of the characters are Chinese."""
    return 2 if 3 * text.count("中") > len("".join(text.split())) else 1


def brute_force(text: str, evaluation: list[str], settings: DecontaminationSettings) -> Overlap:
    known = set()
    for one in evaluation:
        in_a_word = characters_in_a_word(one)
        length = min(len(reference.words(one)), settings.ngram_words * in_a_word)
        if length >= settings.shortest_words * in_a_word:
            known |= reference.sequences(one, length)
    words, spans = reference.words(text), reference.spans(text)
    covered: set[int] = set()
    example = ""
    for place in range(len(words)):
        for length in range(2 * settings.ngram_words, 0, -1):
            if tuple(words[place : place + length]) in known and place + length <= len(words):
                covered |= set(range(place, place + length))
                example = example or text[spans[place][0] : spans[place + length - 1][1]]
    return Overlap(len(words), len(covered), example)


LITTLE_WORDS = st.lists(st.sampled_from(["a", "B", "c,", "中", "…"]), max_size=25).map(" ".join)


@given(LITTLE_WORDS, st.lists(LITTLE_WORDS, max_size=4), st.integers(1, 5), st.data())
def test_overlap_is_that_of_comparing_all_sequences(
    text: str, evaluation: list[str], ngram_words: int, data: st.DataObject
) -> None:
    settings = DecontaminationSettings(
        ngram_words=ngram_words, shortest_words=data.draw(st.integers(1, ngram_words)), share=0.0
    )
    known = Contamination.from_texts(evaluation, settings)
    assert known.overlap(text) == brute_force(text, evaluation, settings)
    assert known.too_short == sum(
        0 < len(reference.words(one)) < settings.shortest_words * characters_in_a_word(one) for one in evaluation
    )


def test_a_question_is_found_in_another_dress_and_shown() -> None:
    known = Contamination.from_texts([QUESTION], DEFAULTS)
    page = "Quiz! Q1: how many times does the hour-hand of a clock turn around, in ONE whole week?\nA: fourteen."
    found = known.overlap(page)
    assert found == Overlap(words=20, shared=16, example="how many times does the hour-hand of a clock turn around, in")
    assert known.contaminates(found)
    clean = known.overlap("How many times does the hour hand turn around in one week? Nobody counts that.")
    assert clean == Overlap(words=15, shared=0, example="")
    assert not known.contaminates(clean)


def test_the_share_that_counts() -> None:
    known = Contamination.from_texts([QUESTION], DecontaminationSettings(share=0.5))
    assert known.contaminates(known.overlap(QUESTION + " " + "other words " * 9))
    assert not known.contaminates(known.overlap(QUESTION + " " + "other words " * 10))
    assert not known.contaminates(known.overlap(""))


def test_short_evaluation_texts() -> None:
    known = Contamination.from_texts(
        ["The capital of France is Paris.", "one two three four five six seven eight"], DEFAULTS
    )
    assert known.too_short == 1
    assert known.overlap("The capital of France is Paris.").shared == 0
    assert known.overlap("zero one two three four five six seven eight nine").shared == 8
    assert known.overlap("one two three four five six seven").shared == 0


def test_a_name_of_many_chinese_characters_is_no_question() -> None:
    congress = "中华人民共和国全国人民代表大会"  # 15 characters, of which each counts as a word
    question = f"下列哪一项关于{congress}的说法是正确的，并且符合宪法的有关规定？"
    known = Contamination.from_texts([question, congress], DEFAULTS)
    assert known.too_short == 1
    assert known.overlap(f"昨天上午，{congress}在北京开幕。").shared == 0
    assert known.overlap(f"练习：{question}答案：甲。").shared == 40


def test_of_sequences_that_begin_together_the_longest_is_shown() -> None:
    known = Contamination.from_texts(
        ["one two", "one two three"], DecontaminationSettings(ngram_words=3, shortest_words=2)
    )
    assert known.overlap("zero, one. Two? Three!") == Overlap(words=4, shared=3, example="one. Two? Three")


def test_a_long_text_is_searched_across_its_blocks() -> None:
    known = Contamination.from_texts([QUESTION], DEFAULTS)
    for filling in range(65_450, 65_540, 7):  # the question crosses the end of the first block
        text = "w " * (filling // 2) + QUESTION + " z" * 70_000
        assert known.overlap(text) == Overlap(filling // 2 + 19 + 70_000, 19, QUESTION[: QUESTION.index(" one whole")])


def test_a_long_evaluation_text_is_known_across_its_blocks() -> None:
    numbers = [f"w{number}" for number in range(30_000)]
    known = Contamination.from_texts([" ".join(numbers) + " -" * 70_000], DEFAULTS)
    assert {length: len(hashes) for length, hashes in known.sequences.items()} == {13: 30_000 - 12}
    assert known.overlap(" ".join(numbers[5000:25_000])).share == 1


def test_it_travels_to_other_processes() -> None:
    known = pickle.loads(pickle.dumps(Contamination.from_texts([QUESTION], DEFAULTS)))  # noqa: S301 (as multiprocessing does)
    assert known.overlap(QUESTION).share == 1


def test_too_many_sequences_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contamination, "MOST_SEQUENCES", 5)
    with pytest.raises(DataError, match=r"decontamination\.files hold more than 5 sequences .*: name fewer or smaller"):
        Contamination.from_texts([QUESTION], DEFAULTS)
