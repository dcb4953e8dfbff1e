"""Our adapters in PEFT and PEFT's in ours, on small random models of each family: logits, gradients, merging."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from groundup.errors import ModelError
from groundup.model.adapter import load_adapter, save_adapter, weights_sha256
from groundup.model.directory import load_model, save_model
from groundup.model.families import to_hf_tensors
from groundup.model.lora import LoraLinear, add_lora, lora_layers, merged_state, parameter_split
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

BOUND = 1e-5  # of the largest difference between two logits
FAMILY_NAMES: list[Preset] = ["gpt2", "llama", "mistral", "qwen2", "qwen3"]
EVERY_FAMILY = pytest.mark.parametrize("preset", FAMILY_NAMES)
pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # between peft and transformers: names that will go, a setting that it corrects
IDS = torch.randint(31, (2, 12), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def quiet_and_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[Preset, Path]:
    """A random model of each family, as a directory; key/value heads are shared where the family can."""
    folder = tmp_path_factory.mktemp("bases")
    shape: dict[str, Any] = {"vocab_size": 31, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 24}
    generator = torch.Generator().manual_seed(0)
    for preset in FAMILY_NAMES:
        heads = {} if preset == "gpt2" else {"num_kv_heads": 2}
        model = Transformer(preset_config(preset, **shape, **heads))
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)
        save_model(model, folder / preset, end_id=1, pad_id=0)
    return {preset: folder / preset for preset in FAMILY_NAMES}


def stock(directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory)


def drawn(parameters: dict[str, Tensor]) -> None:
    """Narrow matrices as after training: none is zero."""
    generator = torch.Generator().manual_seed(1)
    for name in sorted(parameters):
        nn.init.normal_(parameters[name], std=0.2, generator=generator)


def adapted(directory: Path, settings: LoraSettings) -> Transformer:
    model = load_model(directory)
    add_lora(model, settings, seed=0)
    drawn({name: parameter for name, parameter in model.named_parameters() if ".lora_" in name})
    return model


def theirs_adapted(directory: Path, **fields: Any) -> Any:
    model = peft.get_peft_model(stock(directory), peft.LoraConfig(task_type="CAUSAL_LM", **fields))
    drawn({name: parameter for name, parameter in model.named_parameters() if ".lora_" in name})
    return model.eval()


@torch.no_grad()
def assert_equal_logits(ours: Transformer, theirs: Any) -> None:
    found, expected = ours.eval()(IDS), theirs.eval()(IDS).logits
    assert (found - expected).abs().max() <= BOUND


TARGETS = [
    LoraSettings(rank=4, alpha=8, targets="attention"),
    LoraSettings(rank=3, alpha=5, targets="all-linear", rank_stabilized=True, dropout=0.0),
]
BY_NAME = {
    "gpt2": [("c_attn",), ("c_proj",), ("mlp.c_proj", "attn.c_attn"), ("h.1.attn.c_attn",)],
    "llama": [("q_proj", "v_proj"), ("self_attn.k_proj", "down_proj"), ("up_proj",), ("layers.0.mlp.gate_proj",)],
}


@EVERY_FAMILY
def test_our_adapters_give_the_same_logits_in_peft(preset: Preset, bases: dict[Preset, Path], tmp_path: Path) -> None:
    names = BY_NAME["gpt2" if preset == "gpt2" else "llama"]
    for number, settings in enumerate([*TARGETS, *(LoraSettings(rank=2, targets=one) for one in names)]):
        ours = adapted(bases[preset], settings)
        base_sha256 = weights_sha256(load_model(bases[preset]))
        assert base_sha256 == weights_sha256(ours)
        save_adapter(ours, tmp_path / str(number), str(bases[preset]), base_sha256, settings)
        theirs = peft.PeftModel.from_pretrained(stock(bases[preset]), tmp_path / str(number))
        narrow = [name for name in theirs.state_dict() if ".lora_" in name]
        assert len(narrow) == len(load_file(tmp_path / str(number) / "adapter_model.safetensors"))
        assert_equal_logits(ours, theirs)
        again = load_model(bases[preset])
        assert load_adapter(again, tmp_path / str(number), base_sha256).rank == settings.rank
        with torch.no_grad():
            assert torch.equal(again(IDS), ours(IDS))


@EVERY_FAMILY
def test_adapters_of_peft_give_the_same_logits_in_ours(
    preset: Preset, bases: dict[Preset, Path], tmp_path: Path
) -> None:
    one, two = ("c_attn", "c_proj") if preset == "gpt2" else ("q_proj", "gate_proj")
    layer = "h" if preset == "gpt2" else "layers"
    choices: list[dict[str, Any]] = [
        {"target_modules": [one, two], "r": 4, "lora_alpha": 16},
        {"target_modules": "all-linear", "use_rslora": True, "r": 3},
        {"target_modules": rf".*\.0\..*{one}", "init_lora_weights": "gaussian"},
        {"target_modules": [one], "layers_to_transform": [1]},
        {
            "target_modules": [one, two],
            "exclude_modules": [f"{layer}.0.{'attn' if preset == 'gpt2' else 'self_attn'}.{one}"],
        },
        {"target_modules": [one, two], "r": 4, "rank_pattern": {one: 2}, "alpha_pattern": {two: 3}},
    ]
    for number, fields in enumerate(choices):
        theirs = theirs_adapted(bases[preset], **fields)
        theirs.save_pretrained(tmp_path / str(number))
        ours = load_model(bases[preset])
        settings = load_adapter(ours, tmp_path / str(number))
        assert settings.rank_stabilized == fields.get("use_rslora", False)
        trained = sum(p.numel() for name, p in theirs.named_parameters() if ".lora_" in name)
        assert parameter_split(ours) == (trained, sum(p.numel() for p in theirs.parameters()))
        assert_equal_logits(ours, theirs)
        save_adapter(ours, tmp_path / "ours", "", weights_sha256(ours), settings)
        assert_equal_logits(ours, peft.PeftModel.from_pretrained(stock(bases[preset]), tmp_path / "ours"))


@EVERY_FAMILY
def test_merging_is_exact(preset: Preset, bases: dict[Preset, Path], tmp_path: Path) -> None:
    """To the bit: the same products and sums in the same order."""
    for number, rank_stabilized in enumerate((False, True)):
        theirs = theirs_adapted(
            bases[preset], target_modules="all-linear", r=4, lora_alpha=7, use_rslora=rank_stabilized
        )
        theirs.save_pretrained(tmp_path / str(number))
        ours = load_model(bases[preset])
        load_adapter(ours, tmp_path / str(number))
        logits = ours(IDS).detach()
        merged = to_hf_tensors(ours.config, merged_state(ours))
        expected = theirs.merge_and_unload().state_dict()
        for name, tensor in merged.items():
            assert torch.equal(tensor, expected[name]), name
        plain = Transformer(ours.config).eval()
        plain.load_state_dict(merged_state(ours))
        with torch.no_grad():
            assert (plain(IDS) - logits).abs().max() <= BOUND


class SameMask(nn.Module):
    """Dropout that zeroes what it is told to."""

    def __init__(self, masks: dict[tuple[int, ...], Tensor], share: float) -> None:
        super().__init__()
        self.masks, self.share = masks, share

    def forward(self, x: Tensor) -> Tensor:
        return x * self.masks[tuple(x.shape)] / (1 - self.share)


@pytest.mark.parametrize("preset", ["gpt2", "qwen3"])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_gradients_equal_pefts(
    preset: Preset, share: float, bases: dict[Preset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same numbers zeroed in both, for PEFT draws each matrix's anew."""
    theirs = theirs_adapted(bases[preset], target_modules="all-linear", r=4, lora_alpha=7, lora_dropout=share)
    theirs.save_pretrained(tmp_path)
    ours = load_model(bases[preset])
    load_adapter(ours, tmp_path)
    masks: dict[tuple[int, ...], Tensor] = {
        (2, 12, width): torch.rand(2, 12, width) for width in (16, ours.config.d_ff)
    }
    masks = {shape: (draws >= share).float() for shape, draws in masks.items()}
    monkeypatch.setattr("groundup.model.dropout.Dropout.draws", lambda self, shape, device: masks[tuple(shape)])
    monkeypatch.setattr("groundup.model.dropout.Dropout.factors", lambda self, draws: draws / (1 - share))
    for module in theirs.modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = SameMask(masks, share)
    assert (ours.train()(IDS) - theirs.train()(IDS).logits).abs().max() <= BOUND
    weights = torch.randn(2, 12, 31)
    (ours(IDS) * weights).sum().backward()
    (theirs(IDS).logits * weights).sum().backward()
    expected = {name: parameter.grad for name, parameter in theirs.named_parameters() if parameter.requires_grad}
    assert all(parameter.grad is None for parameter in ours.parameters() if not parameter.requires_grad)
    count = 0
    for layer in lora_layers(ours).values():
        for part, *pair in zip(layer.parts, layer.lora_a, layer.lora_b, strict=True):
            for which, parameter in zip("AB", pair, strict=True):
                gradient = expected[f"base_model.model.{part.name}.lora_{which}.default.weight"]
                torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-4)
                count += 1
    assert count == len(expected)


