"""Counts against the real thing: the parameters of a built network, and PyTorch's own counter of operations."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from groundup.model.counts import forward_flops, parameter_counts, training_flops
from groundup.model.families import parameter_shapes
from groundup.model.lora import add_lora, parameter_split
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import PRESET_LIMITS, PRESETS, Preset, TransformerConfig, preset_config
from groundup.model.transformer import Transformer


@st.composite
def configs(draw: st.DrawFn) -> TransformerConfig:
    """Any small network that a preset allows."""
    preset: Preset = draw(st.sampled_from(["classic", "gpt2", "llama", "qwen3"]))
    num_heads = draw(st.sampled_from([1, 2, 4]))
    values: dict[str, object] = {
        "vocab_size": draw(st.integers(2, 40)),
        "d_model": num_heads * draw(st.sampled_from([2, 4, 6])),
        "num_heads": num_heads,
        "num_layers": draw(st.integers(1, 3)),
        "max_seq_len": draw(st.integers(4, 9)),
        "d_ff": draw(st.integers(0, 20)),
        "tie_embeddings": draw(st.booleans()),
        "dropout": 0.0,
    }
    values |= {name: draw(st.sampled_from(allowed)) for name, allowed in PRESET_LIMITS[preset].items()}
    if preset == "classic":
        values["bias"] = draw(st.sampled_from(["none", "qkv", "attention", "mlp", "all"]))
        values["norm"] = draw(st.sampled_from(["layernorm", "rmsnorm"]))
        values["activation"] = draw(st.sampled_from(["relu", "swiglu"]))
        values["qk_norm"] = draw(st.booleans())
    if preset != "gpt2":
        values["num_kv_heads"] = draw(st.sampled_from([kv for kv in (1, 2, 4) if num_heads % kv == 0]))
        values["head_dim"] = draw(st.sampled_from([0, 8]))
    return preset_config(preset, **values)


@settings(max_examples=60, deadline=None)
@given(configs())
def test_parameter_counts_are_those_of_the_built_network(config: TransformerConfig) -> None:
    shapes = {name: tuple(parameter.shape) for name, parameter in Transformer(config).named_parameters()}
    assert parameter_shapes(config) == shapes
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    counts = parameter_counts(config)
    assert counts["total"] == sum(sizes.values())
    assert counts["token_embedding"] == sizes["token_embedding.weight"]
    assert counts["position_embedding"] == sizes.get("position_embedding.weight", 0)
    assert counts["attention"] == sum(size for name, size in sizes.items() if ".attention." in name)
    assert counts["feed_forward"] == sum(size for name, size in sizes.items() if ".feed_forward." in name)
    block_norms = (".attention_norm.", ".feed_forward_norm.")
    norms = {name for name in sizes if name.startswith("final_norm.") or any(part in name for part in block_norms)}
    assert counts["norms"] == sum(sizes[name] for name in norms)
    assert counts["output_projection"] == sum(
        size for name, size in sizes.items() if name.startswith("output_projection")
    )


@settings(max_examples=20, deadline=None)
@given(configs(), st.integers(1, 3), st.integers(2, 4))
def test_forward_flops_are_those_that_pytorch_counts(config: TransformerConfig, rows: int, length: int) -> None:
    ids = torch.zeros(rows, length, dtype=torch.long)
    model = Transformer(config)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        logits = model(ids)
    assert forward_flops(config, ids.numel(), length) == counter.get_total_flops()
    with counter, sdpa_kernel(SDPBackend.MATH):  # starts a new count
        logits.sum().backward()
    assert (
        training_flops(config, ids.numel(), length)
        == forward_flops(config, ids.numel(), length) + counter.get_total_flops()
    )


def test_flops_of_frozen_weights_are_those_that_pytorch_counts() -> None:
    """With nothing but position embeddings to learn, gradients pass through every matrix, and none is a weight's."""
    config = preset_config("gpt2", vocab_size=10, d_model=8, num_heads=2, num_layers=2, max_seq_len=6)
    model = Transformer(config).requires_grad_(False)
    assert model.position_embedding is not None
    model.position_embedding.requires_grad_(True)
    ids = torch.zeros(3, 5, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model.logits(model.hidden_states(ids)[:, -2:]).sum().backward()  # type: ignore[no-untyped-call]
    assert training_flops(config, 15, 5, num_predicted=6, adapter_parameters=0) == counter.get_total_flops()
    assert training_flops(config, 15, 5, 6, adapter_parameters=7) == counter.get_total_flops() + 6 * 15 * 7


def product_flops(added: torch.Size, one: torch.Size, other: torch.Size, **rest: object) -> int:
    return 2 * one[0] * one[1] * other[1]


@pytest.mark.parametrize(
    ("preset", "targets"), [("gpt2", ("c_attn",)), ("llama", "all-linear"), ("qwen3", ("q_proj", "v_proj"))]
)
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_flops_with_adapters_are_those_that_pytorch_counts_but_for_the_first_layers_input(
    preset: Preset, targets: str | tuple[str, ...], dropout: float
) -> None:
    config = preset_config(preset, vocab_size=10, d_model=16, num_heads=4, num_layers=3, max_seq_len=6)
    model = Transformer(config).train()
    add_lora(model, LoraSettings(rank=4, targets=targets, dropout=dropout), seed=0)
    first = model.blocks[0].attention.qkv  # type: ignore[union-attr]
    unneeded = first.weight.numel() + sum(a.numel() for a in first.lora_a)  # type: ignore[union-attr, operator]
    ids = torch.zeros(3, 5, dtype=torch.long)
    in_place = {torch.ops.aten.addmm_: product_flops}  # which the counter doesn't know by itself
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter, sdpa_kernel(SDPBackend.MATH):
        model.logits(model.hidden_states(ids)[:, -2:]).sum().backward()  # type: ignore[no-untyped-call]
    trained, _ = parameter_split(model)
    assert training_flops(config, 15, 5, 6, trained) == counter.get_total_flops() + 2 * 15 * unneeded


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_worked_example(preset: Preset) -> None:
    """Counted by hand: vocabulary 10, width 4, one head, one layer, inner width 8, context 6."""
    config = preset_config(preset, vocab_size=10, d_model=4, num_heads=1, num_layers=1, d_ff=8, max_seq_len=6)
    by_hand = {
        # embeddings + attention (four 4×4) + feed-forward + norms + projection
        "classic": (40 + 24) + (64 + 16) + (64 + 12) + 3 * 8 + (40 + 10),
        "gpt2": (40 + 24) + (64 + 16) + (64 + 12) + 3 * 8,
        "llama": 40 + 64 + 96 + 3 * 4,
        "mistral": 40 + 64 + 96 + 3 * 4,
        "qwen2": 40 + (64 + 12) + 96 + 3 * 4,
        "qwen3": 40 + (64 + 8) + 96 + 3 * 4,
    }
    assert parameter_counts(config)["total"] == by_hand[preset]
