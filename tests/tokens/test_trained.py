"""Word and byte-pair tokenizers: the library's ids, nothing lost, the same each time, and what other programs read."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers

from groundup.errors import DataError, SettingError, TokenizerError
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.settings import PreTokenizer, TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.train import train_tokenizer
from groundup.tokens.word import train_word_tokenizer

TEXT = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PRE_TOKENIZERS: tuple[PreTokenizer, ...] = get_args(PreTokenizer)
HOSTILE = [
    "",
    " ",
    "\n\n\t\r\n ",
    "<|endoftext|><|pad|><|unk|>",
    "3.14159 and 1,000,000",
    "don't DON'T 's",
    "def f(x):\n    return x  # tab\there\n",
    "नमस्ते 你好 مرحبا 👩🏽‍🚀 e\u0301",
    "\ufeff\u200b\x00\x7f",
    "a" * 3000,
]

byte_pairs = {name: train_byte_pair_tokenizer([TEXT], 600, pre_tokenizer=name) for name in PRE_TOKENIZERS}
words = train_word_tokenizer([TEXT], 150)


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
@pytest.mark.parametrize("text", HOSTILE)
def test_byte_pairs_lose_nothing_of_hostile_texts(name: PreTokenizer, text: str) -> None:
    tokenizer = byte_pairs[name]
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not {tokenizer.end_id, tokenizer.pad_id} & set(ids), "user text never becomes a special token"


@settings(max_examples=300)
@given(ANY_TEXT)
def test_byte_pairs_lose_nothing_of_any_text(text: str) -> None:
    for tokenizer in byte_pairs.values():
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_every_code_point_can_be_written() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    assert byte_pairs["qwen2"].decode(byte_pairs["qwen2"].encode(every)) == every


def test_merges_by_hand() -> None:
    """ "aab aab aab ab": "ab" occurs four times, then "aab" three; " aab" too, with the space before it."""
    tokenizer = train_byte_pair_tokenizer(["aab aab aab ab"], 261, pre_tokenizer="gpt-2")
    assert tokenizer.vocab_size == 261
    assert [tokenizer.decode([token_id]) for token_id in (258, 259, 260)] == ["ab", "aab", " aab"]
    assert tokenizer.encode("aab aab") == [259, 260]


@pytest.mark.parametrize("text", [TEXT, *HOSTILE])
def test_ids_are_those_of_the_library(text: str) -> None:
    for tokenizer in (*byte_pairs.values(), words):
        library = tokenizers.Tokenizer.from_str(tokenizer._json.decode())
        library.encode_special_tokens = True
        assert tokenizer.encode(text) == library.encode(text).ids


@pytest.mark.parametrize("kind", ["character", "word", "bpe"])
def test_the_same_text_gives_the_same_tokenizer_byte_for_byte(kind: Any) -> None:
    asked = TokenizerSettings(kind=kind, vocab_size=700)
    assert len({train_tokenizer([TEXT], asked).sha256 for _ in range(3)}) == 1


def test_digits_stand_as_the_pre_tokenizer_says() -> None:
    tokens = {
        name: [tokenizer.decode([token_id]) for token_id in tokenizer.encode("2004 2004")]
        for name, tokenizer in (
            (name, train_byte_pair_tokenizer(["2004 " * 50], 300, pre_tokenizer=name)) for name in PRE_TOKENIZERS
        )
    }
    assert tokens["qwen2"] == tokens["qwen35"] == tokens["smollm"] == ["2", "0", "0", "4", " ", "2", "0", "0", "4"]
    assert tokens["llama-bpe"] == ["200", "4", " ", "200", "4"]
    assert tokens["gpt-2"] == ["2004", " 2004"]


@pytest.mark.parametrize(("name", "tokens"), [("qwen35", ["हिन्दी", " हिन्दी"]), ("qwen2", ["ह", "िन", "्द", "ी", " ह"])])
def test_words_with_marks(name: PreTokenizer, tokens: list[str]) -> None:
    """Hindi's vowels and its silent sign are marks: most patterns cut a word before each of them."""
    tokenizer = train_byte_pair_tokenizer(["हिन्दी " * 50], 300, pre_tokenizer=name)
    text = "हिन्दी हिन्दी"
    assert [tokenizer.decode([token_id]) for token_id in tokenizer.encode(text)][: len(tokens)] == tokens


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_an_indentation_is_one_token(name: PreTokenizer) -> None:
    code = "def f(x):\n    if x:\n        return x\n    return f\n"
    tokenizer = train_tokenizer([code] * 9, TokenizerSettings(kind="bpe", vocab_size=320, pre_tokenizer=name))
    tokens = [tokenizer.decode([token]) for token in tokenizer.encode(code)]
    spaces = [token.strip("\n") for token in tokens if not token.strip() and " " in token]
    assert spaces == [" " * 3, " " * 7, " " * 3]  # the last one goes with the word


