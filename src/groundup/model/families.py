"""Our network as the Hugging Face families write it, and theirs as ours: settings and tensors, in pure functions.

Ours fuses what theirs keeps apart (query, key and value are one `attention.qkv`; gate and up one `feed_forward.input`);
GPT-2 stores the matrices of a block as (in, out), the others as (out, in).

Read from a config is only what `family_tables` names. What would change the maths in a way that our network doesn't
have is refused by name, and so is a config that asks for code of its own; whatever else it says is never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from groundup.errors import ModelError, SettingError
from groundup.model.family_keys import Key, read_key, refusal
from groundup.model.family_rope import read_rope, write_rope
from groundup.model.family_tables import ACTIVATION_SPELLINGS, BUFFERS, FAMILIES, NEUTRAL, Family
from groundup.model.family_windows import read_windows, write_windows
from groundup.model.settings import Bias, TransformerConfig, preset_config
from groundup.model.weights import RenamedTensors

MOST_NUMBERS = 2**22  # of a tensor that are copied at once
ATTENTION_BIAS = ("llama", "qwen3")  # families in which it is a choice
_Module = tuple[tuple[int, ...], bool]  # the shape of its weight, and whether it has a bias


def to_hf_config(config: TransformerConfig, end_id: int | None, pad_id: int | None) -> dict[str, Any]:
    """The config.json of the stock class for this network, as transformers 4 and 5 both read it.

    `end_id`: the token that ends a text (and stands before the next one, so it is also the one that begins it);
    `pad_id`: the token that fills up a batch. Raises `ModelError` where the stock class can't express the network.
    """
    family = _family_of(config)
    written: dict[str, Any] = {key.name: getattr(config, name) for name, key in family.keys.items()}
    written[family.keys["activation"].name] = family.activations[config.activation]
    if config.position == "rope":
        written |= {**write_rope(config), **write_windows(config)}
    if config.preset in ATTENTION_BIAS:
        written["attention_bias"] = config.attention_output_bias
    if config.preset == "llama":
        written["mlp_bias"] = config.mlp_bias
    if config.preset == "gpt2":
        written |= {"n_ctx": config.max_seq_len, "attn_pdrop": config.dropout, "embd_pdrop": config.dropout}
    ids = {"bos_token_id": end_id, "eos_token_id": end_id, "pad_token_id": pad_id}
    return {
        "architectures": [family.architecture],
        "model_type": config.preset,
        **written,
        **family.fixed,
        **ids,
        "dtype": "float32",
        "torch_dtype": "float32",  # the same, for version 4
        "use_cache": True,
    }


def from_hf_config(hf_config: Mapping[str, Any]) -> TransformerConfig:
    """The network that a config.json of one of our families describes.

    `dropout`, which acts in training only, is theirs on the residual branches (GPT-2) or on attention (the others).
    Raises `ModelError` naming the key, its value and what is supported for everything that we don't have.
    """
    if code := hf_config.get("auto_map"):
        raise refusal(
            "auto_map",
            code,
            "it asks for code that comes with the model, which we never run: if its network is that of a stock class, take auto_map out of "
            "config.json, else use another model",
        )
    name = hf_config.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        raise refusal("model_type", name, f"families we have: {', '.join(FAMILIES)}")
    family = FAMILIES[name]
    hf_config = _with_first_names(family, hf_config)
    _check_neutral(family, hf_config)
    values = {ours: read_key(key, hf_config) for ours, key in family.keys.items()}
    values["activation"] = _read_activation(family, values["activation"])
    if name != "gpt2":
        values["rope_theta"], values["rope_scaling"] = read_rope(hf_config)
        values["sliding_window"], values["first_windowed_layer"] = read_windows(name, values["num_layers"], hf_config)
    if name == "qwen2":
        values["bias"] = "qkv"
    elif name in ATTENTION_BIAS:
        attention_bias = read_key(Key("attention_bias", bool, False), hf_config)
        mlp_bias = name == "llama" and read_key(Key("mlp_bias", bool, False), hf_config)
        names: dict[tuple[bool, bool], Bias] = {(True, True): "all", (True, False): "attention", (False, True): "mlp"}
        values["bias"] = names.get((attention_bias, mlp_bias), "none")
    try:
        return preset_config(name, **values)  # type: ignore[arg-type]
    except SettingError as error:
        raise ModelError(f"these settings fit no network ({error}); correct the file, or get it again") from None


def to_hf_tensors(config: TransformerConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict as the stock class names, splits and lays out its tensors; a tied output projection is left out.

    The result shares memory with `state` where the layout is the same.
    """
    if config.tie_embeddings:
        state = {name: tensor for name, tensor in state.items() if name != "output_projection.weight"}
    check_tensors(parameter_shapes(config), state)
    return some_hf_tensors(config, state)


