"""The quick pass over one token a row against the network itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from groundup.generation.next_token import LARGE, NextToken, _norm, _product
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import KVCache, RMSNorm, Transformer

V, CONTEXT = 13, 12


def random_model(preset: Preset, fields: dict[str, Any]) -> Transformer:
    shape: dict[str, Any] = {"vocab_size": V, "d_model": 16, "num_layers": 3, "num_heads": 4, "max_seq_len": CONTEXT}
    model = Transformer(preset_config(preset, **{**shape, **fields}))
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = 0.4 * noise if parameter.ndim > 1 else parameter.data + 0.2 * noise
    return model.eval()


@pytest.mark.parametrize("lengths", [(4, 4), (0, 7, 3), (11, 2), (11,)])
@pytest.mark.parametrize(
    ("preset", "fields"),
    [
        ("classic", {"num_kv_heads": 2}),
        ("gpt2", {}),
        ("llama", {"num_kv_heads": 1, "head_dim": 6}),
        ("mistral", {"num_kv_heads": 2, "sliding_window": 3}),
        ("qwen2", {"num_kv_heads": 2, "sliding_window": 3, "first_windowed_layer": 1}),
        ("qwen3", {"num_kv_heads": 2, "activation": "geglu_tanh"}),
    ],
)
@torch.inference_mode()
def test_it_gives_the_networks_logits_and_fills_the_cache_as_it_does(
    preset: Preset, fields: dict[str, Any], lengths: tuple[int, ...]
) -> None:
    model = random_model(preset, fields if preset != "qwen3" else {"num_kv_heads": 2})
    caches = []
    for _ in range(2):
        cache = KVCache(model.config, len(lengths), CONTEXT, "cpu")
        torch.manual_seed(1)
        cache.keys.normal_()
        cache.values.normal_()
        cache.lengths = list(lengths)
        caches.append(cache)
    ids = torch.arange(len(lengths)) % V
    expected = model(ids[:, None], cache=caches[0])[:, -1]
    found = NextToken(model)(ids, caches[1])
    assert (found - expected).abs().max() < 1e-5
    assert caches[1].lengths == caches[0].lengths == [length + 1 for length in lengths]
    assert (caches[1].keys - caches[0].keys).abs().max() < 1e-5
    assert (caches[1].values - caches[0].values).abs().max() < 1e-5


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 16])
@pytest.mark.parametrize("bias", [True, False])
def test_the_product_for_large_matrices_is_the_product(rows: int, bias: bool) -> None:
    layer, x = nn.Linear(512, LARGE // 512, bias=bias), torch.randn(rows, 512)
    assert (_product(layer)(x) - F.linear(x, layer.weight, layer.bias)).abs().max() < 1e-5


@torch.inference_mode()
def test_the_norm_is_the_norm() -> None:
    for module in (nn.LayerNorm(24), RMSNorm(24, eps=1e-3)):
        nn.init.normal_(module.weight)
        for x in (torch.randn(5, 24), torch.randn(2, 3, 24) * 1e3, torch.zeros(1, 24)):
            assert torch.allclose(_norm(module)(x), module(x), rtol=1e-5, atol=1e-6)


def test_it_leaves_other_number_formats_to_the_network() -> None:
    model = random_model("gpt2", {})
    assert NextToken.can_read(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert not NextToken.can_read(model)
    assert not NextToken.can_read(model.bfloat16())
