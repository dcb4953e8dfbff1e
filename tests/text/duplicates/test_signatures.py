from __future__ import annotations

import multiprocessing
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.text.duplicates import reference

from groundup.errors import DataError
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.signatures import open_signatures, signature

DEFAULTS = DuplicateSettings()


@hypothesis_settings(max_examples=60)
@given(st.text(st.sampled_from("abC é.中か\n"), max_size=80), st.integers(1, 4), st.integers(1, 9), st.integers(0, 99))
def test_signatures_are_those_of_plain_python(text: str, length: int, count: int, seed: int) -> None:
    settings = DuplicateSettings(shingle_words=length, num_permutations=count, seed=seed)
    assert signature(text, settings).tolist() == reference.signature(text, settings)


def test_a_signature_is_known_wherever_it_is_made() -> None:
    made = signature("The quick brown fox jumps over the lazy dog. 我喜欢狐狸", DEFAULTS)
    assert made.dtype == np.uint32
    assert made[:4].tolist() == [686946592, 168021550, 339014334, 60783298]


def test_a_long_text_has_the_least_of_its_parts() -> None:
    settings = DuplicateSettings(num_permutations=16)
    numbers = [f"w{number}" for number in range(30_000)]  # several blocks
    parts = [" ".join(numbers[begin : begin + 1004]) for begin in range(0, 30_000, 1000)]  # overlap by four words
    least = np.min([signature(part, settings) for part in parts], axis=0)
    assert signature(" ".join(numbers), settings).tolist() == least.tolist()


def test_signs_at_the_end_of_a_long_text_change_nothing() -> None:
    """The last block has no words then, and the four of the block before it are no text of their own."""
    text = "a text of six words only"
    assert signature(text + " -" * 70_000, DEFAULTS).tolist() == signature(text, DEFAULTS).tolist()


def test_a_longer_text_takes_no_more_memory() -> None:
    peaks = []
    for length in (50_000, 50_000, 500_000):  # the tables are made in the first
        text = "some words " * length
        tracemalloc.start()
        signature(text, DEFAULTS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.95])
def test_the_estimate_is_right_on_average_and_as_exact_as_promised(similarity: float) -> None:
    """Of 300 pairs with a known Jaccard similarity: mean and spread of the estimates are those of a binomial."""
    settings = DuplicateSettings(shingle_words=1)
    shared = round(200 * similarity)
    errors = []
    for pair in range(300):
        words = [f"{pair}w{number}" for number in range(200)]
        half = (200 - shared) // 2
        left, right = words[: shared + half], words[:shared] + words[shared + half :]
        assert reference.jaccard({(word,) for word in left}, {(word,) for word in right}) == shared / 200
        same = signature(" ".join(left), settings) == signature(" ".join(right), settings)
        errors.append(same.mean() - similarity)
    deviation = (similarity * (1 - similarity) / settings.num_permutations) ** 0.5
    assert abs(np.mean(errors)) < 4 * deviation / 300**0.5
    assert 0.85 < np.std(errors) / deviation < 1.15
    assert deviation <= 0.5 / settings.num_permutations**0.5


def test_case_punctuation_and_line_breaks_make_no_difference() -> None:
    left = signature("To be, or not to be: that is the question.", DEFAULTS)
    assert left.tolist() == signature("to BE or not to be —\nthat is the question", DEFAULTS).tolist()


def test_a_text_without_words_has_the_greatest_numbers() -> None:
    for text in ("", "… !?", "\ud800"):
        assert signature(text, DEFAULTS).tolist() == [2**32 - 1] * 112


def test_processes_make_the_same_signatures() -> None:
    texts = [f"document {number} of some " + "words in it " * number for number in range(20)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        there = list(pool.map(partial(signature, settings=DEFAULTS), texts, chunksize=5))
    assert np.array_equal(there, [signature(text, DEFAULTS) for text in texts])


def test_appended_signatures_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "signatures.bin"
    path.touch()
    assert open_signatures(path, DEFAULTS).shape == (0, 112)
    texts = ["one text", "another text"]
    with path.open("ab") as file:
        for text in texts:
            file.write(signature(text, DEFAULTS).tobytes())
    mapped = open_signatures(path, DEFAULTS)
    assert isinstance(mapped, np.memmap)
    assert mapped.tolist() == [signature(text, DEFAULTS).tolist() for text in texts]


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signatures.bin"
    path.write_bytes(bytes(450))
    with pytest.raises(DataError, match=r"holds 450 bytes, which are no whole signatures of 448 bytes: delete it"):
        open_signatures(path, DEFAULTS)
    with pytest.raises(DataError, match=r"missing cannot be read \(No such file or directory\): delete it"):
        open_signatures(tmp_path / "missing", DEFAULTS)