def some_hf_tensors(config: TransformerConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same of some of the tensors, whichever are in `state`."""
    family = _family_of(config)
    tensors: dict[str, Tensor] = {}
    for ours, pieces in _pieces(family, config).items():
        if ours not in state:
            continue
        parts = torch.split(state[ours], [rows for rows, *_ in pieces.values()])
        tensors |= {theirs: _laid_out(family, ours, part) for theirs, part in zip(pieces, parts, strict=True)}
    return tensors


def from_hf_tensors(config: TransformerConfig, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The stock class's tensors as our state dict, in fp32; a tied output projection is the embedding.

    Raises `ModelError` naming the tensors that are missing, unexpected or of another shape: no weight is left random.
    """
    tensors = checked_hf_tensors(config, tensors)
    state = {name: torch.empty(shape) for name, shape in parameter_shapes(config).items()}
    copy_hf_tensors(config, tensors, state)
    if config.tie_embeddings:
        state["output_projection.weight"] = state["token_embedding.weight"]
    return state


def checked_hf_tensors(config: TransformerConfig, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Exactly the tensors that the stock class of this network has, under its names. Raises `ModelError` as above."""
    family = _family_of(config)
    tensors = _tidied(family, config, tensors)
    check_num_layers(config, tensors, family.prefix + family.layers, family.keys["num_layers"].name)
    expected: dict[str, tuple[int, ...]] = {}
    for ours, pieces in _pieces(family, config).items():
        expected |= {
            name: shape[::-1] if _is_transposed(family, ours, shape) else shape for name, shape in pieces.items()
        }
    check_tensors(expected, tensors)
    return tensors


def copy_hf_tensors(config: TransformerConfig, tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Fill our `state` with checked tensors of theirs, which are read one at a time."""
    family = _family_of(config)
    for ours, pieces in _pieces(family, config).items():
        parts = torch.split(state[ours], [rows for rows, *_ in pieces.values()])
        for theirs, part in zip(pieces, parts, strict=True):
            step = max(1, MOST_NUMBERS // part[0].numel())
            for start in range(0, len(part), step):
                # Asked for anew each time: what was mapped from a file leaves the memory with the tensor.
                tensor = tensors[theirs].t() if _is_transposed(family, ours, part.shape) else tensors[theirs]
                part[start : start + step].copy_(tensor[start : start + step])


def parameter_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of our network's parameters, without a tied output projection; nothing is built for it."""
    D, query_width, kv_width = config.d_model, config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    norm: _Module = ((D,), config.norm == "layernorm")
    block: dict[str, _Module] = {
        "attention_norm": norm,
        "attention.qkv": ((query_width + 2 * kv_width, D), config.qkv_bias),
        "attention.output": ((D, query_width), config.attention_output_bias),
        "feed_forward_norm": norm,
        "feed_forward.input": ((config.d_ff * (2 if config.gated else 1), D), config.mlp_bias),
        "feed_forward.output": ((D, config.d_ff), config.mlp_bias),
    }
    if config.qk_norm:
        block |= {
            "attention.query_norm": ((config.head_dim,), False),
            "attention.key_norm": ((config.head_dim,), False),
        }
    modules: dict[str, _Module] = {"token_embedding": ((config.vocab_size, D), False)}
    if config.position == "learned":
        modules["position_embedding"] = ((config.max_seq_len, D), False)
    for layer in range(config.num_layers):
        modules |= {f"blocks.{layer}.{name}": module for name, module in block.items()}
    modules["final_norm"] = norm
    if not config.tie_embeddings:
        modules["output_projection"] = ((config.vocab_size, D), config.output_bias)
    weights = {f"{name}.weight": shape for name, (shape, _) in modules.items()}
    return weights | {f"{name}.bias": shape[:1] for name, (shape, has_bias) in modules.items() if has_bias}


def check_num_layers(config: TransformerConfig, tensors: Mapping[str, Tensor], layers: str, key: str) -> None:
    """Raise `ModelError` unless the tensors below `layers` are those of as many layers as `key` of config.json says."""
    numbered = re.compile(re.escape(layers) + r"\.(\d+)\.")
    found = len({match[1] for name in tensors if (match := numbered.match(name))})
    if found != config.num_layers:
        raise ModelError(f"{key} = {config.num_layers}, but the weights hold {found} layers; get the directory again")


def check_tensors(expected: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Tensor]) -> None:
    """Raise `ModelError` unless the tensors are exactly the expected ones, in floating point of 16 bits or more."""
    for problem, names in (
        ("lack", expected.keys() - tensors.keys()),
        ("hold more than config.json describes:", tensors.keys() - expected.keys()),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ModelError(f"the weights {problem} {', '.join(sorted(names)[:3])}{more}; get the directory again")
    for name, shape in expected.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape:
            found = f"tensor {name} has shape {tuple(tensor.shape)}, but config.json describes {shape}"
            raise ModelError(f"{found}; get the config that belongs to these weights")
        if not tensor.is_floating_point() or tensor.element_size() < 2:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(f"tensor {name} is stored as {kind}; supported: float32, float16, bfloat16, unquantized")


def block_matrices(config: TransformerConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """The blocks' linear layers by our names: which of the family's each is made of, in order, and their weights' shapes (out, in).

    `blocks.3.feed_forward.input` → `model.layers.3.mlp.gate_proj` (F, D), `….up_proj` (F, D). Preset classic has our own names.
    """
    shapes = parameter_shapes(config)
    parameters = [name for name, shape in shapes.items() if name.startswith("blocks.") and len(shape) == 2]
    if config.preset in FAMILIES:
        pieces = _pieces(FAMILIES[config.preset], config)
    else:
        pieces = {name: {name: shapes[name]} for name in parameters}
    return {
        ours.removesuffix(".weight"): {theirs.removesuffix(".weight"): shape for theirs, shape in pieces[ours].items()}
        for ours in parameters
    }


def _family_of(config: TransformerConfig) -> Family:
    if config.preset not in FAMILIES:
        raise ModelError(
            f"preset {config.preset!r} has no stock Hugging Face class, so its directory opens in groundup only; "
            f"for one that opens everywhere, train with preset {', '.join(FAMILIES)}"
        )
    return FAMILIES[config.preset]


def _with_first_names(family: Family, hf_config: Mapping[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in hf_config.items() if key not in family.other_names}
    for second, first in family.other_names.items():
        if second in hf_config and config.setdefault(first, hf_config[second]) != hf_config[second]:
            raise refusal(second, hf_config[second], f"{first} = {config[first]!r} says otherwise; keep one of them")
    return config


def _check_neutral(family: Family, hf_config: Mapping[str, Any]) -> None:
    architectures = hf_config.get("architectures")
    if architectures not in (None, [family.architecture], [family.base]):
        raise refusal("architectures", architectures, f"supported: {[family.architecture]!r}")
    for key, values in {**NEUTRAL, **{key: (value,) for key, value in family.fixed.items()}}.items():
        if key in hf_config and hf_config[key] not in values:
            raise refusal(key, hf_config[key], f"it changes the maths; supported: {' or '.join(map(repr, values))}")


def _read_activation(family: Family, name: str) -> str:
    known = {theirs: ours for ours, theirs in family.activations.items()}
    spelled = {ACTIVATION_SPELLINGS.get(theirs, theirs): ours for theirs, ours in known.items()}
    try:
        return spelled[ACTIVATION_SPELLINGS.get(name, name)]
    except KeyError:
        raise refusal(family.keys["activation"].name, name, f"supported: {', '.join(known)}") from None


def _pieces(family: Family, config: TransformerConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """For each parameter of ours: which of theirs it is made of, in order, and the shape of each as we lay it out.

    `blocks.3.feed_forward.input.weight` → `model.layers.3.mlp.gate_proj.weight` (F, D), `….up_proj.weight` (F, D).
    """
    rows_of_parts = {
        "attention.qkv": [config.num_heads * config.head_dim, *2 * [config.num_kv_heads * config.head_dim]],
        "feed_forward.input": [config.d_ff, config.d_ff],
    }
    pieces = {}
    for ours, (rows, *columns) in parameter_shapes(config).items():
        module, _, parameter = ours.rpartition(".")
        if module.startswith("blocks."):
            _, layer, inner = module.split(".", 2)
            theirs = tuple(f"{family.prefix}{family.layers}.{layer}.{name}" for name in family.block[inner])
        else:
            inner, theirs = module, (family.top[module],)
        parts = rows_of_parts[inner] if len(theirs) > 1 else [rows]
        pieces[ours] = {f"{name}.{parameter}": (part, *columns) for name, part in zip(theirs, parts, strict=True)}
    return pieces


def _is_transposed(family: Family, ours: str, shape: Sequence[int]) -> bool:
    return family.transposed and ours.startswith("blocks.") and len(shape) == 2


def _laid_out(family: Family, ours: str, tensor: Tensor) -> Tensor:
    return tensor.t().contiguous() if _is_transposed(family, ours, tensor.shape) else tensor


def _tidied(family: Family, config: TransformerConfig, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Their tensors under their full names, without what follows from the rest: buffers, a tied projection's copy."""
    whole = any(name.startswith(family.prefix) for name in tensors)  # else saved from the class without the projection
    names = {name if whole or name.startswith("lm_head.") else family.prefix + name: name for name in tensors}
    names = {full: name for full, name in names.items() if not BUFFERS.search(full)}
    if config.tie_embeddings and "lm_head.weight" in names:
        projection = names.pop("lm_head.weight")
        embedding = names.setdefault(f"{family.top['token_embedding']}.weight", projection)
        if projection != embedding and not torch.equal(tensors[projection], tensors[embedding]):
            raise ModelError(
                "tie_word_embeddings = True, but lm_head.weight is not the embedding; set it to false in config.json"
            )
    return RenamedTensors(tensors, names)