def test_words_are_the_most_frequent_ones() -> None:
    """Against Python's own regular expressions and counting."""
    pieces = re.findall(r"\w+|\s+|[^\w\s]", TEXT)
    counted = Counter(pieces)
    tokens = {words.decode([token_id]) for token_id in range(3, words.vocab_size)}
    assert words.vocab_size == 150
    assert min(counted[token] for token in tokens) >= max(counted[other] for other in counted.keys() - tokens)
    kept = "".join(piece for piece in pieces if piece in tokens)
    assert words.decode(words.encode(TEXT)) == kept, "what is known comes back as it was"


def test_rare_words_are_unknown_and_named() -> None:
    tokenizer = train_word_tokenizer(["one two one two three"], 100, min_frequency=2)
    assert tokenizer.vocab_size == 3 + 3  # one, two and the space between
    text = "three one  four"
    assert tokenizer.encode(text).count(tokenizer.unknown_id or -1) == 3
    assert list(tokenizer.unknown_pieces(text)) == ["three", "  ", "four"]


def test_a_text_without_a_frequent_word_is_refused() -> None:
    with pytest.raises(DataError, match=r"no word of the text occurs tokenizer\.min_frequency = 9 times"):
        train_word_tokenizer(["to be or not to be"], 100, min_frequency=9)


def test_the_first_piece_is_what_the_first_token_stands_for() -> None:
    assert byte_pairs["qwen2"].first_piece("License and") == byte_pairs["qwen2"].decode(
        byte_pairs["qwen2"].encode("License and")[:1]
    )
    assert byte_pairs["qwen2"].first_piece("😀") == "😀"
    assert words.first_piece("Unheard of") == "Unheard"
    stripping = tokenizers.Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    stripping.normalizer = normalizers.Strip()
    assert Tokenizer(stripping.to_str().encode(), {}, {}).first_piece("   ") == "", "spaces have no token there"
    assert words.first_piece("") == byte_pairs["qwen2"].first_piece("") == ""


@pytest.mark.parametrize("tokenizer", [*byte_pairs.values(), words], ids=[*PRE_TOKENIZERS, "word"])
def test_what_is_saved_opens_as_it_was(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.sha256 == tokenizer.sha256
    assert (again.end_id, again.pad_id, again.unknown_id) == (tokenizer.end_id, tokenizer.pad_id, tokenizer.unknown_id)
    assert again.encode(TEXT) == tokenizer.encode(TEXT)


def test_half_a_surrogate_pair_is_refused() -> None:
    for tokenizer in (byte_pairs["gpt-2"], words):
        with pytest.raises(TokenizerError, match=r"character 1 of the text is U\+D83D"):
            tokenizer.encode("a\ud83d")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"kind": "bpe", "vocab_size": 257}, "use a whole number from 258 to 1,048,576 for tokenizer.kind = 'bpe'"),
        ({"kind": "word", "vocab_size": 3}, "use a whole number from 4 to"),
        ({"kind": "bpe", "min_frequency": 0}, "tokenizer.min_frequency = 0: use a whole number of at least 1"),
    ],
)
def test_impossible_sizes_are_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        TokenizerSettings(**asked)
