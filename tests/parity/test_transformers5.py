"""Our network against the classes of transformers 5: every combination that each family can express, both ways."""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from groundup.model.directory import load_model, read_config, save_model
from groundup.model.families import from_hf_config, from_hf_tensors, to_hf_config, to_hf_tensors
from groundup.model.rope_settings import RopeScaling
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

BOUND = 1e-4  # of the largest difference between two logits
FAMILY_NAMES: list[Preset] = ["gpt2", "llama", "mistral", "qwen2", "qwen3"]
EVERY_FAMILY = pytest.mark.parametrize("preset", FAMILY_NAMES)
IDS = torch.randint(31, (2, 12), generator=torch.Generator().manual_seed(0))
END, PAD = 1, 0

OURS_LIKE_LLAMA: dict[str, list[Any]] = {
    "activation": ["reglu", "geglu", "geglu_tanh", "swiglu"],
    "tie_embeddings": [True, False],
    "num_kv_heads": [1, 2, 4],
    "head_dim": [0, 10],
}
# Every choice that a family leaves open, in our terms and in theirs; the two columns belong together.
OURS: dict[Preset, dict[str, list[Any]]] = {
    "gpt2": {
        "activation": ["relu", "gelu", "gelu_tanh", "silu"],
        "tie_embeddings": [True, False],
        "d_ff": [0, 20],
        "norm_eps": [1e-5, 0.1],
    },
    "llama": OURS_LIKE_LLAMA | {"bias": ["none", "attention", "mlp", "all"]},
    "mistral": OURS_LIKE_LLAMA,
    "qwen2": OURS_LIKE_LLAMA,
    "qwen3": OURS_LIKE_LLAMA | {"bias": ["none", "attention"]},
}
# Rotations and windows take turns among those combinations: 7 and 5 of them, numbers that no product above divides, so that
# each meets each choice.
ROTATIONS = [
    RopeScaling(),
    RopeScaling("linear", factor=2.5),
    RopeScaling("llama3", factor=8.0, original_max_seq_len=16, low_freq_factor=1.0, high_freq_factor=4.0),
    RopeScaling("llama3", factor=3.0, original_max_seq_len=20, low_freq_factor=0.5, high_freq_factor=1.5),
    RopeScaling("yarn", factor=4.0, original_max_seq_len=6),
    RopeScaling("yarn", factor=1.5, original_max_seq_len=16, attention_factor=1.25, truncate=False),
    RopeScaling("yarn", factor=2.0, original_max_seq_len=12, beta_fast=2.0, beta_slow=0.5),
]
WINDOWS = [(0, 0), (5, 0), (5, 1), (1, 1), (11, 0)]  # the window, the first layer that has it
LLAMA_CHOICES: dict[str, list[Any]] = {
    "hidden_act": ["relu", "gelu", "gelu_pytorch_tanh", "silu"],
    "tie_word_embeddings": [True, False],
    "num_key_value_heads": [1, 2, 4],
    "head_dim": [4, 10],
    "attention_bias": [False, True],
}
QWEN_WINDOWS: dict[str, list[Any]] = {
    "use_sliding_window": [True, False],
    "sliding_window": [5, None],
    "max_window_layers": [0, 1, 9],
}
THEIRS: dict[Preset, dict[str, list[Any]]] = {
    "gpt2": {
        "activation_function": ["relu", "gelu", "gelu_new", "gelu_fast", "silu"],
        "tie_word_embeddings": [True, False],
        "n_inner": [None, 20],
        "layer_norm_epsilon": [1e-5, 0.1],
        "reorder_and_upcast_attn": [False, True],
    },
    "llama": LLAMA_CHOICES | {"mlp_bias": [False, True]},
    "mistral": LLAMA_CHOICES | {"attention_bias": [False], "sliding_window": [None, 1, 5, 30]},
    "qwen2": LLAMA_CHOICES | {"attention_bias": [False]} | QWEN_WINDOWS,
    "qwen3": LLAMA_CHOICES | QWEN_WINDOWS,
}
THEIR_ROTATIONS: list[dict[str, Any]] = [
    {"rope_type": "default"},
    {"rope_type": "linear", "factor": 2.5},
    {
        "rope_type": "llama3",
        "factor": 8,
        "original_max_position_embeddings": 16,
        "low_freq_factor": 1,
        "high_freq_factor": 4,
    },
    {"rope_type": "yarn", "factor": 4.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 6, "mscale": 0.7, "mscale_all_dim": 0.3},
]


