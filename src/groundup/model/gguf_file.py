"""GGUF files, llama.cpp's: a model's settings and weights, told as a Hugging Face directory tells them.

Weights that are quantized are dequantized by the `gguf` package, one at a time. Format: github.com/ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from groundup.errors import MissingExtraError, ModelError
from groundup.model.family_keys import refusal
from groundup.model.rope_settings import RopeScaling
from groundup.model.rotary import llama3_frequencies

if TYPE_CHECKING:
    from gguf import GGUFReader, ReaderTensor

NEEDED = "general.architecture"
LLAMA_LIKE = {
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "feed_forward_length": "intermediate_size",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "rope.freq_base": "rope_theta",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads",
}
SETTINGS: dict[str, dict[str, str]] = {
    "llama": LLAMA_LIKE,
    "qwen2": LLAMA_LIKE,
    "qwen3": LLAMA_LIKE,
    "gpt2": {
        "attention.layer_norm_epsilon": "layer_norm_epsilon",
        "feed_forward_length": "n_inner",
        "context_length": "n_positions",
        "embedding_length": "n_embd",
        "block_count": "n_layer",
        "attention.head_count": "n_head",
    },
}
"""For each architecture that we have: its settings beside the keys of its config.json."""
UNSCALED = ("rope.scaling.original_context_length", "rope.scaling.finetuned", "rope.dimension_count", "vocab_size")
LLAMA_TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
GPT2_TENSORS = {
    "token_embd": "transformer.wte",
    "position_embd": "transformer.wpe",
    "output_norm": "transformer.ln_f",
    "output": "lm_head",
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
FREQUENCY_FACTORS = "rope_freqs.weight"
NAME = re.compile(r"(?:blk\.(\d+)\.)?([a-z_]+)\.(weight|bias)")


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file: `facts` are all its settings, `hf_config` what a config.json would say, `tensors` those of the stock class."""

    facts: Mapping[str, Any]
    hf_config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    kinds: Mapping[str, int] = field(default_factory=dict)
    """How many tensors are stored in which form, such as Q4_1."""


def require_gguf(feature: str) -> None:
    """Raise `MissingExtraError` when the package for GGUF files isn't installed: before what `feature` needs is fetched or loaded."""
    if importlib.util.find_spec("gguf") is None:
        raise MissingExtraError(feature, "gguf")


def read_gguf(path: Path) -> GgufFile:
    """Open a GGUF file; its weights are read when they are asked for.

    Raises `ModelError` for a file that is none, is damaged, or holds a network that we don't have, `MissingExtraError` without the package.
    """
    require_gguf(f"reading {path.name}")
    from gguf import GGUFReader

    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; name a .gguf file")
    try:
        reader = GGUFReader(path)
        facts = {name: each.contents() for name, each in reader.fields.items()}
        stored = {tensor.name: tensor for tensor in reader.tensors}
    except PermissionError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    except (ValueError, KeyError, IndexError, TypeError, OSError, OverflowError):
        raise ModelError(
            f"{path} is not a whole GGUF file: its {path.stat().st_size:,} bytes are cut short, damaged or of another kind; get it again"
        ) from None
    try:
        if facts.get("split.count", 1) not in (0, 1):
            raise refusal("split.count", facts["split.count"], "join the parts first: llama-gguf-split --merge")
        return _told(reader, facts, stored)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _told(reader: GGUFReader, facts: Mapping[str, Any], stored: Mapping[str, ReaderTensor]) -> GgufFile:
    family = facts.get(NEEDED)
    if not isinstance(family, str) or family not in SETTINGS:
        raise refusal(NEEDED, family, f"architectures that we read from GGUF: {', '.join(SETTINGS)}")
    own = {name.removeprefix(f"{family}."): value for name, value in facts.items() if name.startswith(f"{family}.")}
    config = {theirs: own[ours] for ours, theirs in SETTINGS[family].items() if ours in own}
    embedding = stored.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise ModelError("there is no token_embd.weight; get the file again")
    config |= {
        "model_type": family,
        "vocab_size": int(embedding.shape[1]),
        "tie_word_embeddings": "output.weight" not in stored,
        "hidden_act": "silu",
        "attention_bias": f"blk.0.attn_{'output' if family == 'llama' else 'q'}.bias" in stored and family != "qwen2",
        "mlp_bias": "blk.0.ffn_up.bias" in stored,
    }
    if family == "gpt2":
        config = {
            name: value for name, value in config.items() if name not in ("hidden_act", "attention_bias", "mlp_bias")
        }
        config["activation_function"] = "gelu_new"
    else:
        _read_rotation(config, own, stored)
    if window := own.get("attention.sliding_window"):
        config |= {"model_type": "mistral", "sliding_window": window} if family == "llama" else {}
        if family != "llama":
            raise refusal("attention.sliding_window", window, "windows are read from GGUF for llama (Mistral) only")
    elif family == "llama":
        config.pop("sliding_window", None)
    names = _names(family, stored)
    tensors = _Dequantized(stored, names, family, config)
    kinds = Counter(tensor.tensor_type.name for tensor in stored.values())
    return GgufFile(facts, config, tensors, dict(kinds.most_common()))


