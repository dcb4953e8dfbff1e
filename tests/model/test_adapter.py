"""Adapters on disk: what comes back, and what is refused, each in one sentence. PEFT itself is in tests/parity/."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from groundup.errors import ModelError
from groundup.model.adapter import base_name_of, load_adapter, save_adapter, weights_sha256
from groundup.model.adapter_config import is_adapter, read_adapter_config
from groundup.model.lora import add_lora, lora_layers
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

IDS = torch.arange(8)[None]
SETTINGS = LoraSettings(rank=3, alpha=5, dropout=0.2, targets=("q_proj", "mlp.down_proj"))
A_OF_Q = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def network(preset: Preset = "llama", seed: int = 0, **values: Any) -> Transformer:
    shape = {"vocab_size": 11, "d_model": 8, "num_layers": 2, "num_heads": 2, "max_seq_len": 8, "d_ff": 12}
    torch.manual_seed(seed)
    return Transformer(preset_config(preset, **(shape | {"initialization": "normal"} | values))).eval()


def adapted(preset: Preset = "llama", settings: LoraSettings = SETTINGS) -> Transformer:
    model = network(preset)
    add_lora(model, settings, seed=0)
    for layer in lora_layers(model).values():
        for parameter in (*layer.lora_a, *layer.lora_b):
            nn.init.normal_(parameter)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_adapter(adapted(), tmp_path, "the/base", weights_sha256(network()), SETTINGS)
    return tmp_path


def change_config(folder: Path, **values: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, folder / "adapter_model.safetensors")


def refused(folder: Path, model: Transformer | None = None) -> str:
    """What is said, and that the network stays as it was."""
    model = model or network()
    with pytest.raises(ModelError) as caught:
        load_adapter(model, folder)
    assert not lora_layers(model)
    assert all(parameter.requires_grad for parameter in model.parameters())
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("preset", "targets"),
    [("llama", ("q_proj", "mlp.down_proj")), ("gpt2", "attention"), ("gpt2", "c_proj"), ("classic", "all-linear")],
)
def test_what_is_saved_comes_back(preset: Preset, targets: Any, tmp_path: Path) -> None:
    settings = LoraSettings(rank=3, alpha=5, dropout=0.2, rank_stabilized=preset == "gpt2", targets=targets)
    model, again = adapted(preset, settings), network(preset)
    save_adapter(model, tmp_path, "here", weights_sha256(again), settings)
    assert (is_adapter(tmp_path), base_name_of(tmp_path)) == (True, "here")
    found = load_adapter(again, tmp_path)
    assert (found.rank, found.alpha, found.dropout, found.rank_stabilized) == (3, 5, 0.2, preset == "gpt2")
    with torch.no_grad():
        assert torch.equal(again(IDS), model(IDS))
    written = (tmp_path / "adapter_model.safetensors").read_bytes()
    save_adapter(again, tmp_path, "here", weights_sha256(again), found)  # over adapters that are there
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == written
    load_adapter(again, tmp_path)
    assert all(layer.dropout.share == 0.2 for layer in lora_layers(again).values())


@pytest.mark.parametrize(
    ("preset", "targets", "written"),
    [
        ("llama", "attention", ["k_proj", "o_proj", "q_proj", "v_proj"]),
        ("gpt2", "attention", ["c_attn", "attn.c_proj"]),
        ("gpt2", "all-linear", ["c_attn", "c_proj", "c_fc"]),
        ("gpt2", ("h.1.attn.c_attn",), ["transformer.h.1.attn.c_attn"]),
    ],
)
def test_targets_are_written_as_briefly_as_they_are_clear(
    preset: Preset, targets: Any, written: list[str], tmp_path: Path
) -> None:
    settings = LoraSettings(targets=targets)
    save_adapter(adapted(preset, settings), tmp_path, "", "", settings)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == written
    assert config["fan_in_fan_out"] == (preset == "gpt2")


def test_the_hash_is_of_the_weights_alone() -> None:
    assert weights_sha256(network()) == weights_sha256(adapted()) != weights_sha256(network(seed=1))
    tied = network(tie_embeddings=True)
    changed = network(tie_embeddings=True)
    changed.output_projection.weight.data[0, 0] += 1e-3
    assert weights_sha256(tied) != weights_sha256(changed)


def test_an_adapter_of_another_base_is_refused_by_its_hash(folder: Path) -> None:
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as opened:
        assert opened.metadata()["base_sha256"] == weights_sha256(network())
    message = refused(folder, network(seed=1))
    assert "trained beside other weights" in message
    assert "'the/base'" in message
    with pytest.raises(ModelError, match="other weights"):
        load_adapter(network(), folder, "0" * 64)


def test_and_without_a_hash_by_its_names_and_shapes(folder: Path) -> None:
    change_tensors(folder, lambda tensors: None)  # as others write it: without
    load_adapter(network(seed=1), folder)
    message = refused(folder, network(d_model=16))
    assert "mlp.down_proj.lora_B.weight has shape (8, 3), but rank 3 and these weights ask for (16, 3)" in message
    assert "model.layers.1.mlp.down_proj is no matrix that this network" in refused(folder, network(num_layers=1))
    assert "attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj" in refused(folder, network("gpt2"))


def test_damaged_files_are_named(folder: Path) -> None:
    weights = folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for cut in (0, 5, 100, len(whole) - 1):
        weights.write_bytes(whole[:cut])
        assert "adapter_model.safetensors is damaged or cut short" in refused(folder)
    weights.unlink()
    assert "holds no adapter_model.safetensors" in refused(folder)
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04")
    assert "pickle only (adapter_model.bin)" in refused(folder)
    (folder / "adapter_config.json").write_text("{")
    assert "is not JSON" in refused(folder)
    (folder / "adapter_config.json").unlink()
    assert "holds no adapter_config.json" in refused(folder)


def test_damaged_tensors_are_named(folder: Path) -> None:
    whole = load_file(folder / "adapter_model.safetensors")

    def with_change(change: Callable[[dict[str, torch.Tensor]], object]) -> str:
        save_file(whole, folder / "adapter_model.safetensors")
        change_tensors(folder, change)
        return refused(folder)

    assert f"{A_OF_Q} is missing" in with_change(lambda tensors: tensors.pop(A_OF_Q))
    b_of_q = A_OF_Q.replace("_A", "_B")
    both_gone = with_change(lambda tensors: (tensors.pop(A_OF_Q), tensors.pop(b_of_q)))
    assert f"{A_OF_Q} is missing" in both_gone
    for value in (float("nan"), float("inf")):
        assert f"{A_OF_Q} holds NaN" in with_change(lambda tensors, value=value: tensors[A_OF_Q][0].fill_(value))  # type: ignore[misc]
    assert f"{A_OF_Q} holds NaN, Inf or no numbers" in with_change(
        lambda tensors: tensors.update({A_OF_Q: tensors[A_OF_Q].int()})
    )
    assert "lora_magnitude_vector is no A or B" in with_change(
        lambda tensors: tensors.update({A_OF_Q.replace("lora_A.weight", "lora_magnitude_vector"): torch.ones(8)})
    )
    change_config(folder, target_modules=".*")
    assert "it holds no tensor" in with_change(lambda tensors: tensors.clear())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"peft_type": "IA3"}, "peft_type = 'IA3' is not supported; supported: 'LORA'"),
        ({"task_type": "SEQ_CLS"}, "task_type = 'SEQ_CLS'"),
        ({"bias": "all"}, "bias = 'all' is not supported; supported: 'none'"),
        ({"use_dora": True}, "use_dora = True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save = "),
        ({"trainable_token_indices": [3]}, "trainable_token_indices"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"a_key_of_the_future": {"x": 1}}, "a_key_of_the_future"),
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights = 'pissa_niter_4'"),
        ({"r": 4}, "but rank 4 and these weights ask for (4, 12)"),
        ({"r": 0}, "r = 0 is not supported; this should be a whole number"),
        ({"r": "3"}, "r = '3'"),
        ({"r": True}, "r = True"),
        ({"lora_alpha": None}, "lora_alpha = None"),
        ({"lora_alpha": float("nan")}, "lora_alpha = nan"),
        ({"lora_alpha": 0}, "lora_alpha = 0.0 is not supported; this should be a number above 0"),
        ({"alpha_pattern": {"q_proj": -1}}, "q_proj = -1.0"),
        ({"lora_dropout": 1.5}, "lora_dropout = 1.5 is not supported; this should be a share"),
        ({"use_rslora": 1}, "use_rslora = 1"),
        ({"target_modules": [1]}, "target_modules = [1]"),
        ({"rank_pattern": {"q_proj": 2}}, "but rank 2 and these weights ask for (2, 8)"),
        ({"rank_pattern": {"q_proj": 0}}, "q_proj = 0"),
        ({"rank_pattern": {"(q|k)_proj": 2}}, "rank_pattern = {'(q|k)_proj': 2} is not supported; supported: names"),
        ({"alpha_pattern": ["q_proj"]}, "alpha_pattern = ['q_proj']"),
        ({"base_model_name_or_path": 7}, "base_model_name_or_path = 7"),
        ({"target_modules": ["q_proj", "down_proj", "v_proj"]}, "v_proj.lora_A.weight is missing"),
    ],
)
def test_configs_that_we_cannot_follow_are_refused_by_name(folder: Path, values: dict[str, Any], named: str) -> None:
    change_config(folder, **values)
    message = refused(folder)
    assert named in message
    assert str(folder) in message


def test_a_key_that_is_missing_is_named(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert "r is missing" in refused(folder)


def test_what_differs_for_some_matrices_is_honoured(tmp_path: Path) -> None:
    """Names as PEFT matches them, whole or from a dot on; the first that fits decides."""
    config = read_adapter_config(
        {
            "peft_type": "LORA",
            "r": 8,
            "lora_alpha": 16,
            "rank_pattern": {"layers.0.self_attn.q_proj": 2, "q_proj": 3},
            "alpha_pattern": {"^model.layers.1.mlp.up_proj": 5, "oj": 1},
        }
    )
    names = ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.1.mlp.up_proj"]
    assert [config.rank_of(name) for name in names] == [2, 3, 8]
    assert [config.alpha_of(name) for name in names] == [16, 16, 5]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["r", "lora_alpha", "lora_dropout", "target_modules", "rank_pattern", "alpha_pattern", "bias", "task_type"]


@given(st.dictionaries(st.sampled_from([*KEYS, "init_lora_weights", "base_model_name_or_path", "new"]), JSON))
def test_no_config_does_worse_than_a_model_error(values: dict[str, Any]) -> None:
    try:
        config = read_adapter_config({"peft_type": "LORA", "r": 4, "lora_alpha": 8, **values})
    except ModelError:
        return
    LoraSettings(config.rank, config.alpha, config.dropout, config.rank_stabilized)
