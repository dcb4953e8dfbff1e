"""Rotary positions in a Hugging Face config.json, there and back. Imports no torch.

Version 4 of transformers writes `rope_theta` and `rope_scaling`, version 5 `rope_parameters` with both in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from groundup.config import build
from groundup.errors import ModelError, SettingError
from groundup.model.family_keys import Key, read_key, refusal
from groundup.model.rope_settings import USED_BY_TYPE, RopeScaling, RopeType
from groundup.model.settings import TransformerConfig

THEIR_NAMES = {"original_max_seq_len": "original_max_position_embeddings"}
WHATEVER_THE_TYPE = ("rope_theta", "rope_type", "type")
YARN_WEIGHTS = ("mscale", "mscale_all_dim")


def write_rope(config: TransformerConfig) -> dict[str, Any]:
    """The keys that tell both versions of transformers the same; each guesses a theta of 10000 without its own."""
    scaling = config.rope_scaling
    values: dict[str, Any] = {name: getattr(scaling, name) for name in USED_BY_TYPE[scaling.type]}
    if "original_max_seq_len" in values:
        values["original_max_seq_len"] = scaling.original_max_seq_len or config.max_seq_len
    if not values.get("attention_factor", 1):
        del values["attention_factor"]  # they derive it, too
    written = {"rope_type": scaling.type, **{THEIR_NAMES.get(name, name): value for name, value in values.items()}}
    rope = {"rope_theta": config.rope_theta, "rope_parameters": {"rope_theta": config.rope_theta, **written}}
    return rope if scaling.type == "default" else {**rope, "rope_scaling": written}


def read_rope(hf_config: Mapping[str, Any]) -> tuple[float, RopeScaling]:
    """The base of the wavelengths, and how they are stretched.

    Raises `ModelError` for what we don't have, and where the places that say it disagree, for readers differ in which they follow.
    """
    thetas = {"rope_theta": hf_config.get("rope_theta")}
    scalings = {}
    for key in ("rope_parameters", "rope_scaling"):
        rope = hf_config.get(key)
        if rope is not None and not isinstance(rope, Mapping):
            raise refusal(key, rope, "this should be a table, or null")
        if rope:
            thetas[f"{key}.rope_theta"] = rope.get("rope_theta")
            scalings[key] = _read_scaling(key, rope)
    found = {name: read_key(Key(name, float), {name: value}) for name, value in thetas.items() if value is not None}
    if len(set(found.values())) > 1:
        said = " but ".join(f"{name} = {value!r}" for name, value in found.items())
        raise ModelError(f"{said}: readers differ in which of them they follow; make them equal")
    if len(set(scalings.values())) > 1:
        one, other = scalings["rope_scaling"], scalings["rope_parameters"]
        raise ModelError(
            f"rope_scaling ({one.type!r}) and rope_parameters ({other.type!r}) stretch positions differently: readers differ in "
            "which of them they follow; make them equal"
        )
    return next(iter(found.values()), 10000.0), next(iter(scalings.values()), RopeScaling())


def _read_scaling(key: str, rope: Mapping[str, Any]) -> RopeScaling:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in get_args(RopeType):
        raise refusal(f"{key}.rope_type", kind, f"supported: {', '.join(get_args(RopeType))}")
    theirs = {THEIR_NAMES.get(name, name): name for name in USED_BY_TYPE[kind]}
    known = {**theirs, **(dict.fromkeys(YARN_WEIGHTS, "") if kind == "yarn" else {})}
    given = {name: value for name, value in rope.items() if name not in WHATEVER_THE_TYPE and value is not None}
    if given.get("partial_rotary_factor") == 1:
        del given["partial_rotary_factor"]
    if unknown := sorted(map(str, given.keys() - known.keys())):
        raise refusal(
            f"{key}.{unknown[0]}", given[unknown[0]], f"rope_type {kind!r} has {', '.join(known) or 'no more'}"
        )
    if "factor" in known and "factor" not in given:
        raise ModelError(f"{key}.factor is missing; rope_type {kind!r} needs it, so get the file again")
    weights = [given.pop(name) for name in YARN_WEIGHTS if name in given]
    if len(weights) == 2 and all(weights) and "attention_factor" not in given:
        given["attention_factor"] = _ratio_of_weights(key, given["factor"], weights)
    try:
        return build(RopeScaling, {"type": kind, **{theirs[name]: value for name, value in given.items()}}, key + ".")
    except SettingError as error:
        raise ModelError(f"{key} fits no rotation ({error}); correct the file, or get it again") from None


def _ratio_of_weights(key: str, factor: Any, weights: list[Any]) -> float:
    """DeepSeek's way to say the attention factor: two weights of the logarithm in it."""
    for value in (factor, *weights):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise refusal(f"{key}.factor or .mscale", value, "these should be numbers above 0")
    above, below = (0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0 for weight in weights)
    return above / below
