"""Where the benchmark of completion asks, and what it counts as right, on files worked by hand."""

from __future__ import annotations

import json

import pytest
from benchmarks.completion import table
from benchmarks.completion.baseline import complete_line
from benchmarks.completion.places import Place, find_places, is_exact, parses_in_place, parses_so_far

from groundup.evaluation.ngram import train_ngram_model
from groundup.language_model.complete import token_texts
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.train import train_tokenizer

FILE = '''import os

def area(self):
    """What it covers."""
    if self.width:
        return (self.width *
                self.height)
    try:
        pass
    except OSError:
        raise
'''
BROKEN = "def f(:\n    return 1\n"


def test_statements_in_functions_are_taken_out_but_no_texts() -> None:
    places = find_places([FILE, BROKEN], 100, seed=1)
    assert {place.line for place in places} == {"if self.width:", "return (self.width *", "try:", "pass", "raise"}
    assert all(place.prefix + place.line + place.suffix == FILE for place in places)
    assert find_places([FILE], 3, seed=1) == find_places([FILE], 3, seed=1) != find_places([FILE], 3, seed=2)


def place_of(line: str) -> Place:
    before, after = FILE.split(line)
    return Place(before, line, after)


@pytest.mark.parametrize(
    ("written", "so_far", "in_place"),
    [
        ("raise", True, True),
        ("return 1", True, True),
        ("if x:", True, False),  # the beginning of something, of which the file has no more
        ("call(1,", True, False),
        ("return )", False, False),
        ("x = 'abc", False, False),
        ("", False, False),
        ("  ", False, False),
    ],
)
def test_what_parses(written: str, so_far: bool, in_place: bool) -> None:
    place = place_of("raise")
    assert parses_so_far(place, written) is so_far
    assert parses_in_place(place, written) is in_place


def test_exact_but_for_spaces_at_the_end() -> None:
    assert is_exact(place_of("raise"), "raise ")
    assert not is_exact(place_of("raise"), "raise x")


def test_the_baseline_writes_what_it_counted() -> None:
    text = "def f(x):\n    return x\n"
    tokenizer = train_tokenizer([text], TokenizerSettings(kind="bpe", vocab_size=280, pre_tokenizer="llama-bpe"))
    texts = token_texts(tokenizer, tokenizer.vocab_size)
    ngrams = train_ngram_model(tokenizer.encode(text) * 3, tokenizer.vocab_size, tokenizer.end_id)
    for cursor in range(1, text.index("\n")):
        assert complete_line(ngrams, tokenizer, texts, text[:cursor], 20) == text[cursor:].split("\n")[0], cursor
    assert complete_line(ngrams, tokenizer, texts, "def f(x):\n    ret", 20) == "urn x"


def test_the_page_shows_what_was_measured() -> None:
    page, result = table.PAGE.read_text(encoding="utf-8"), json.loads(table.RESULT.read_text(encoding="utf-8"))
    assert table.filled(page, result) == page, "run  .venv/bin/python -m benchmarks.completion.table"
    assert all(f"{row['bits_per_byte']:.3f}" in page for row in result["rows"] if "bits_per_byte" in row)
