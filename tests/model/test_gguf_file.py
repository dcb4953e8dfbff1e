"""GGUF files that the `gguf` package wrote, as llama.cpp's converter lays them out, against the networks that they were made of."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from gguf import GGMLQuantizationType, GGUFWriter, quantize
from torch import Tensor
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from groundup.errors import MissingExtraError, ModelError
from groundup.model.directory import model_of_tensors
from groundup.model.families import from_hf_config, to_hf_config, to_hf_tensors
from groundup.model.gguf_file import GPT2_TENSORS, LLAMA_TENSORS, read_gguf
from groundup.model.rope_settings import RopeScaling
from groundup.model.rotary import rotary_frequencies
from groundup.model.settings import Preset, TransformerConfig, preset_config
from groundup.model.transformer import Transformer

IDS = torch.randint(31, (2, 12), generator=torch.Generator().manual_seed(0))
LLAMA3 = RopeScaling("llama3", factor=8.0, original_max_seq_len=8192)
CASES: list[tuple[Preset, str, dict[str, Any]]] = [
    ("gpt2", "gpt2", {}),
    ("llama", "llama", {"num_kv_heads": 2, "tie_embeddings": False}),
    ("llama", "llama", {"bias": "all", "head_dim": 10}),
    ("llama", "llama", {"rope_theta": 5e5, "rope_scaling": LLAMA3, "d_model": 64, "num_heads": 2}),
    ("llama", "llama", {"rope_scaling": RopeScaling("linear", factor=2.0)}),
    ("mistral", "llama", {"sliding_window": 5}),
    ("qwen2", "qwen2", {"num_kv_heads": 2, "rope_scaling": RopeScaling("yarn", factor=4.0, original_max_seq_len=6)}),
    ("qwen3", "qwen3", {"num_kv_heads": 1, "head_dim": 10}),
]


def network(preset: Preset, **values: object) -> Transformer:
    shape: dict[str, object] = {"vocab_size": 31, "d_model": 32, "num_layers": 2, "num_heads": 4, "max_seq_len": 24}
    torch.manual_seed(0)
    model = Transformer(preset_config(preset, **(shape | {"initialization": "normal"} | values))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def interleaved(weight: Tensor, num_heads: int) -> Tensor:
    """Rows as the converter puts them for `llama`: the two of a rotated pair beside each other."""
    half = weight.shape[0] // num_heads // 2
    return weight.view(num_heads, 2, half, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def write(
    path: Path,
    model: Transformer,
    family: str,
    kind: GGMLQuantizationType,
    vocabulary: Mapping[str, Any] | None = None,
    scaling_type: str = "",
) -> None:
    """The file that llama.cpp's converter would make of a network."""
    config = model.config
    writer = GGUFWriter(path, family)
    writer.add_context_length(config.max_seq_len)
    writer.add_embedding_length(config.d_model)
    writer.add_block_count(config.num_layers)
    writer.add_feed_forward_length(config.d_ff)
    writer.add_head_count(config.num_heads)
    if family == "gpt2":
        writer.add_layer_norm_eps(config.norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.norm_eps)
        writer.add_head_count_kv(config.num_kv_heads)
        writer.add_key_length(config.head_dim)
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_rope_freq_base(config.rope_theta)
    if config.sliding_window:
        writer.add_sliding_window(config.sliding_window)
    scaling = config.rope_scaling
    if scaling.type in ("linear", "yarn"):
        writer.add_string(f"{family}.rope.scaling.type", scaling.type)
        writer.add_rope_scaling_factor(scaling.factor)
    if scaling.type == "yarn":
        writer.add_rope_scaling_orig_ctx_len(scaling.original_max_seq_len)
    if scaling.type == "llama3":
        plain = 1.0 / config.rope_theta ** (torch.arange(0, config.head_dim, 2).float() / config.head_dim)
        writer.add_tensor("rope_freqs.weight", (plain / rotary_frequencies(config)[0]).numpy())
    if scaling_type:
        writer.add_string(f"{family}.rope.scaling.type", scaling_type)
    for name, value in (vocabulary or {}).items():
        if isinstance(value, str):
            writer.add_string(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        else:
            writer.add_array(name, value)
    names = {theirs: ours for ours, theirs in (GPT2_TENSORS if family == "gpt2" else LLAMA_TENSORS).items()}
    for name, tensor in to_hf_tensors(config, model.state_dict()).items():
        module, _, parameter = name.rpartition(".")
        layer = module.removeprefix("transformer.h.").removeprefix("model.layers.")
        if layer != module:
            number, _, inner = layer.partition(".")
            stored = f"blk.{number}.{names[inner]}.{parameter}"
        else:
            stored = f"{names[module]}.{parameter}"
        if family == "gpt2" and layer != module and tensor.ndim == 2:
            tensor = tensor.t()
        if family == "llama" and names.get(layer.partition(".")[2]) in ("attn_q", "attn_k"):
            tensor = interleaved(tensor, config.num_heads if "q_proj" in name else config.num_kv_heads)
        values = tensor.contiguous().numpy()
        if tensor.ndim == 2 and kind != GGMLQuantizationType.F32 and values.shape[-1] % 32 == 0:
            writer.add_tensor(stored, quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(stored, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: Path) -> Transformer:
    file = read_gguf(path)
    return model_of_tensors(from_hf_config(file.hf_config), file.tensors)


@pytest.mark.parametrize(("preset", "family", "values"), CASES)
def test_a_network_comes_back(preset: Preset, family: str, values: dict[str, Any], tmp_path: Path) -> None:
    model = network(preset, **values)
    write(tmp_path / "model.gguf", model, family, GGMLQuantizationType.F32)
    again = read(tmp_path / "model.gguf")
    told: TransformerConfig = from_hf_config(to_hf_config(model.config, None, None))
    assert again.config.preset == preset
    assert (again.config.rope_scaling, again.config.sliding_window) == (told.rope_scaling, told.sliding_window)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    with torch.no_grad():
        torch.testing.assert_close(again(IDS), model(IDS), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("preset", "kind"), [("llama", "Q8_0"), ("qwen2", "Q4_1"), ("llama", "F16")])
def test_quantized_weights_are_those_that_transformers_reads(preset: Preset, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write(path, network(preset, num_kv_heads=2, tie_embeddings=False), preset, GGMLQuantizationType[kind])
    ours = read_gguf(path)
    config = transformers.AutoConfig.for_model(**ours.hf_config)
    theirs = transformers.AutoModelForCausalLM.from_config(config)
    found = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=theirs)["tensors"]
    assert found.keys() == ours.tensors.keys()
    assert all(torch.equal(ours.tensors[name], tensor) for name, tensor in found.items())
    assert kind in ours.kinds


def test_the_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"reading tiny.gguf .*pip install 'groundup\[gguf\]'"):
        read_gguf(tmp_path / "tiny.gguf")


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    return str(caught.value)


def test_what_is_no_file_of_ours_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    assert refusal(path) == f"{path}: there is no such file; name a .gguf file"
    for content in (b"", b"GGUF", b"not a GGUF file at all, whatever its name says"):
        path.write_bytes(content)
        assert refusal(path).startswith(f"{path} is not a whole GGUF file: its {len(content)} bytes are cut short")
    write(path, network("llama"), "mamba", GGMLQuantizationType.F32)
    assert "general.architecture = 'mamba' is not supported; architectures that we read from GGUF: llama" in refusal(
        path
    )
    write(path, network("llama"), "llama", GGMLQuantizationType.F32, scaling_type="longrope")
    assert "rope.scaling.type = 'longrope' is not supported; supported: none, linear, yarn" in refusal(path)
    write(path, network("llama"), "llama", GGMLQuantizationType.F32)
    whole = path.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2, 200):
        path.write_bytes(whole[:size])
        assert refusal(path).startswith(
            f"{path} is not a whole GGUF file: its {size:,} bytes are cut short, damaged or of"
        )
