from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from groundup.errors import DataError
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.selection import select
from groundup.text.settings import DataSettings, Split
from groundup.text.sources import read_documents
from groundup.text.splits import plan_split, resolve_split


def documents(*texts: str) -> list[Document]:
    return [Document(f"document {index}", text, "here", "unknown") for index, text in enumerate(texts)]


def split_documents(documents: list[Document], settings: DataSettings) -> tuple[list[Document], list[Document]]:
    with tempfile.TemporaryDirectory() as folder:
        store = store_documents(documents, Path(folder))
        split = plan_split(store, select(store, settings.duplicates), settings)
        train, validation = list(split.train_documents(store)), list(split.validation_documents(store))
    characters = {"train": train, "validation": validation}
    assert split.characters(store.index) == {
        side: sum(len(document.text) for document in those) for side, those in characters.items()
    }
    return train, validation


def settings(split: Split = "auto", fraction: float = 0.1) -> DataSettings:
    return DataSettings("here", fraction, split)


def test_tail_cuts_the_benchmark_where_everybody_does() -> None:
    # Tiny Shakespeare has 1,115,394 characters; the first 90 % are 1,003,854, the last 10 % 111,540.
    text = "First Citizen:\n" * 74_360
    text = text[:1_115_394]
    train, validation = split_documents(documents(text), settings())
    assert (len(train[0].text), len(validation[0].text)) == (1_003_854, 111_540)
    assert train[0].text + validation[0].text == text


def test_auto_holds_out_whole_documents_from_ten_on() -> None:
    texts = [f"text number {number}" for number in range(10)]
    assert resolve_split(9, settings()) == "tail"
    assert resolve_split(10, settings()) == "documents"
    assert resolve_split(10, settings("tail")) == "tail"
    train, validation = split_documents(documents(*texts), settings())
    assert sorted(document.text for document in train + validation) == texts


@hypothesis_settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=40, unique=True), st.floats(0.01, 0.99))
def test_documents_stay_where_they_are_when_others_are_added(texts: list[str], fraction: float) -> None:
    chosen = settings("documents", fraction)
    train, validation = split_documents(documents(*texts), chosen)
    assert len(train) + len(validation) == len(texts)
    anchors = [f"anchor {number}" for number in range(60)]
    before = {document.text for document in split_documents(documents(*anchors), chosen)[1]}
    after = {document.text for document in split_documents(documents(*texts, *anchors), chosen)[1]}
    if 1 < len(before) < len(anchors) - 1:  # otherwise a document was moved so that no side is empty
        assert before <= after
        assert not after & (set(anchors) - before)


def test_the_share_held_out_is_about_the_fraction() -> None:
    texts = [f"text number {number}" for number in range(2000)]
    _, validation = split_documents(documents(*texts), settings(fraction=0.25))
    assert 430 < len(validation) < 570  # 500 expected, four standard deviations are 77


@pytest.mark.parametrize("fraction", [1e-9, 0.5, 1 - 1e-9])
def test_copies_of_a_text_land_on_one_side(fraction: float) -> None:
    texts = [f"text number {number // 2}" for number in range(60)]
    train, validation = split_documents(documents(*texts), settings(fraction=fraction))
    assert train
    assert validation
    assert not {document.text for document in train} & {document.text for document in validation}


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9])
def test_no_side_of_a_split_by_documents_is_empty(fraction: float) -> None:
    texts = [f"text number {number}" for number in range(12)]
    train, validation = split_documents(documents(*texts), settings(fraction=fraction))
    assert min(len(train), len(validation)) == 1
    assert len(train) + len(validation) == 12


def test_tail_leaves_out_empty_ends() -> None:
    train, validation = split_documents(documents("a", "0123456789"), settings("tail", 0.2))
    assert [document.text for document in train] == ["01234567"]
    assert [document.text for document in validation] == ["a", "89"]
    assert validation[1].id == "document 1"


def test_an_empty_validation_split_says_what_to_do() -> None:
    with pytest.raises(
        DataError, match=r"the validation split of the text's 11 characters in 1 document is empty: add text"
    ) as caught:
        split_documents(documents("hello world"), settings("documents"))
    assert "data.split=tail" in str(caught.value)
    assert "raise data.validation_fraction (now 0.1)" in str(caught.value)


def test_copies_alone_say_that_they_are_copies() -> None:
    """More of the same text, which "add text" would be read as, could not help."""
    with pytest.raises(
        DataError, match=r"in 12 documents are copies of one another, .*: keep one .* data\.duplicates\.near=drop"
    ):
        split_documents(documents(*["To be, or not to be"] * 12), settings("documents"))


def test_an_empty_training_split_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"the training split .* is empty: .*lower data\.validation_fraction"):
        split_documents(documents("ab"), settings("tail", 0.9))


def test_the_plays_held_out_are_known(plays_cache: Path) -> None:
    chosen = DataSettings()
    plays = read_documents(chosen, plays_cache, print)
    train, validation = split_documents(plays, chosen)
    assert [document.id for document in validation] == ["Twelfth Night", "Henry VIII"]
    assert len(train) == 36
