from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundup.files import sha256_text
from groundup.text.duplicates.exact import digest, exact_duplicates


@given(st.lists(st.text(max_size=2) | st.just("\ud800"), max_size=40))
def test_each_document_gets_the_first_with_its_text(texts: list[str]) -> None:
    digests = np.frombuffer(b"".join(map(digest, texts)), np.uint8).reshape(-1, 32)
    assert exact_duplicates(digests).tolist() == [texts.index(text) for text in texts]


def test_digests_that_differ_in_any_byte_are_apart() -> None:
    digests = np.zeros((34, 32), np.uint8)
    digests[np.arange(32), np.arange(32)] = 1
    assert exact_duplicates(digests).tolist() == [*range(33), 32]


def test_a_digest_is_the_one_that_splits_use() -> None:
    assert digest("naïve 文").hex() == sha256_text("naïve 文")
    assert digest("\ud800") != digest("\ud801")
