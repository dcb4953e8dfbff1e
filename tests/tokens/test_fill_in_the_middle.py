"""Documents whose middle comes last: nothing is lost, all follows from the text, and no text becomes a special token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import processors

from groundup.language_model.complete import make_prompt
from groundup.tokens.fill_in_the_middle import (
    MIDDLE,
    PREFIX,
    SPECIAL_TOKENS,
    SUFFIX,
    FillInTheMiddle,
    train_with_middle,
)
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.special import END
from groundup.tokens.store import write_store
from groundup.tokens.tokenizer import Tokenizer

TEXTS = ["def add(a, b):\n    return a + b\n", "für Ω und 𝄞\n", "<|fim_prefix|> is text here\n"] * 40
BPE = train_with_middle(TEXTS, TokenizerSettings(kind="bpe", vocab_size=300))
CHARACTERS = train_with_middle(TEXTS, TokenizerSettings(byte_fallback=True))


def parts(tokenizer: Tokenizer, ids: np.ndarray) -> tuple[str, str]:
    """The text that turned ids stand for, and which way they were turned; worked out from the special tokens alone."""
    prefix, middle, suffix = (ids.tolist().index(tokenizer.token_id(token)) for token in (PREFIX, MIDDLE, SUFFIX))
    assert prefix == 0
    end, last = tokenizer.decode(ids[suffix + 1 : middle]), tokenizer.decode(ids[middle + 1 :])
    if suffix == 1:
        return last + end, "suffix first"
    return tokenizer.decode(ids[1:suffix]) + last + end, "prefix first"


@pytest.mark.parametrize("tokenizer", [BPE, CHARACTERS])
@given(text=st.text(st.sampled_from("def ab\n(Ω𝄞<|fim_prefix|>"), max_size=60))
def test_a_turned_text_holds_what_the_text_held(tokenizer: Tokenizer, text: str) -> None:
    for rate, way in ((0.0, "prefix first"), (1.0, "suffix first")):
        ids = FillInTheMiddle(tokenizer, 1.0, rate, 1000).turned(text)
        assert sum(ids.tolist().count(tokenizer.token_id(token)) for token in SPECIAL_TOKENS) == 3
        whole, found = parts(tokenizer, ids)
        assert whole == text
        assert found == way or ids[1] == tokenizer.token_id(SUFFIX)  # with an empty prefix the two ways are one


def test_special_tokens_are_within_the_size_and_never_come_from_text() -> None:
    assert BPE.vocab_size == 300
    assert [BPE.token_id(token) for token in SPECIAL_TOKENS] == [297, 298, 299]
    for tokenizer in (BPE, CHARACTERS):
        special = {tokenizer.token_id(token) for token in SPECIAL_TOKENS}
        for token in SPECIAL_TOKENS:
            assert not special & set(tokenizer.encode(f"a {token} b"))
            assert tokenizer.decode(tokenizer.encode(f"a {token} b")) == f"a {token} b"
        turned = FillInTheMiddle(tokenizer, 1.0, 0.0, 1000).turned(PREFIX)  # a text that is nothing but the name of one
        assert turned.tolist().count(tokenizer.token_id(PREFIX)) == 1


def test_what_a_tokenizer_puts_before_a_text_is_in_none_of_its_parts() -> None:
    """Llama's, for one, begins each text with a token of its own."""
    library = tokenizers.Tokenizer.from_str(BPE._json.decode())
    library.post_processor = processors.TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    begins = Tokenizer(library.to_str().encode(), {}, {"end": 0})
    assert begins.encode("a")[0] == 0
    for rate in (0.0, 1.0):
        turned = [FillInTheMiddle(tokenizer, 1.0, rate, 1000).turned(TEXTS[0]).tolist() for tokenizer in (BPE, begins)]
        assert turned[0] == turned[1]
        prompts = [make_prompt(it, "def a", "b)", 64, 16, prefix_first=not rate) for it in (BPE, begins)]
        assert prompts[0] == prompts[1]


def test_they_survive_a_file_and_are_not_added_twice(tmp_path: Path) -> None:
    BPE.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert (loaded.sha256, loaded.end_id, loaded.vocab_size) == (BPE.sha256, BPE.end_id, 300)
    assert [loaded.token_id(token) for token in SPECIAL_TOKENS] == [297, 298, 299]
    assert loaded.decode([297, *loaded.encode("a"), 299]) == "a"
    assert loaded.token_id("no such token") is None


def test_what_becomes_of_a_text_follows_from_it_alone() -> None:
    middle = FillInTheMiddle(BPE, 0.3, 0.5, 64)
    texts = [f"text number {number}: " + "and so on " * 30 for number in range(4000)]
    turned = [text for text in texts if middle.turns(text)]
    assert abs(len(turned) - 1200) < 120  # standard deviation 29
    assert turned == [text for text in reversed(texts) if middle.turns(text)][::-1]
    ways = [parts(BPE, middle.turned(text))[1] for text in turned]
    assert abs(ways.count("suffix first") - len(turned) / 2) < 80  # standard deviation 17
    assert not any(FillInTheMiddle(BPE, 0.0, 0.5, 64).turns(text) for text in texts)
    assert all(FillInTheMiddle(BPE, 1.0, 0.5, 64).turns(text) for text in texts)


def test_cuts_are_everywhere() -> None:
    middle, text = FillInTheMiddle(CHARACTERS, 1.0, 0.0, 1000), "abcdefgh"
    begins = set()
    for number in range(600):
        ids = middle.turned(text + chr(0x4E00 + number)).tolist()
        begins.add(ids.index(CHARACTERS.token_id(SUFFIX)) - 1)
    assert set(range(9)) <= begins


def test_a_long_document_is_cut_at_line_ends_that_fit_a_window() -> None:
    lines = [f"line {number} of a long text\n" for number in range(200)]
    middle = FillInTheMiddle(BPE, 1.0, 0.0, 64)
    pieces = [parts(BPE, ids)[0] for ids in middle.documents("".join(lines))]
    assert "".join(pieces) == "".join(lines)
    assert all(piece.endswith("\n") for piece in pieces)
    assert len(pieces) > 10
    assert max(len(ids) for ids in middle.documents("".join(lines))) < 64
    without_lines = "x" * 1000
    assert "".join(parts(BPE, ids)[0] for ids in middle.documents(without_lines)) == without_lines


def test_a_store_counts_each_piece_as_a_document(tmp_path: Path) -> None:
    long, short = "a line\n" * 60, "short"
    middle = FillInTheMiddle(BPE, 1.0, 0.5, 32)
    store = write_store(tmp_path / "train.tokens", [long, short], BPE, [3, 4], middle)
    pieces = len(list(middle.documents(long)))
    assert pieces > 1
    assert (store.num_documents, store.num_turned, len(store.ends)) == (2, pieces + 1, pieces + 1)
    assert store.groups.tolist() == [3] * pieces + [4]
    assert (store.ids[store.ends - 1] == BPE.end_id).all()
    assert store.num_bytes == len(long) + len(short)
    plain = write_store(tmp_path / "plain.tokens", [long, short], BPE)
    assert plain.ends.tolist() == [len(BPE.encode(long)) + 1, len(plain.ids)]
    assert plain.groups.tolist() == [0, 0]
