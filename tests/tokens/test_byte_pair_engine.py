"""The engine gives the ids of the `tokenizers` library, and knows when it can't."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from groundup.errors import TokenizerError
from groundup.tokens import patterns
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.byte_pair_engine import PIECE_CHARACTERS, SAMPLE_EVERY, BytePairEngine, cut
from groundup.tokens.settings import PreTokenizer
from groundup.tokens.tokenizer import LONG_TEXT, Tokenizer

TEXT = (
    "The king's men don't know what they'll say: 1603, 12345 or 7?\n\n    def king(men):\n        return men['s']\n"
    "Die Könige wissen's nicht. Короли не знают. 国王不知道。 王たちは知らない。 Οι βασιλιάδες δεν ξέρουν. राजा नहीं जानते।\n"
) * 3
NAMES = get_args(PreTokenizer)
EVERYTHING = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
# What patterns and cuts look at, beside letters that fold to those of contractions (ſ), digits of other scripts and odd spaces.
TELLING = "'stremvdlLSTſK \n\r\t\u3000\x85\u2028\x1c09aZ.,!é世①²\u0301😀\ufeff\u200d<|>_ⅷ\U0001e900٣/"
HOSTILE = [
    "<|endoftext|> <|pad|>",
    "'s 'S 'ſ don't DON'T 'll'll ''s x's",
    "  a   b\t\tc \n \n\n  d\r\n\r\n e  ",
    "1234567 ٣٤٥ ①② ⅷⅸ x1y22z333",
    "e\u0301\u0301 नमस्ते กำลัง 世界，你好。 👩🏽‍🚀👩🏽‍🚀",
    "\0\x07\ufeff\u200d\u200b\xad\x85\xa0\u3000\U0010ffff",
    "a" * 5000 + " " * 5000 + "\n" * 5000 + "'" * 5000 + "7" * 5000 + "世" * 5000 + " \n" * 2000,
]


@cache
def tokenizer_of(name: PreTokenizer) -> Tokenizer:
    return train_byte_pair_tokenizer([TEXT], 420, pre_tokenizer=name)


def library_of(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    """What the library itself makes of a text, read anew from the tokenizer's file."""
    library = tokenizers.Tokenizer.from_str(tokenizer._json.decode())
    library.encode_special_tokens = True
    return lambda text: library.encode(text).ids


def engine_of(tokenizer: Tokenizer) -> BytePairEngine:
    assert tokenizer.engine is not None
    return tokenizer.engine


@pytest.mark.parametrize("name", NAMES)
def test_the_ids_are_the_librarys(name: PreTokenizer) -> None:
    tokenizer = tokenizer_of(name)
    library, chance = library_of(tokenizer), random.Random(0)
    mixed = ["".join(chance.choices(TELLING, k=12)) for _ in range(1000)]
    # Of the two patterns that differ most.
    starts = range(0, len(EVERYTHING) if name in ("qwen2", "smollm") else 0, 20_000)
    every = ["x" + "".join(EVERYTHING[start : start + 20_000]) for start in starts]
    for text in [*HOSTILE, *mixed, *every, TEXT]:
        assert engine_of(tokenizer).encode(text).tolist() == library(text), repr(text[:50])
    assert engine_of(tokenizer).mismatch is None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100, deadline=None)
@given(text=st.text() | st.text(alphabet=TELLING))
def test_over_all_of_unicode(name: PreTokenizer, text: str) -> None:
    assert engine_of(tokenizer_of(name)).encode(text).tolist() == library_of(tokenizer_of(name))(text)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=TELLING + "   \n\n", max_size=60), length=st.integers(1, 20))
def test_a_cut_changes_no_id(name: PreTokenizer, text: str, length: int) -> None:
    pieces = list(cut(text, length))
    assert "".join(pieces) == text
    assert all(pieces)
    encode = engine_of(tokenizer_of(name)).encode
    assert [token for piece in pieces for token in encode(piece).tolist()] == encode(text).tolist()


def test_cuts_are_near_the_length_asked_for() -> None:
    assert [len(piece) for piece in cut("word " * 10, 12)] == [9, 10, 10, 10, 11]
    assert list(cut("世界。\n世界。\n\n世界", 5)) == ["世界。\n", "世界。\n\n世界"]
    assert list(cut("aaaa   bbbb cc", 3)) == ["aaaa", "   bbbb", " cc"]
    assert list(cut("世界" * 10, 5)) == ["世界" * 10]