def combinations(choices: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def randomized(model: torch.nn.Module) -> Any:
    """Every weight drawn at random, norms and biases too, so that none of them can be forgotten unseen."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if parameter.ndim == 1 and name.endswith("weight") else 0.0, std=0.3)
    return model.eval()


def our_model(preset: Preset, **values: object) -> Transformer:
    shape: dict[str, object] = {"vocab_size": 31, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 24}
    if preset != "gpt2":
        shape |= {"rope_theta": 500.0}
    model: Transformer = randomized(Transformer(preset_config(preset, **(shape | values))))
    return model


def their_model(preset: Preset, **values: object) -> Any:
    if preset == "gpt2":
        shape: dict[str, object] = {"vocab_size": 31, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 24}
    else:
        shape = {"vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
        shape |= {"intermediate_size": 20, "max_position_embeddings": 24, "rms_norm_eps": 0.01}
        shape |= {"rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}}
    ids = {"bos_token_id": END, "eos_token_id": END, "pad_token_id": PAD}
    config = AutoConfig.for_model(preset, **(shape | ids | values))
    return randomized(AutoModelForCausalLM.from_config(config, attn_implementation="sdpa"))


def largest_difference(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return (found - expected).abs().max().item()


@pytest.fixture(autouse=True)
def quiet_and_offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.enable_propagation()
    torch.manual_seed(0)
    yield
    transformers.utils.logging.disable_propagation()


def opened_by_them(directory: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """What transformers makes of a directory, which must be all of it, without a warning and without remote code."""
    with caplog.at_level(logging.WARNING):
        model, info = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
    assert not any(info.values()), info  # no missing, unexpected, mismatched keys, no errors
    assert caplog.messages == []
    return model.eval()


def test_this_is_transformers_5() -> None:
    assert transformers.__version__.startswith("5.")


@EVERY_FAMILY
def test_every_network_of_ours_in_their_class(preset: Preset) -> None:
    for number, values in enumerate(combinations(OURS[preset])):
        if preset != "gpt2":
            values["rope_scaling"] = ROTATIONS[number % 7]
        if preset in ("mistral", "qwen2", "qwen3"):
            window, first = WINDOWS[number % 5]
            values |= {"sliding_window": window, "first_windowed_layer": 0 if preset == "mistral" else first}
        ours = our_model(preset, **values)
        theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**to_hf_config(ours.config, END, PAD))).eval()
        found = theirs.load_state_dict(to_hf_tensors(ours.config, ours.state_dict()), strict=False)
        assert found.unexpected_keys == []
        assert found.missing_keys == (["lm_head.weight"] if ours.config.tie_embeddings else []), values
        with torch.no_grad():
            assert largest_difference(theirs(IDS).logits, ours(IDS)) <= BOUND, values


@EVERY_FAMILY
def test_networks_of_theirs_in_ours_and_back(preset: Preset) -> None:
    """A sample of all combinations, described in their terms alone; each comes back byte for byte."""
    for number, values in enumerate(random.Random(0).sample(combinations(THEIRS[preset]), k=25)):
        if preset != "gpt2":
            values["rope_parameters"] = {"rope_theta": 500.0, **THEIR_ROTATIONS[number % 5]}
        theirs = their_model(preset, **values)
        config = from_hf_config(theirs.config.to_dict())
        ours = Transformer(config).eval()
        ours.load_state_dict(from_hf_tensors(config, theirs.state_dict()))
        with torch.no_grad():
            assert largest_difference(ours(IDS), theirs(IDS).logits) <= BOUND, values
        stored = theirs.state_dict()
        if config.tie_embeddings:
            del stored["lm_head.weight"]
        back = to_hf_tensors(config, ours.state_dict())
        assert back.keys() == stored.keys()
        assert all(torch.equal(back[name], tensor) for name, tensor in stored.items()), values


SAMPLE: list[tuple[Preset, dict[str, Any]]] = [
    ("gpt2", {}),
    ("gpt2", {"tie_embeddings": False, "activation": "relu", "d_ff": 20, "norm_eps": 0.1, "dropout": 0.1}),
    ("llama", {}),
    ("llama", {"tie_embeddings": False, "bias": "all", "num_kv_heads": 2, "head_dim": 10, "rope_theta": 1e6}),
    ("llama", {"rope_scaling": ROTATIONS[2]}),
    ("mistral", {"sliding_window": 4, "num_kv_heads": 2, "rope_scaling": ROTATIONS[4]}),
    ("qwen2", {"sliding_window": 6, "first_windowed_layer": 1, "tie_embeddings": False, "rope_scaling": ROTATIONS[5]}),
    ("qwen3", {}),
    ("qwen3", {"sliding_window": 3, "rope_scaling": ROTATIONS[1]}),
    ("qwen3", {"tie_embeddings": False, "bias": "attention", "num_kv_heads": 1, "activation": "geglu", "dropout": 0.1}),
    ("qwen3", {"num_heads": 5, "head_dim": 6}),  # heads that don't divide the width
]


@pytest.mark.parametrize(("preset", "values"), SAMPLE)
def test_our_directory_opens_in_theirs_and_theirs_in_ours(
    preset: Preset, values: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = our_model(preset, **values)
    save_model(ours, tmp_path / "ours", END, PAD)
    theirs = opened_by_them(tmp_path / "ours", caplog)
    assert (theirs.config.eos_token_id, theirs.config.pad_token_id) == (END, PAD)
    with torch.no_grad():
        logits = ours(IDS)
        assert largest_difference(theirs(IDS).logits, logits) <= BOUND

    theirs.save_pretrained(tmp_path / "theirs")
    loaded = load_model(tmp_path / "theirs")
    with torch.no_grad():
        assert largest_difference(loaded(IDS), logits) <= BOUND
    save_model(loaded, tmp_path / "again", END, PAD)
    assert read_config(tmp_path / "again") == read_config(tmp_path / "theirs")
    files = [load_file(tmp_path / folder / "model.safetensors") for folder in ("ours", "theirs", "again")]
    assert files[0].keys() == files[1].keys() == files[2].keys()
    for name in files[0]:
        assert torch.equal(files[0][name], files[1][name])
        assert torch.equal(files[0][name], files[2][name])


@pytest.mark.parametrize(("preset", "values"), SAMPLE)
def test_the_greedy_continuation_is_the_same(
    preset: Preset, values: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = our_model(preset, **values)
    save_model(ours, tmp_path, end_id=None, pad_id=PAD)
    theirs = opened_by_them(tmp_path, caplog)
    prompt = IDS[:1, :5]
    found = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False)
    expected = prompt
    with torch.no_grad():
        while expected.shape[1] < 17:
            expected = torch.cat((expected, ours(expected)[:, -1].argmax(-1, keepdim=True)), dim=1)
    assert found.tolist() == expected.tolist()


@EVERY_FAMILY
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_read_alike(preset: Preset, side: str) -> None:
    ours = our_model(preset)
    theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**to_hf_config(ours.config, END, PAD))).eval()
    theirs.load_state_dict(to_hf_tensors(ours.config, ours.state_dict()), strict=False)
    mask = torch.ones_like(IDS)
    mask[0, slice(0, 4) if side == "left" else slice(8, 12)] = 0
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)  # as their own `generate` gives them
    with torch.no_grad():
        expected = theirs(IDS, attention_mask=mask, position_ids=positions).logits
        found = ours(IDS, attention_mask=mask)
    assert largest_difference(found[mask == 1], expected[mask == 1]) <= BOUND


@EVERY_FAMILY
def test_the_defaults_of_absent_keys_are_theirs(preset: Preset) -> None:
    """A config that names its sizes only means to us what it means to their class."""
    sizes = {"vocab_size", "n_embd", "n_layer", "n_head", "n_positions"}
    sizes |= {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings"}
    complete = AutoConfig.for_model(preset, num_attention_heads=64, hidden_size=8192).to_dict()
    bare = {key: value for key, value in complete.items() if key in sizes | {"model_type"}}
    assert from_hf_config(bare) == from_hf_config(complete)


def test_half_precision_and_shards_of_theirs_open(tmp_path: Path) -> None:
    theirs = their_model("llama").bfloat16()
    theirs.save_pretrained(tmp_path, max_shard_size="2KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    ours, again = load_model(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        assert largest_difference(ours(IDS), again(IDS).logits) <= BOUND


def test_a_classic_directory_is_no_stock_model(tmp_path: Path) -> None:
    save_model(our_model("classic", rope_theta=500.0), tmp_path)
    with pytest.raises(ValueError, match="groundup-classic"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    assert "opens in groundup only" in json.loads((tmp_path / "config.json").read_text())["note"]
