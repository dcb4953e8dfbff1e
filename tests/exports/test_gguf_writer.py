"""GGUF files of ours: read back by our own reader, and run by llama.cpp itself, through its Python wheel."""

from __future__ import annotations

import gc
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import sentencepiece
import torch
from gguf import GGMLQuantizationType, dequantize, quantize
from tests.model.test_gguf_file import network

from groundup.errors import ModelError, SettingError, TokenizerError
from groundup.exports.gguf_vocabulary import expected_ids
from groundup.exports.gguf_writer import GgufType, q4_0, write_gguf
from groundup.exports.llama_cpp import LlamaCpp
from groundup.exports.quantize import quantize_matrix
from groundup.language_model import LanguageModel
from groundup.model.directory import model_of_tensors
from groundup.model.families import from_hf_config
from groundup.model.gguf_file import read_gguf
from groundup.model.rope_settings import RopeScaling
from groundup.model.settings import Preset
from groundup.model.transformer import Transformer
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.existing import read_tokenizer
from groundup.tokens.settings import PreTokenizer
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.word import train_word_tokenizer

LICENSE = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
LLAMA3 = RopeScaling("llama3", factor=8.0, original_max_seq_len=8192)
YARN = RopeScaling("yarn", factor=4.0, original_max_seq_len=8)
CASES: list[tuple[Preset, dict[str, Any]]] = [
    ("gpt2", {}),
    ("gpt2", {"tie_embeddings": False}),
    ("llama", {"num_kv_heads": 2, "tie_embeddings": False}),
    ("llama", {"bias": "all", "head_dim": 16}),
    ("llama", {"rope_theta": 5e5, "rope_scaling": LLAMA3, "d_model": 64, "num_heads": 2}),
    ("llama", {"rope_scaling": RopeScaling("linear", factor=2.0)}),
    ("mistral", {"sliding_window": 32}),
    ("qwen2", {"num_kv_heads": 2, "rope_scaling": YARN}),
    ("qwen3", {"num_kv_heads": 1, "head_dim": 16}),
    ("qwen3", {"tie_embeddings": False}),
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_byte_pair_tokenizer([LICENSE], 300)


def logprobs(model: Transformer, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        scores: torch.Tensor = model(torch.tensor([ids]))[0, -1].log_softmax(-1)
    return scores


@pytest.mark.parametrize(("preset", "values"), CASES)
def test_llama_cpp_and_our_reader_give_the_networks_own_log_probabilities(
    preset: Preset, values: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = network(preset, **({"vocab_size": 300, "max_seq_len": 32, "num_heads": 2} | values))
    write_gguf(model, tokenizer, tmp_path / "made.gguf", "f32")
    file = read_gguf(tmp_path / "made.gguf")
    again = model_of_tensors(from_hf_config(file.hf_config), file.tensors)
    ids = tokenizer.encode("Licensed under the License")[:20]
    assert len(ids) > 10
    torch.testing.assert_close(logprobs(again, ids), logprobs(model, ids), atol=1e-5, rtol=1e-5)
    llama_cpp = LlamaCpp(tmp_path / "made.gguf", 32, 1)
    assert (llama_cpp.next_logprobs(ids, 300) - logprobs(model, ids)).abs().max() < 0.02
    del llama_cpp
    gc.collect()


TEXTS = [
    "Hello  world! 123 isn't\n\n it?",
    "\tLicensed 2004  under½",
    " <|endoftext|> a<|pad|>b <|unk|>",
    "x",
    "▁",
    "国",
    LICENSE[:2000],
]


def sentencepiece_tokenizer(tmp_path: Path) -> Tokenizer:
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
    (tmp_path / "tokenizer.model").write_bytes(file.getvalue())
    return read_tokenizer(tmp_path / "tokenizer.model")


def made(kind: str, tmp_path: Path) -> Tokenizer:
    if kind == "characters":
        return train_character_tokenizer([LICENSE, "Grüße, 世界’s é"], byte_fallback=False)
    if kind == "characters in bytes":
        return train_character_tokenizer([LICENSE, "Grüße, 世界’s"], byte_fallback=True)
    if kind == "words":
        return train_word_tokenizer([LICENSE, *TEXTS[:4], *TEXTS[:4]], vocab_size=2000)
    if kind == "sentencepiece":
        return sentencepiece_tokenizer(tmp_path)
    return train_byte_pair_tokenizer([LICENSE], 400, pre_tokenizer=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kind", [*get_args(PreTokenizer), "characters", "characters in bytes", "words", "sentencepiece"]
)
def test_ids_are_equal_in_llama_cpp_and_in_our_reader(kind: str, tmp_path: Path) -> None:
    tokenizer = made(kind, tmp_path)
    rows = tokenizer.vocab_size + 3  # an embedding with more rows than tokens
    model = network("qwen3", vocab_size=rows, num_layers=1)
    write_gguf(model, tokenizer, tmp_path / "made.gguf", "f16")
    again = LanguageModel.load(tmp_path / "made.gguf").tokenizer
    assert (again.end_id, again.pad_id, again.unknown_id) == (
        tokenizer.end_id,
        tokenizer.pad_id,
        tokenizer.unknown_id,
    )
    expected = {text: ids for text in TEXTS if (ids := expected_ids(tokenizer, text)) is not None}
    assert len(expected) >= (4 if kind == "words" else 6)
    for text, ids in expected.items():
        assert again.encode(text) == ids, text
        assert again.decode(ids) == tokenizer.decode(ids)
    llama_cpp = LlamaCpp(tmp_path / "made.gguf", 24, 1)
    for text, ids in expected.items():
        assert llama_cpp.tokenize(text) == ids, text
    del llama_cpp
    gc.collect()


@pytest.mark.parametrize(
    ("preset", "values", "message"),
    [
        ("classic", {}, "model.preset = 'classic' can't be written as GGUF: llama.cpp has no such layout; train with"),
        ("gpt2", {"activation": "relu"}, "model.activation = 'relu' can't be .* llama.cpp's gpt2 has 'gelu_tanh'"),
        ("llama", {"activation": "geglu"}, "model.activation = 'geglu' can't be .* llama.cpp's llama has 'swiglu'"),
        ("qwen3", {"bias": "attention"}, "model.bias = 'attention' can't be .* llama.cpp's qwen3 has 'none'; export"),
        ("mistral", {"sliding_window": 8}, "model.sliding_window = 8 can't be .* no window shorter than the context"),
        ("qwen2", {"rope_scaling": replace(YARN, beta_fast=8.0)}, "model.rope_scaling = 'yarn' can't .* usual factors"),
    ],
)
def test_a_network_that_llama_cpp_lacks_is_named(
    preset: Preset, values: dict[str, Any], message: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        write_gguf(network(preset, vocab_size=300, **values), tokenizer, tmp_path / "made.gguf")
    assert not list(tmp_path.iterdir())


def with_description(tokenizer: Tokenizer, **changed: object) -> Tokenizer:
    description = {**tokenizer.description(), **changed}
    return Tokenizer(json.dumps(description).encode(), tokenizer.config, {"end": tokenizer.end_id})


def test_a_tokenizer_that_llama_cpp_lacks_is_named(tokenizer: Tokenizer, tmp_path: Path) -> None:
    lowercase = {"type": "Lowercase"}
    characters = train_character_tokenizer(["ab ▁"], byte_fallback=False)
    for wrong, message in (
        (
            with_description(tokenizer, normalizer=lowercase),
            r"it changes characters first \(Lowercase\); export it with",
        ),
        (with_description(tokenizer, pre_tokenizer={"type": "Whitespace"}), "of type BPE and cuts text in a way that"),
        (with_description(characters, normalizer=lowercase), "its characters are changed first, or it has no token"),
        (characters, "it has ' ' and '▁', which are written alike there"),
        (Tokenizer(tokenizer._json, {}, {}), "it has no token that ends a text, and llama.cpp would take another"),
    ):
        with pytest.raises(TokenizerError, match=message):
            write_gguf(network("qwen3", vocab_size=300), wrong, tmp_path / "made.gguf")
    with pytest.raises(SettingError, match=r"export.dtype = 'q5_1': a GGUF file is written as f32, f16, q8_0, q4_0"):
        write_gguf(network("qwen3", vocab_size=300), tokenizer, tmp_path / "made.gguf", "q5_1")  # type: ignore[arg-type]
    large = network("qwen3", vocab_size=300)
    with torch.no_grad():
        large.token_embedding.weight[0, 0] = 1e5
    with pytest.raises(ModelError, match=r"model.embed_tokens.weight holds numbers beyond half precision, 65,504"):
        write_gguf(large, tokenizer, tmp_path / "made.gguf", "f16")
    assert not list(tmp_path.iterdir())


def test_one_tokens_log_probability_is_that_among_all(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Also that of a part of a character, of which llama.cpp tells nothing when it is chosen."""
    write_gguf(network("qwen3", vocab_size=300, num_layers=1), tokenizer, tmp_path / "made.gguf")
    llama_cpp = LlamaCpp(tmp_path / "made.gguf", 24, 1)
    everything = llama_cpp.next_logprobs([1, 2, 3], 300)
    parts = [i for i in range(300) if "\ufffd" in tokenizer.decode([i])]
    for following in (*parts[:3], 5, 40, 299):
        assert llama_cpp.next_logprob([1, 2, 3], following, 300) == pytest.approx(
            float(everything[following]), abs=1e-5
        )
    assert len(parts) > 3
    del llama_cpp
    gc.collect()


def test_a_file_can_be_closed_as_soon_as_it_is_open(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """llama.cpp's server, told to end before its loop runs, would wait for it forever; pytest-timeout would tell."""
    write_gguf(network("qwen3", vocab_size=300, num_layers=1), tokenizer, tmp_path / "made.gguf")
    for _ in range(3):
        LlamaCpp(tmp_path / "made.gguf", 24, 1)
        gc.collect()


def test_a_file_that_llama_cpp_refuses(tmp_path: Path) -> None:
    (tmp_path / "wrong.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"llama.cpp can't open wrong.gguf"):
        LlamaCpp(tmp_path / "wrong.gguf", 24, 1)


def test_the_chat_template_and_the_end_of_a_turn_travel(tmp_path: Path) -> None:
    template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    )
    tokenizer = train_byte_pair_tokenizer([LICENSE], 300).with_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer = tokenizer.with_config({"chat_template": template})
    write_gguf(network("qwen3", vocab_size=tokenizer.vocab_size), tokenizer, tmp_path / "made.gguf", "q8_0", "a name")
    facts = read_gguf(tmp_path / "made.gguf").facts
    assert facts["general.name"] == "a name"
    again = LanguageModel.load(tmp_path / "made.gguf", device="cpu")
    assert again.tokenizer.config["chat_template"] == template
    assert again.tokenizer.end_ids == (tokenizer.end_id, tokenizer.token_id("<|im_end|>"))


@pytest.mark.parametrize(("weight_type", "most"), [("f16", 2e-3), ("q8_0", 1e-2), ("q4_0", 0.4)])
def test_matrices_are_as_near_as_their_type_allows(
    weight_type: GgufType, most: float, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = network("llama", vocab_size=300, d_ff=80)  # rows of 80 are no whole blocks
    write_gguf(model, tokenizer, tmp_path / "made.gguf", weight_type)
    file = read_gguf(tmp_path / "made.gguf")
    state = model_of_tensors(from_hf_config(file.hf_config), file.tensors).state_dict()
    for name, weights in model.state_dict().items():
        if not name.startswith("rotary"):
            scale = weights.abs().max()
            assert (state[name] - weights).abs().max() <= most * scale, name
    if weight_type == "q4_0":
        assert {"Q4_0", "Q8_0", "F16", "F32"} == set(file.kinds)


def test_four_bits_are_read_by_the_package_as_ours_and_lose_less_of_what_matters_than_its_own() -> None:
    random = np.random.default_rng(0)
    matrix, importance = random.standard_normal((24, 96), np.float32), random.exponential(size=96).astype(np.float32)
    kind = GGMLQuantizationType.Q4_0
    back = dequantize(q4_0(matrix, importance), kind)
    np.testing.assert_allclose(back, quantize_matrix(matrix, 4, importance).dequantized(), rtol=1e-3)
    theirs = dequantize(quantize(matrix, kind), kind)
    ours_lost, theirs_lost = (((each - matrix) ** 2 @ importance).sum() for each in (back, theirs))
    assert ours_lost < 0.8 * theirs_lost


def test_special_tokens_around_a_text(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """As Llama's tokenizers begin a text: llama.cpp does so, too, where the file says it."""
    end = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    around = {
        "type": "TemplateProcessing",
        "single": [end, text],
        "pair": [text, text],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}},
    }
    begun = with_description(tokenizer, post_processor=around)
    assert begun.encode("a") == [0, *tokenizer.encode("a")]
    write_gguf(network("qwen3", vocab_size=300), begun, tmp_path / "made.gguf")
    llama_cpp = LlamaCpp(tmp_path / "made.gguf", 24, 1)
    for line in TEXTS:
        assert llama_cpp.tokenize(line) == begun.encode(line)
    del llama_cpp
    gc.collect()
    twice = with_description(tokenizer, post_processor={**around, "single": [end, end, text]})
    with pytest.raises(TokenizerError, match="it puts other special tokens around a text than one that begins it"):
        write_gguf(network("qwen3", vocab_size=300), twice, tmp_path / "other.gguf")