def _read_rotation(config: dict[str, Any], own: Mapping[str, Any], stored: Mapping[str, ReaderTensor]) -> None:
    """Put `rope_parameters` into the config; Llama 3's stretching lies in a tensor, one divisor a pair of numbers."""
    theta = config.pop("rope_theta", 10000.0)
    head_dim = config.get("head_dim") or config["hidden_size"] // max(1, config["num_attention_heads"])
    if own.get("rope.dimension_count", head_dim) != head_dim:
        raise refusal("rope.dimension_count", own["rope.dimension_count"], f"supported: the whole head, {head_dim}")
    kind = own.get("rope.scaling.type", "none")
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": theta}
    if kind in ("linear", "yarn"):
        rope |= {"rope_type": kind, "factor": own.get("rope.scaling.factor")}
        if kind == "yarn" and "rope.scaling.original_context_length" in own:
            rope["original_max_position_embeddings"] = own["rope.scaling.original_context_length"]
    elif kind != "none":
        raise refusal("rope.scaling.type", kind, "supported: none, linear, yarn")
    if FREQUENCY_FACTORS in stored:
        divisors = torch.from_numpy(np.array(stored[FREQUENCY_FACTORS].data, dtype=np.float32))
        rope |= _llama3_settings(divisors, float(theta), int(head_dim))
    config["rope_parameters"] = rope


def _llama3_settings(divisors: Tensor, theta: float, head_dim: int) -> dict[str, Any]:
    """The settings of Llama 3.1 and 3.2 from which such divisors follow."""
    plain = 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim)
    for original in (8192, 4096, 16384):
        scaling = RopeScaling("llama3", float(divisors.max()), original, low_freq_factor=1.0, high_freq_factor=4.0)
        expected = plain / llama3_frequencies(plain, scaling, original)
        if divisors.shape == expected.shape and torch.allclose(divisors, expected, rtol=1e-4):
            bounds = {"low_freq_factor": scaling.low_freq_factor, "high_freq_factor": scaling.high_freq_factor}
            theirs = {"original_max_position_embeddings": original, "factor": scaling.factor}
            return {"rope_type": "llama3", **theirs, **bounds}
    raise refusal(FREQUENCY_FACTORS, divisors.tolist(), "supported: the divisors of Llama 3.1 and 3.2")


def _names(family: str, stored: Mapping[str, ReaderTensor]) -> dict[str, str]:
    """The stock class's names of the tensors, and what each is called in the file."""
    known = GPT2_TENSORS if family == "gpt2" else LLAMA_TENSORS
    layers = "transformer.h" if family == "gpt2" else "model.layers"
    names = {}
    for name in stored:
        match = NAME.fullmatch(name)
        if name == FREQUENCY_FACTORS:
            continue
        if match is None or match[2] not in known:
            raise refusal("tensor", name, f"the stock class of {family} has none for it")
        layer = f"{layers}.{match[1]}." if match[1] is not None else ""
        names[f"{layer}{known[match[2]]}.{match[3]}"] = name
    return names


class _Dequantized(Mapping[str, Tensor]):
    """The tensors of a file in fp32, as the stock class lays them out."""

    def __init__(
        self, stored: Mapping[str, ReaderTensor], names: Mapping[str, str], family: str, config: Mapping[str, Any]
    ) -> None:
        self._stored, self._names, self._family, self._config = stored, names, family, config

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> Tensor:
        from gguf import dequantize

        tensor = self._stored[self._names[name]]
        try:
            values = np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        except NotImplementedError:
            raise refusal(
                f"tensor {tensor.name}", tensor.tensor_type.name, "use a file in another quantization"
            ) from None
        weights = torch.from_numpy(values.reshape(tensor.shape[::-1].tolist()))
        if self._family == "gpt2":  # there matrices of a block are (in, out), which the file holds as (out, in)
            return weights.t() if name.startswith("transformer.h.") and weights.ndim == 2 else weights
        if self._family == "llama" and ".self_attn.q_proj." in name:
            return _unpermuted(weights, self._config["num_attention_heads"])
        if self._family == "llama" and ".self_attn.k_proj." in name:
            return _unpermuted(weights, self._config.get("num_key_value_heads") or self._config["num_attention_heads"])
        return weights


def _unpermuted(weights: Tensor, num_heads: int) -> Tensor:
    """Rows in the order of half-split pairs; files of `llama` hold the two of a pair beside each other."""
    rows = weights.shape[0]
    if num_heads < 1 or rows % (2 * num_heads):
        raise refusal("attention.head_count", num_heads, f"it must divide the {rows} rows of a projection in pairs")
    return weights.view(num_heads, rows // num_heads // 2, 2, *weights.shape[1:]).transpose(1, 2).reshape(weights.shape)
