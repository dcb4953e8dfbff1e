"""YAML for the head of a model card."""

from __future__ import annotations

import json
import re


def yaml_lines(value: object, indent: int = 0) -> str:
    """Nested dictionaries and lists as YAML. Texts are double-quoted, so that none is taken for anything else."""
    margin = " " * indent
    if isinstance(value, dict):
        return "".join(f"{margin}{key}:{_yaml_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"{margin}- {_yaml_nested(item, indent).lstrip()}" for item in value)
    raise TypeError(f"{value!r} is neither a mapping nor a list")


def _yaml_nested(item: object, indent: int) -> str:
    if isinstance(item, dict | list) and item:
        return "\n" + yaml_lines(item, indent + 2)
    return f" {_yaml_scalar(item)}\n"  # {} and [] are JSON's and YAML's


def _yaml_scalar(value: object) -> str:
    if isinstance(value, str):
        # JSON's quoting is YAML's, but for the line breaks that only YAML knows.
        return re.sub(
            "[\u0085\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False)
        )
    written = json.dumps(value, allow_nan=False)
    return re.sub(r"^(-?\d+)e", r"\1.0e", written)  # YAML 1.1 reads 1e-05 as text, 1.0e-05 as a number
