"""An adapter_config.json, as PEFT writes it: read, checked, written. Imports no torch.

What would change the maths in a way that we don't have is refused by name, as in a model's config. A key that we don't know is
refused unless it is off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.model.family_keys import Key, read_key, refusal
from groundup.model.lora_settings import MOST_ALPHA, LoraSettings, stands_for

ADAPTER_CONFIG_FILE = "adapter_config.json"
MERGE = "or merge the adapter into its base (in peft: merge_and_unload) and open that"
OFF: tuple[object, ...] = (None, False, 0, "", [], {})
UNUSED = {  # changes nothing about an adapter that is trained
    "auto_mapping",
    "ensure_weight_tying",  # of embeddings, which we refuse
    "fan_in_fan_out",  # how the base stores its matrices, which the base says itself
    "inference_mode",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
}
NARROWING = (
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
)  # of the targets; the tensors' names say it all
READ = {
    *("peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "use_rslora", "bias"),
    *("target_modules", "rank_pattern", "alpha_pattern", "init_lora_weights", *NARROWING),
}
HARMLESS_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")  # the others change the base's weights, too
PLAIN_NAME = re.compile(r"\^?[\w.]+")


@dataclass(frozen=True)
class AdapterConfig:
    """What a config says of its adapter."""

    base_name: str
    """The base, as it was called where the adapter was trained; empty if it isn't named."""
    rank: int
    alpha: float
    dropout: float
    rank_stabilized: bool
    targets: tuple[str, ...]
    """Names that together stand for all that is adapted; empty where something else than a list of names says it."""
    ranks: Mapping[str, int]
    """Of matrices with another rank than `rank`, by their names or the ends of them."""
    alphas: Mapping[str, float]

    def rank_of(self, name: str) -> int:
        return next((rank for end, rank in self.ranks.items() if stands_for(end, name)), self.rank)

    def alpha_of(self, name: str) -> float:
        return next((alpha for end, alpha in self.alphas.items() if stands_for(end, name)), self.alpha)


def is_adapter(directory: Path) -> bool:
    """Whether a directory holds an adapter, and no whole model."""
    return (directory / ADAPTER_CONFIG_FILE).is_file() and not (directory / "config.json").is_file()


def read_adapter_config(values: Mapping[str, Any]) -> AdapterConfig:
    """What a config says. Raises `ModelError` naming the key, its value and what is supported for everything that we don't have."""
    _check_neutral(values)
    targets = values.get("target_modules") or []
    if isinstance(targets, str) or any(values.get(key) for key in NARROWING):
        targets = []
    if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
        raise refusal("target_modules", targets, "this should be a list of names")
    base_name = values.get("base_model_name_or_path")
    ranks, alphas = _by_name("rank_pattern", values), _by_name("alpha_pattern", values)
    dropout = read_key(Key("lora_dropout", float, 0.0), values)
    if not 0 <= dropout < 1:
        raise refusal("lora_dropout", dropout, "this should be a share from 0 up to, not including, 1")
    return AdapterConfig(
        base_name=read_key(Key("base_model_name_or_path", str), values) if base_name is not None else "",
        rank=read_key(Key("r", int), values),
        alpha=_alpha("lora_alpha", values),
        dropout=dropout,
        rank_stabilized=read_key(Key("use_rslora", bool, False), values),
        targets=tuple(targets),
        ranks={end.removeprefix("^"): read_key(Key(end, int), ranks) for end in ranks},
        alphas={end.removeprefix("^"): _alpha(end, alphas) for end in alphas},
    )


def adapter_config(
    base_name: str,
    settings: LoraSettings,
    targets: Sequence[str],
    ranks: Mapping[str, int],
    alphas: Mapping[str, float],
    transposed: bool,
) -> dict[str, Any]:
    """The config of an adapter of ours, without the keys that only some versions of PEFT know. `ranks` and `alphas`: what differs
    from the settings, by name; `transposed`: whether the base stores its matrices as (in, out)."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "revision": None,
        "inference_mode": True,
        "r": settings.rank,
        "lora_alpha": _plain(settings.alpha),
        "lora_dropout": settings.dropout,
        "use_rslora": settings.rank_stabilized,
        "target_modules": list(targets),
        "rank_pattern": dict(ranks),
        "alpha_pattern": {name: _plain(alpha) for name, alpha in alphas.items()},
        "fan_in_fan_out": transposed,
        "bias": "none",
        "init_lora_weights": True,
        "modules_to_save": None,
        "layers_to_transform": None,
        "layers_pattern": None,
    }


def _plain(number: float) -> float:
    """As PEFT has it, whose alphas are mostly whole."""
    return int(number) if float(number).is_integer() else number


def _check_neutral(values: Mapping[str, Any]) -> None:
    if values.get("peft_type") != "LORA":
        raise refusal("peft_type", values.get("peft_type"), "supported: 'LORA'")
    if values.get("task_type") not in (None, "CAUSAL_LM"):
        raise refusal("task_type", values["task_type"], "supported: 'CAUSAL_LM'")
    if values.get("bias") not in (None, "none"):
        raise refusal("bias", values["bias"], f"supported: 'none'; train without, {MERGE}")
    if values.get("init_lora_weights") not in HARMLESS_STARTS:
        start = values["init_lora_weights"]
        raise refusal("init_lora_weights", start, f"it changes the base's weights, too; begin plainly, {MERGE}")
    for key, value in values.items():
        if key not in READ and key not in UNUSED and value not in OFF:
            raise refusal(key, value, f"we have low-rank matrices beside linear layers only; train without, {MERGE}")


def _alpha(key: str, values: Mapping[str, Any]) -> float:
    alpha: float = read_key(Key(key, float), values)
    if not 0 < alpha <= MOST_ALPHA:
        raise refusal(key, alpha, f"this should be a number above 0, of at most {MOST_ALPHA:g}")
    return alpha


def _by_name(key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What differs for some matrices. To PEFT the keys are regular expressions; we take names, with or without the ^ of a whole one."""
    pattern = values.get(key) or {}
    if not isinstance(pattern, dict) or not all(PLAIN_NAME.fullmatch(name) for name in pattern):
        raise refusal(key, pattern, f"supported: names with a number each; name the matrices, {MERGE}")
    return pattern
