"""A GGUF file for llama.cpp, written from our network directly: its settings, its weights, its tokenizer and its chat template.

llama.cpp's own converter knows tokenizers by a hash of what they make of one text, and refuses every one that was trained from
scratch. Format: github.com/ggml-org/ggml, docs/gguf.md; how each architecture reads its weights: llama.cpp's src/models.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from groundup.errors import MissingExtraError, ModelError, SettingError
from groundup.exports.gguf_vocabulary import gguf_vocabulary
from groundup.exports.importance import input_squares
from groundup.exports.quantize import Array, quantize_matrix
from groundup.model.families import to_hf_config, to_hf_tensors
from groundup.model.gguf_file import FREQUENCY_FACTORS, GPT2_TENSORS, LLAMA_TENSORS, SETTINGS
from groundup.model.rope_settings import RopeScaling
from groundup.model.rotary import rotary_frequencies
from groundup.model.settings import TransformerConfig
from groundup.model.transformer import Transformer
from groundup.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

GgufType = Literal["f32", "f16", "q8_0", "q4_0"]
GGUF_TYPES: tuple[GgufType, ...] = get_args(GgufType)
FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7, "q4_0": 2}  # llama.cpp's numbers for general.file_type
BLOCK = 32  # neighbours in a row that share a scale
FLOATING_KEYS = ("rms_norm_eps", "layer_norm_epsilon", "rope_theta")
ARCHITECTURES = {"gpt2": "gpt2", "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
ACTIVATIONS = {"gpt2": "gelu_tanh"}  # the only one that llama.cpp computes; of all others swiglu
BIASES = {"gpt2": ("all",), "llama": ("none", "attention", "mlp", "all"), "qwen2": ("qkv",), "qwen3": ("none",)}
INPUTS = {  # which of our matrices has the same inputs
    **dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_qkv"), "attention.qkv"),
    "attn_output": "attention.output",
    **dict.fromkeys(("ffn_gate", "ffn_up"), "feed_forward.input"),
    "ffn_down": "feed_forward.output",
}
WIDE = ("token_embd", "output")  # too much hangs on them for 4 bits: 8, as llama.cpp's own quantizer keeps them finer


def write_gguf(
    model: Transformer, tokenizer: Tokenizer, path: Path, weight_type: GgufType = "f16", name: str = "model"
) -> None:
    """Write the model with its tokenizer as a GGUF file; `name` is what programs show.

    Matrices are stored as `weight_type` says: f32, f16, q8_0 or q4_0 (blocks of 32 numbers with a scale; rows that are no whole blocks
    stay f16, and of a q4_0 file the embedding and the output projection are q8_0); vectors in fp32.
    Raises `ModelError` for a network and `TokenizerError` for a tokenizer that llama.cpp has no like of, before anything is
    written, `SettingError` for another type, `MissingExtraError` without the gguf package.
    """
    if weight_type not in GGUF_TYPES:
        raise SettingError("export.dtype", weight_type, f"a GGUF file is written as {', '.join(GGUF_TYPES)}")
    try:
        from gguf import GGUFWriter
    except ModuleNotFoundError:
        raise MissingExtraError("writing GGUF", "gguf") from None
    config = model.config
    check_network(config)
    vocabulary = gguf_vocabulary(tokenizer, config.vocab_size)
    writer = GGUFWriter(path, ARCHITECTURES[config.preset])
    try:
        writer.add_name(name)
        writer.add_file_type(FILE_TYPES[weight_type])
        if weight_type.startswith("q"):
            writer.add_quantization_version(2)
        _add_settings(writer, config)
        for key, value in vocabulary.items():
            _add_value(writer, key, value)
        _add_tensors(writer, model, weight_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def check_network(config: TransformerConfig) -> None:
    """Raise `ModelError` naming the setting in which llama.cpp's network of this family differs from ours."""
    if config.preset not in ARCHITECTURES:
        reason = "llama.cpp has no such layout; train with preset qwen3, llama or gpt2 for a model that it runs"
        raise ModelError(f"model.preset = {config.preset!r} can't be written as GGUF: {reason}")
    family, scaling = ARCHITECTURES[config.preset], config.rope_scaling
    yarn = RopeScaling("yarn", scaling.factor, scaling.original_max_seq_len) if scaling.type == "yarn" else scaling
    short = 0 < config.sliding_window < config.max_seq_len
    activation = ACTIVATIONS.get(family, "swiglu")
    for wrong, setting, value, has in (
        (config.activation != activation, "activation", config.activation, repr(activation)),
        (config.bias not in BIASES[family], "bias", config.bias, " or ".join(map(repr, BIASES[family]))),
        (short, "sliding_window", config.sliding_window, f"no window shorter than the context, {config.max_seq_len}"),
        (scaling != yarn, "rope_scaling", scaling.type, "yarn with its usual factors only"),
    ):
        if wrong:
            advice = f"llama.cpp's {family} has {has}; export it with --to hf or --to onnx"
            raise ModelError(f"model.{setting} = {value!r} can't be written as GGUF: {advice}")


