"""The tokenizers of GGUF files give the ids of those that they were written from."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from transformers import AutoTokenizer

from groundup.errors import TokenizerError
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.gguf_vocabulary import read_gguf_tokenizer
from groundup.tokens.settings import PreTokenizer
from groundup.tokens.tokenizer import Tokenizer

LICENSE = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
TEXTS = ["Hello  world! 123 isn't\n\n it?", "Короли 国王 ½ 🚀", "<|endoftext|> a<|pad|>b <think>", "", LICENSE]


def byte_pair_facts(pre_tokenizer: PreTokenizer) -> tuple[Any, dict[str, Any]]:
    made = train_byte_pair_tokenizer([LICENSE], 400, pre_tokenizer=pre_tokenizer)
    description = json.loads(made._json)
    vocab: dict[str, int] = description["model"]["vocab"]
    merges = [" ".join(pair) for pair in description["model"]["merges"]]
    tokens = sorted(vocab, key=lambda token: vocab[token])
    facts = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre_tokenizer,
        "tokenizer.ggml.tokens": [*tokens, "<think>"],
        "tokenizer.ggml.token_type": [3 if token.startswith("<|") else 1 for token in tokens] + [4],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.eos_token_id": made.end_id,
        "tokenizer.ggml.padding_token_id": made.pad_id,
        "tokenizer.chat_template": "{{ messages }}",
    }
    return made, facts


@pytest.mark.parametrize("pre_tokenizer", ["gpt-2", "smollm", "qwen2", "llama-bpe"])
def test_byte_pairs(pre_tokenizer: PreTokenizer) -> None:
    made, facts = byte_pair_facts(pre_tokenizer)
    found = read_gguf_tokenizer(facts)
    assert (found.end_id, found.pad_id, found.vocab_size) == (made.end_id, made.pad_id, made.vocab_size + 1)
    for text in TEXTS:
        plain = text.replace("<think>", "")
        assert found.encode(plain) == made.encode(plain)
        assert found.decode(found.encode(text)) == text
    assert (
        found.encode("a<think>b")[1] == made.vocab_size
    )  # a user-defined token is found in text, a control token never


def test_the_ends_of_a_turn_and_of_a_message_are_ends_too(tmp_path: Path) -> None:
    made, facts = byte_pair_facts("qwen2")
    last = made.vocab_size
    found = read_gguf_tokenizer({**facts, "tokenizer.ggml.eot_token_id": last, "tokenizer.ggml.bos_token_id": last})
    assert (found.end_id, found.begin_id, found.end_ids) == (made.end_id, last, (made.end_id, last))
    found.save(tmp_path)
    assert Tokenizer.load(tmp_path).end_ids == (made.end_id, last)
    for wrong in (-1, last + 1, True, "2", [last]):
        bad = {f"tokenizer.ggml.{name}_token_id": wrong for name in ("eot", "eom", "bos", "unknown")}
        found = read_gguf_tokenizer({**facts, **bad})
        assert (found.end_ids, found.begin_id, found.unknown_id) == ((made.end_id,), made.end_id, None)


def test_sentencepiece_byte_pairs() -> None:
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LICENSE.splitlines()),
        model_writer=file,
        vocab_size=400,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    theirs = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
    numbers = range(theirs.vocab_size())
    kinds = [
        6
        if theirs.IsByte(n)
        else 2
        if theirs.IsUnknown(n)
        else 3
        if theirs.IsControl(n)
        else 1  # as llama.cpp numbers them
        for n in numbers
    ]
    facts = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [theirs.IdToPiece(n) for n in numbers],
        "tokenizer.ggml.scores": [theirs.GetScore(n) for n in numbers],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    found = read_gguf_tokenizer(facts)  # which, as in llama.cpp, begins a text where the file doesn't say otherwise
    plain = read_gguf_tokenizer({**facts, "tokenizer.ggml.add_bos_token": False})
    assert (found.end_id, found.unknown_id) == (2, 0)
    for text in TEXTS:
        ids = theirs.EncodeAsIds(text)
        assert (found.encode(text), found.encode(text, whole=False), plain.encode(text)) == ([1, *ids], ids, ids), text
        assert found.decode(found.encode(text)) == plain.decode(ids)


@pytest.mark.parametrize(
    ("pre_tokenizer", "said", "begins"),
    [
        ("qwen2", {}, False),
        ("qwen2", {"tokenizer.ggml.add_bos_token": True}, True),
        ("llama-bpe", {}, True),  # Llama 3's
        ("llama-bpe", {"tokenizer.ggml.add_bos_token": False}, False),
    ],
)
def test_a_text_begins_with_a_token_where_the_file_says_so(
    pre_tokenizer: PreTokenizer, said: dict[str, Any], begins: bool, tmp_path: Path
) -> None:
    made, facts = byte_pair_facts(pre_tokenizer)
    first = made.vocab_size
    read_gguf_tokenizer({**facts, **said, "tokenizer.ggml.bos_token_id": first}).save(tmp_path)
    found, theirs = Tokenizer.load(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    ids = [*([first] if begins else []), *made.encode("Hello  world")]
    assert found.encode("Hello  world") == theirs("Hello  world")["input_ids"] == ids
    assert found.encode_with_special_tokens("Hello  world") == made.encode("Hello  world")  # a template says it itself
    assert found.decode(ids[begins:]) == "Hello  world"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tokenizer.ggml.model": "bert"},
            "tokenizer.ggml.model = 'bert' is not supported: gpt2, llama, and t5 without",
        ),
        ({"tokenizer.ggml.pre": "tekken"}, "tokenizer.ggml.pre = 'tekken' cuts text in a way that we don't know"),
        ({"tokenizer.ggml.tokens": None}, "the file has no tokenizer.ggml.tokens with their token_type"),
        ({"tokenizer.ggml.token_type": [1]}, "the file has no tokenizer.ggml.tokens with their token_type"),
        ({"tokenizer.ggml.merges": ["a b c"]}, "tokenizer.ggml.tokens and merges don't belong together"),
        ({"tokenizer.ggml.model": "llama"}, "the file has no tokenizer.ggml.scores for its tokens"),
    ],
)
def test_what_does_not_hold_together_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        read_gguf_tokenizer(byte_pair_facts("qwen2")[1] | changes)
    assert message in str(caught.value)
