"""Low-rank adaptation against its formula: what is adapted, what is trained, what is drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from groundup.errors import SettingError
from groundup.model.lora import LoraLinear, add_lora, lora_layers, merged_state, parameter_split, remove_lora, targeted
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

IDS = torch.randint(31, (2, 8), generator=torch.Generator().manual_seed(0))


def network(preset: Preset = "llama", **values: Any) -> Transformer:
    shape = {"vocab_size": 31, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 16}
    torch.manual_seed(0)
    return Transformer(preset_config(preset, **(shape | {"initialization": "normal"} | values)))


def drawn(model: Transformer) -> Transformer:
    for layer in lora_layers(model).values():
        for parameter in (*layer.lora_a, *layer.lora_b):
            nn.init.normal_(parameter, std=0.3)
    return model


def layer_of(model: Transformer, name: str) -> LoraLinear:
    layer = model.get_submodule(name)
    assert isinstance(layer, LoraLinear)
    return layer


@pytest.mark.parametrize(
    ("preset", "targets", "expected"),
    [
        ("llama", "attention", "q_proj k_proj v_proj o_proj"),
        ("llama", "all-linear", "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj"),
        ("qwen3", "v_proj", "v_proj"),
        ("qwen2", ("mlp.up_proj", "self_attn.q_proj"), "q_proj up_proj"),
        ("gpt2", "attention", "c_attn c_proj"),
        ("gpt2", ("c_proj",), "c_proj c_proj"),
        ("gpt2", ("mlp.c_proj",), "c_proj"),
        ("gpt2", "all-linear", "c_attn c_proj c_fc c_proj"),
        ("classic", "attention", "qkv output"),
        ("classic", ("feed_forward.output",), "output"),
    ],
)
def test_targets_mean_these_matrices_in_each_layer(preset: Preset, targets: Any, expected: str) -> None:
    names = targeted(network(preset).config, targets)
    assert [name.rpartition(".")[2] for name in names] == expected.split() * 2


def test_a_full_name_means_one_matrix() -> None:
    assert targeted(network().config, ["layers.1.mlp.up_proj"]) == ["model.layers.1.mlp.up_proj"]


@pytest.mark.parametrize(
    ("preset", "target", "known"),
    [
        ("llama", "c_attn", "self_attn.q_proj, self_attn.k_proj, self_attn.v_proj, self_attn.o_proj, mlp.gate_proj"),
        ("gpt2", "q_proj", "attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj"),
        ("llama", "lm_head", "self_attn.q_proj"),
        ("llama", "proj", "self_attn.q_proj"),
        ("classic", "c_attn", "attention.qkv, attention.output, feed_forward.input, feed_forward.output"),
    ],
)
def test_an_unknown_target_is_answered_with_those_there_are(preset: Preset, target: str, known: str) -> None:
    with pytest.raises(SettingError, match=known) as caught:
        add_lora(network(preset), LoraSettings(targets=(target,)), 0)
    assert caught.value.name == "training.lora.targets"
    assert caught.value.value == target


def test_nothing_changes_until_a_step_is_taken_and_only_narrow_matrices_are_trained() -> None:
    model = network(num_kv_heads=2)
    before = model(IDS)
    whole = sum(parameter.numel() for parameter in model.parameters())
    add_lora(model, LoraSettings(rank=3, targets=("q_proj", "v_proj")), seed=0)
    torch.testing.assert_close(model(IDS), before, rtol=0, atol=0)
    assert {name.rpartition("lora_")[2] for name, p in model.named_parameters() if p.requires_grad} == {
        "a.0",
        "a.1",
        "b.0",
        "b.1",
    }
    narrow = 2 * (3 * (16 + 16) + 3 * (16 + 8))  # layers: q of 4 heads, v of 2
    assert parameter_split(model) == (narrow, whole + narrow)


@pytest.mark.parametrize("rank_stabilized", [False, True])
def test_it_is_the_formula_on_its_rows(rank_stabilized: bool) -> None:
    """W x + α/r B A x, or α/√r, on the rows of the query and the value; the key's are left alone."""
    model = network(num_kv_heads=2)
    settings = LoraSettings(rank=4, alpha=6, dropout=0.0, rank_stabilized=rank_stabilized, targets=("q_proj", "v_proj"))
    add_lora(model, settings, seed=0)
    layer, x = layer_of(drawn(model), "blocks.0.attention.qkv"), torch.randn(5, 16)
    scale = 6 / 2 if rank_stabilized else 6 / 4
    added = [scale * x @ a.t() @ b.t() for a, b in zip(layer.lora_a, layer.lora_b, strict=True)]
    expected = x @ layer.weight.t() + torch.cat((added[0], torch.zeros(5, 8), added[1]), dim=1)
    torch.testing.assert_close(layer(x), expected)