def _add_settings(writer: GGUFWriter, config: TransformerConfig) -> None:
    family = ARCHITECTURES[config.preset]
    theirs = to_hf_config(config, None, None)
    for key, name in SETTINGS[family].items():
        _add_value(writer, f"{family}.{key}", float(theirs[name]) if name in FLOATING_KEYS else theirs[name])
    writer.add_vocab_size(config.vocab_size)
    if config.position != "rope":
        return
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    scaling = config.rope_scaling
    if scaling.type in ("linear", "yarn"):
        writer.add_string(f"{family}.rope.scaling.type", scaling.type)
        writer.add_rope_scaling_factor(scaling.factor)
    if scaling.type == "yarn":
        writer.add_rope_scaling_orig_ctx_len(scaling.original_max_seq_len or config.max_seq_len)


def _add_value(writer: GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif value:  # an empty list can't be written, and says nothing
        writer.add_array(key, value)


def _add_tensors(writer: GGUFWriter, model: Transformer, weight_type: GgufType) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, quantize

    config = model.config
    family = ARCHITECTURES[config.preset]
    state = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in model.state_dict().items()}
    if config.rope_scaling.type == "llama3":  # one divisor for each pair of numbers
        plain = 1.0 / config.rope_theta ** (torch.arange(0, config.head_dim, 2).float() / config.head_dim)
        writer.add_tensor(FREQUENCY_FACTORS, (plain / rotary_frequencies(config)[0]).numpy())
    importance = input_squares(model) if weight_type == "q4_0" else {}
    for theirs, tensor in to_hf_tensors(config, state).items():
        name = _name(family, theirs)
        if family == "gpt2" and name.startswith("blk.") and tensor.ndim == 2:
            tensor = tensor.t()  # the stock class has (in, out), the file (out, in)
        if family == "llama" and ".attn_q." in name:
            tensor = interleaved(tensor, config.num_heads)
        elif family == "llama" and ".attn_k." in name:
            tensor = interleaved(tensor, config.num_kv_heads)
        kind = GGMLQuantizationType[_kind(name, tensor, weight_type)]
        values = tensor.contiguous().numpy()
        if kind == GGMLQuantizationType.F16 and np.abs(values).max() > np.finfo(np.float16).max:
            raise ModelError(f"{theirs} holds numbers beyond half precision, 65,504; export it as f32")
        if kind == GGMLQuantizationType.Q4_0:
            _, number, matrix, _ = name.split(".")
            stored = q4_0(values, importance[f"blocks.{number}.{INPUTS[matrix]}.weight"])
        else:
            stored = quantize(values, kind)
        writer.add_tensor(name, stored, raw_dtype=kind)


def q4_0(matrix: Array, importance: Array) -> Array:
    """The bytes (N, blocks · 18) of a matrix: for each 32 numbers the scale in half precision, then the first half of them in the low
    four bits and the second in the high ones. The scales are those of our own 4-bit blocks, which lie on the same grid."""
    import numpy as np

    made = quantize_matrix(matrix, 4, importance)
    numbers = made.numbers()
    packed = numbers[..., : BLOCK // 2] | numbers[..., BLOCK // 2 :] << 4  # (N, blocks, 16)
    scales = made.scales.astype(np.float16)[..., None].view(np.uint8)  # (N, blocks, 2)
    return np.concatenate((scales, packed), axis=-1).reshape(len(matrix), -1)


def _kind(name: str, tensor: Tensor, weight_type: GgufType) -> str:
    if tensor.ndim < 2 or name.startswith("position_embd") or weight_type == "f32":
        return "F32"
    if weight_type == "f16" or tensor.shape[-1] % BLOCK:
        return "F16"
    return "Q8_0" if name.partition(".")[0] in WIDE else weight_type.upper()


def _name(family: str, theirs: str) -> str:
    """The file's name of a tensor: `model.layers.3.mlp.up_proj.weight` → `blk.3.ffn_up.weight`."""
    known = GPT2_TENSORS if family == "gpt2" else LLAMA_TENSORS
    names = {module: ours for ours, module in known.items()}
    module, _, parameter = theirs.rpartition(".")
    layers = "transformer.h." if family == "gpt2" else "model.layers."
    if not module.startswith(layers):
        return f"{names[module]}.{parameter}"
    number, _, inner = module.removeprefix(layers).partition(".")
    return f"blk.{number}.{names[inner]}.{parameter}"


def interleaved(rows: Tensor, num_heads: int) -> Tensor:
    """Rows of a query or key projection (or its bias) as `llama` files have them: the two of a rotated pair beside each other."""
    half = rows.shape[0] // num_heads // 2
    return rows.view(num_heads, 2, half, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)
