"""One key of a Hugging Face config.json, read and checked. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groundup.errors import ModelError

REQUIRED = object()  # a key without a default: its absence is an error
LARGEST = 2**22  # of any size in a config: a damaged or hostile file must not make us reserve the machine's memory


@dataclass(frozen=True)
class Key:
    """One key of a config.json that is one field of ours; `default` is the stock class's own for an absent key."""

    name: str
    kind: type
    default: object = REQUIRED  # None: derived from the other fields, as a 0 is in ours


def read_key(key: Key, hf_config: Mapping[str, Any]) -> Any:
    """The key's value, a null as 0. Raises `ModelError` where it is missing, of another kind, or beyond all bounds."""
    value = hf_config.get(key.name, key.default)
    if value is REQUIRED:
        raise ModelError(f"{key.name} is missing; it is needed to know the network's shape, so get the file again")
    if value is None and key.kind is int and key.default is not REQUIRED:
        return 0  # derived
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key.kind is int and not (number and isinstance(value, int) and 1 <= value <= LARGEST):
        raise refusal(key.name, value, f"this should be a whole number from 1 to {LARGEST}")
    if key.kind is float:
        if not number or not abs(value) <= 1e38:  # NaN, too
            raise refusal(key.name, value, "this should be a number")
        return float(value)
    if not isinstance(value, key.kind):
        raise refusal(key.name, value, "this should be " + ("true or false" if key.kind is bool else "text"))
    return value


def refusal(key: str, value: object, supported: str) -> ModelError:
    """The error for a value that we don't have, and what we have."""
    shown = repr(value)
    return ModelError(f"{key} = {shown if len(shown) <= 80 else shown[:79] + '…'} is not supported; {supported}")