def test_what_is_drawn_at_the_start_is_distributed_as_pefts(bases: dict[Preset, Path]) -> None:
    ours, theirs = load_model(bases["llama"]), stock(bases["llama"])
    add_lora(ours, LoraSettings(rank=400, targets=("q_proj",)), seed=3)
    theirs = peft.get_peft_model(theirs, peft.LoraConfig(r=400, target_modules=["q_proj"]))
    layer = ours.get_submodule("blocks.0.attention.qkv")
    assert isinstance(layer, LoraLinear)
    found, parameters = layer.lora_a[0].detach(), dict(theirs.named_parameters())
    expected = parameters["base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight"].detach()
    assert found.abs().max() <= 16**-0.5
    assert float(found.std()) == pytest.approx(float(expected.std()), rel=0.03)
    assert float(found.abs().max()) == pytest.approx(float(expected.abs().max()), rel=0.01)
    assert not layer.lora_b[0].any()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"use_dora": True}, "use_dora = True"),
        ({"lora_bias": True}, "lora_bias = True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [0, 1]}, "trainable_token_indices"),
        ({"bias": "lora_only"}, "bias = 'lora_only'"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = 'pissa'"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "embed_tokens.* is no A or B"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head.* is no A or B"),
    ],
)
def test_what_we_lack_of_peft_is_refused_by_name(
    fields: dict[str, Any], named: str, bases: dict[Preset, Path], tmp_path: Path
) -> None:
    theirs_adapted(bases["qwen2"], **{"target_modules": ["q_proj"], **fields}).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=named):
        load_adapter(load_model(bases["qwen2"]), tmp_path)


def test_every_key_that_peft_writes_is_known(bases: dict[Preset, Path], tmp_path: Path) -> None:
    """A plain adapter of this version opens, and what ours writes are keys of it."""
    theirs_adapted(bases["llama"], target_modules=["q_proj"]).save_pretrained(tmp_path / "theirs")
    ours = load_model(bases["llama"])
    settings = load_adapter(ours, tmp_path / "theirs")
    save_adapter(ours, tmp_path / "ours", "base", weights_sha256(ours), settings)
    files = [json.loads((tmp_path / whose / "adapter_config.json").read_text()) for whose in ("theirs", "ours")]
    assert files[1].keys() <= files[0].keys()
    differing = {key for key in files[1] if files[1][key] != files[0][key]}
    assert differing <= {"base_model_name_or_path"}