def test_what_is_drawn_follows_from_the_seed() -> None:
    states = []
    for seed in (1, 1, 2):
        model = network()
        torch.manual_seed(seed + 5)  # has no say
        add_lora(model, LoraSettings(), seed)
        states.append([parameter for name, parameter in model.named_parameters() if ".lora_a." in name])
    assert all(torch.equal(a, b) for a, b in zip(states[0], states[1], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(states[0], states[2], strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_gradients_are_those_of_differences(dropout: float) -> None:
    """`gradcheck` in fp64: numerical differences of the layer, with one fixed choice of what is zeroed."""
    model = network("gpt2", bias="all")
    add_lora(model, LoraSettings(rank=2, targets=("c_attn",), dropout=dropout), seed=0)
    layer = layer_of(drawn(model), "blocks.0.attention.qkv").double()
    generator = torch.Generator()
    layer.dropout.generator = generator

    def product(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        generator.manual_seed(0)
        layer.lora_a[0].data, layer.lora_b[0].data = a, b
        return torch.func.functional_call(layer, {"lora_a.0": a, "lora_b.0": b}, x)  # type: ignore[no-any-return]

    inputs = [torch.randn(2, 3, 16), layer.lora_a[0].detach(), layer.lora_b[0].detach()]
    assert torch.autograd.gradcheck(product, [tensor.double().requires_grad_() for tensor in inputs])


def test_dropout_zeroes_the_share_and_keeps_the_mean() -> None:
    model = network()
    add_lora(model, LoraSettings(rank=1, alpha=1, dropout=0.25, targets=("o_proj",)), seed=0)
    layer = layer_of(model, "blocks.0.attention.output")
    nn.init.ones_(layer.lora_a[0])
    nn.init.ones_(layer.lora_b[0])
    nn.init.zeros_(layer.weight)
    x = torch.ones(20_000, 16)
    for generator in (None, torch.Generator().manual_seed(0)):
        layer.dropout.generator = generator
        sums = layer.train()(x)[:, 0].detach()
        assert float(sums.mean()) == pytest.approx(16, rel=0.01)
        assert float(sums.var()) == pytest.approx(16 * 0.25 / 0.75, rel=0.05)
    torch.testing.assert_close(layer.eval()(x)[:, 0], torch.full((20_000,), 16.0))


def test_no_gradient_goes_below_the_first_adapter() -> None:
    """Nor is one computed for a frozen weight, or what it would need kept."""
    model = network("gpt2")
    add_lora(model, LoraSettings(targets=("h.1.attn.c_attn",)), seed=0)
    hidden: list[Tensor] = []
    model.blocks[0].register_forward_hook(lambda module, inputs, output: hidden.append(output))
    loss = model(IDS).sum()
    assert not hidden[0].requires_grad
    loss.backward()
    with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert with_gradient == {"blocks.1.attention.qkv.lora_a.0", "blocks.1.attention.qkv.lora_b.0"}


def test_merged_and_removed_networks_compute_the_same() -> None:
    model = network("classic")
    plain = model(IDS).detach()
    names = set(model.state_dict())
    add_lora(model, LoraSettings(targets="all-linear"), seed=0)
    adapted = drawn(model).eval()(IDS).detach()
    assert (adapted - plain).abs().max() > 0.1
    other = network("classic").eval()
    other.load_state_dict(merged_state(model))
    torch.testing.assert_close(other(IDS), adapted)
    remove_lora(model)
    torch.testing.assert_close(model(IDS), network("classic").eval()(IDS), rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    add_lora(model, LoraSettings(targets="all-linear"), seed=0)
    torch.manual_seed(1)
    adapted = drawn(model)(IDS).detach()
    remove_lora(model, merge=True)
    assert set(model.state_dict()) == names
    torch.testing.assert_close(model(IDS), adapted)


def test_the_tied_head_stays_tied() -> None:
    model = network("gpt2")
    add_lora(model, LoraSettings(), seed=0)
    assert model.output_projection.weight is model.token_embedding.weight
    assert torch.equal(merged_state(model)["output_projection.weight"], model.token_embedding.weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_products_are_in_its_format(dtype: torch.dtype) -> None:
    model = network()
    add_lora(model, LoraSettings(rank=4, targets="all-linear", dropout=0.0), seed=0)
    expected = drawn(model)(IDS)
    with torch.autocast("cpu", dtype):
        assert layer_of(model, "blocks.0.attention.qkv")(torch.randn(3, 16)).dtype == dtype
        found = model(IDS)
    assert (found.float() - expected).abs().max() < 0.1 * expected.abs().max()
    found.float().square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.requires_grad]
    assert all(gradient is not None and gradient.dtype == torch.float32 for gradient in gradients)


@pytest.mark.filterwarnings("ignore:.*autograd.function.Function:DeprecationWarning")  # the compiler's own
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")
def test_an_adapted_layer_can_be_compiled() -> None:
    model = network()
    add_lora(model, LoraSettings(rank=4, targets="all-linear", dropout=0.0), seed=0)
    layer, x = layer_of(drawn(model), "blocks.0.attention.qkv"), torch.randn(3, 16)
    compiled = torch.compile(layer, backend="eager")
    torch.testing.assert_close(compiled(x), layer(x))
    compiled(x).sum().backward()
    assert layer.lora_b[0].grad is not None