def test_long_texts_go_through_it_and_short_ones_do_not() -> None:
    tokenizer = train_byte_pair_tokenizer([TEXT], 420)
    short, long = TEXT[:1000], TEXT * (LONG_TEXT // len(TEXT) + 1)
    assert tokenizer.encode(short) == library_of(tokenizer)(short)
    assert "engine" not in vars(tokenizer)
    assert tokenizer.encode_array(long).tolist() == library_of(tokenizer)(long)
    assert engine_of(tokenizer).samples == len(long) // SAMPLE_EVERY + 1


def test_pieces_of_short_texts_are_sampled_now_and_then() -> None:
    tokenizer = train_byte_pair_tokenizer([TEXT], 420)
    texts = [TEXT[:200]] * (3 * SAMPLE_EVERY // 200 + 1)
    for text in texts:
        assert np.concatenate(list(tokenizer.encode_pieces(text))).tolist() == library_of(tokenizer)(text)
    assert engine_of(tokenizer).samples == 4
    assert list(tokenizer.encode_pieces("")) == []


def test_half_a_character_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"character 2 of the text is U\+D83D, half of a surrogate pair"):
        list(tokenizer_of("qwen2").encode_pieces("ab\ud83d"))


def test_a_mismatch_ends_it() -> None:
    """An engine with another pattern than the library's: the text whose sample differs, and all after it, is the library's."""
    tokenizer = tokenizer_of("qwen2")
    other = engine_of(tokenizer_of("gpt-2"))._encoding
    engine = BytePairEngine.of(json.loads(tokenizer._json), library_of(tokenizer))
    assert engine is not None
    engine._encoding = other
    for text in ["no. of men: 1603\n\n", "again (1603)"]:
        assert engine.encode(text).tolist() == library_of(tokenizer)(text)
        assert engine.mismatch == "no. of men: 1603\n\n"
    assert engine.samples == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", [" ", " \t", "\u3000 ", "\n "])
def test_a_piece_full_of_spaces_is_not_too_much(name: PreTokenizer, space: str) -> None:
    text = "a" + (space * PIECE_CHARACTERS)[: PIECE_CHARACTERS - 2] + "a"
    assert engine_of(tokenizer_of(name))._encode(text).tolist() == library_of(tokenizer_of(name))(text)


def test_what_cannot_be_cut_is_left_to_the_library() -> None:
    """tiktoken would panic here."""
    tokenizer, text = tokenizer_of("qwen2"), " " * 2**20 + "a"
    assert engine_of(tokenizer).encode(text).tolist() == library_of(tokenizer)(text)
    assert engine_of(tokenizer).mismatch is None


def changed(change: Callable[[dict[str, Any]], object]) -> Tokenizer:
    description = json.loads(tokenizer_of("qwen2")._json)
    change(description)
    return Tokenizer(json.dumps(description).encode(), {}, {})


def unreachable(description: dict[str, Any]) -> None:
    """tiktoken would make "abc" of "a" and "bc", which is no merge; the library can't make it any more."""
    model = description["model"]
    model["vocab"] = {letter: model["vocab"][letter] for letter in patterns.bytes_of_letters()}
    model["vocab"] |= {token: 500 + number for number, token in enumerate(["bc", "ab", "abc"])}
    model["merges"] = [["b", "c"], ["a", "b"], ["ab", "c"]]
    description["added_tokens"] = []


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.update(normalizer={"type": "NFC"}),
        lambda it: it.update(pre_tokenizer=None),
        lambda it: it["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex=r"\p{L}+|."),
        lambda it: it["pre_tokenizer"]["pretokenizers"][0].update(behavior="Removed"),
        lambda it: it["pre_tokenizer"]["pretokenizers"][1].update(add_prefix_space=True),
        lambda it: it["pre_tokenizer"]["pretokenizers"][1].update(use_regex=True),
        lambda it: it["added_tokens"][0].update(special=False),
        lambda it: it["model"].update(dropout=0.1),
        lambda it: it["model"].update(ignore_merges=True) or it["model"]["vocab"].update({"zzz": 999}),
        lambda it: it["model"]["merges"].append(it["model"]["merges"][0]),
        unreachable,
        lambda it: it.update(
            post_processor={
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<|pad|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {"<|pad|>": {"id": "<|pad|>", "ids": [1], "tokens": ["<|pad|>"]}},
            }
        ),
    ],
)
def test_tokenizers_of_other_kinds_are_left_to_the_library(change: Callable[[dict[str, Any]], object]) -> None:
    tokenizer = changed(change)
    assert tokenizer.engine is None
    if not json.loads(tokenizer._json)["model"].get("dropout"):  # which is chance
        text = TEXT + "abc zzz <|endoftext|>"
        ids = [token for piece in tokenizer.encode_pieces(text) for token in piece.tolist()]
        assert ids == library_of(tokenizer)(text)


def test_ids_in_another_order_and_whole_pieces_first() -> None:
    """Neither the numbers of the ids nor `ignore_merges`, which changes nothing here, keep the engine away."""

    def turned(description: dict[str, Any]) -> None:
        vocab = description["model"]["vocab"]
        description["model"].update(vocab={token: len(vocab) - 1 - number for token, number in vocab.items()})
        description["model"]["ignore_merges"] = True
        for token in description["added_tokens"]:
            token["id"] = len(vocab) - 1 - token["id"]

    tokenizer = changed(turned)
    for text in [TEXT, *HOSTILE]:
        assert engine_of(tokenizer).encode(text).tolist() == library_of(tokenizer)(text)


def test_gpt_4os_pattern() -> None:
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(patterns.O200K), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    library.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    library.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    tokenizer = Tokenizer(library.to_str().encode(), {}, {})
    chance = random.Random(0)
    mixed = ["".join(chance.choices(TELLING, k=12)) for _ in range(1000)]
    for text in [*HOSTILE, *mixed, TEXT]:
        assert engine_of(tokenizer).encode(text).tolist() == library.encode(text).ids
