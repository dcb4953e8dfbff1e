"""Settings: TOML files, dotted overrides, checked dataclasses. Knows no torch, so that a typo is answered at once.

A settings class is a frozen dataclass with a sentence under each field. Values come in three layers, each over the last:
the dataclass's defaults, the recipe file, and `section.key=value` on the command line. Pydantic checks names and types at the
edge; ranges are checked by each class's own `__post_init__`, which raises `SettingError` with the dotted path.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import json
import math
import re
import tomllib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from groundup.errors import NO_VALUE, SettingError

Settings = TypeVar("Settings")

BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
LARGEST_INTEGER = 2**63  # more than any setting can use; what is computed from it still fits

# Pydantic's words for the kinds of values, and ours.
PLAIN_WORDS = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid string": "a text",
    "a valid array": "a list",
    "a valid tuple": "a list",
    "an object": "a table, {name = value}",
}


def read_toml(path: Path, what: str = "recipe") -> dict[str, Any]:
    """Read one TOML file. Raises `SettingError` with the file's name, line and column when it isn't TOML; `what` says what it is to be."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingError(what, str(path), f"the file cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingError(what, str(path), "the file is not UTF-8 text; save it as UTF-8") from error
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the latter and plain ValueErrors for absurdly deep or long values
        raise SettingError(what, str(path), f"this is not valid TOML: {error}") from error


def write_toml(settings: object) -> str:
    """The settings as TOML text that `read_toml` and `build` turn back into equal settings."""
    import tomli_w

    assert dataclasses.is_dataclass(settings)
    assert not isinstance(settings, type)
    return tomli_w.dumps(as_plain(settings))


def as_plain(settings: Any) -> dict[str, Any]:
    """A dataclass as nested dictionaries and lists, in field order."""
    plain: dict[str, Any] = dataclasses.asdict(settings)
    return _tuples_to_lists(plain)  # type: ignore[no-any-return]


def _tuples_to_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples_to_lists(item) for key, item in value.items()}
    return [_tuples_to_lists(item) for item in value] if isinstance(value, list | tuple) else value


def parse_overrides(settings_class: type, overrides: Iterable[str]) -> dict[str, Any]:
    """Turn `["training.max_steps=500", …]` into nested dictionaries, each value read as TOML for the field it names.

    A value meant for a text field need not be quoted: `data.source=./my-texts`.
    """
    nested: dict[str, Any] = {}
    for override in (overrides,) if isinstance(overrides, str) else overrides:
        name, equals, text = override.partition("=")
        name, text = name.strip(), text.strip()
        if not equals or not all(name.split(".")):
            raise SettingError("override", override, "write it as section.key=value, e.g. training.max_steps=500")
        _set_dotted(nested, name, _read_value(text, _field_type(settings_class, name.split("."), ""), name))
    return nested


def from_dotted(settings_class: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"training.max_steps": 500, …}` into nested dictionaries; a later name wins over an earlier one."""
    layers: list[dict[str, Any]] = []
    outermost = {field.name for field in dataclasses.fields(settings_class)}
    for name, value in values.items():
        if "." not in name and name not in outermost:
            raise SettingError(name, value, "write it as section.key, e.g. training.max_steps")
        layers.append({})
        _set_dotted(layers[-1], name, value)
    return merge(settings_class, *layers)


def _set_dotted(nested: dict[str, Any], name: str, value: Any) -> None:
    *sections, key = name.split(".")
    for section in sections:
        nested = nested.setdefault(section, {})
    nested[key] = value


def _read_value(text: str, field_type: Any, name: str) -> Any:
    accepted = _accepted_types(field_type)
    try:
        read = tomllib.loads(f"value = {text}")
        value = read["value"] if len(read) == 1 else text
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, str) and "\n" in text:
        value = text
    if str in accepted and not isinstance(value, str | list) and type(value) not in accepted:
        return text  # a number or date meant for a text field
    if isinstance(value, str) and value == text and str not in accepted:
        expected = " or ".join(sorted(_type_name(kind) for kind in accepted))
        advice = f"; type  '{name}={_as_list(text)}'  with the outer quotes" if accepted == {tuple} else ""
        raise SettingError(name, text, f"this should be {expected}{advice}")
    return value


def _as_list(text: str) -> str:
    """A list as TOML writes it, of what is left of one whose quotes the shell took."""
    items = [item.strip().strip("\"'") for item in text.strip("[]").split(",")]
    return (
        f"[{', '.join(item if item.isdecimal() else json.dumps(item, ensure_ascii=False) for item in items if item)}]"
    )


def _accepted_types(field_type: Any) -> set[Any]:
    origin = get_origin(field_type)
    if origin in (Union, types.UnionType):
        return set().union(*(_accepted_types(option) for option in get_args(field_type)))
    if origin is not None and not isinstance(origin, type):  # Literal
        return {type(option) for option in get_args(field_type)}
    return {origin or field_type}


def _field_type(settings_class: type, path: list[str], prefix: str) -> Any:
    hints = get_type_hints(settings_class)
    key, dotted = path[0], f"{prefix}{path[0]}"
    if key not in hints:
        raise _unknown_key(settings_class, dotted, prefix)
    if len(path) == 1:
        if dataclasses.is_dataclass(hints[key]):
            raise SettingError(
                dotted,
                NO_VALUE,
                f"this is a section; name a key in it, e.g. {dotted}.{next(iter(get_type_hints(hints[key])))}=…",
            )
        return hints[key]
    if not dataclasses.is_dataclass(hints[key]):
        raise SettingError(
            ".".join([prefix + key, *path[1:]]), NO_VALUE, f"{dotted} is a single setting, not a section"
        )
    return _field_type(hints[key], path[1:], f"{dotted}.")


def _unknown_key(settings_class: type, dotted: str, prefix: str) -> SettingError:
    key = dotted.removeprefix(prefix)
    names = list(get_type_hints(settings_class))
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5) or _same_key_elsewhere(settings_class, key)
    hint = f"did you mean {prefix}{close[0]}?" if close else f"known here: {', '.join(prefix + name for name in names)}"
    return SettingError(dotted, NO_VALUE, f"there is no such setting; {hint}")


def _same_key_elsewhere(settings_class: type, key: str) -> list[str]:
    """Where `max_steps` was meant for `training.max_steps`."""
    for name, kind in get_type_hints(settings_class).items():
        if dataclasses.is_dataclass(kind):
            close = difflib.get_close_matches(key, get_type_hints(kind), n=1, cutoff=0.8)
            if close:
                return [f"{name}.{close[0]}"]
    return []


def merge(settings_class: type, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a settings class laid over each other: a later layer wins key by key, in its sections too. A setting that is a
    table itself, such as data.weights, is taken whole."""
    hints = get_type_hints(settings_class)
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            earlier = merged.get(key)
            if dataclasses.is_dataclass(hints.get(key)) and isinstance(value, Mapping) and isinstance(earlier, Mapping):
                merged[key] = merge(hints[key], earlier, value)
            else:
                merged[key] = value
    return merged


def build(settings_class: type[Settings], values: Mapping[str, Any], prefix: str = "") -> Settings:
    """Check plain values and make the settings object. Unknown keys and wrong types are named by their dotted path."""
    check_keys(settings_class, values, prefix)
    hints = get_type_hints(settings_class)
    checked = {}
    for key, value in values.items():
        if dataclasses.is_dataclass(hints[key]):
            checked[key] = build(hints[key], value, f"{prefix}{key}.")
        else:
            checked[key] = _check_value(hints[key], value, f"{prefix}{key}")
    return settings_class(**checked)


def _check_value(kind: Any, value: Any, dotted: str) -> Any:
    """Strict, with JSON's rules: a list may fill a tuple and a whole number a float, but no text becomes a number."""
    from pydantic import TypeAdapter, ValidationError

    if isinstance(value, int) and abs(value) >= LARGEST_INTEGER:
        raise SettingError(dotted, value, "use a whole number below 2^63")
    if not is_unicode(value):
        raise SettingError(dotted, value, "this is not valid Unicode text; write it in UTF-8")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(value), strict=True)
    except TypeError:
        raise SettingError(dotted, value, "use a number, a text, true or false, or a list of them") from None
    except ValidationError as error:
        problems = dict.fromkeys(problem["msg"].removeprefix("Input ") for problem in error.errors(include_url=False))
        advice = "; or ".join(problems)
        for technical, plain in PLAIN_WORDS.items():
            advice = advice.replace(technical, plain)
        raise SettingError(dotted, value, f"this {advice}") from None


def is_unicode(value: Any) -> bool:
    """Whether a text, or each text of a list, can be written as UTF-8 (bytes that the shell couldn't read can't)."""
    if isinstance(value, list | tuple):
        return all(map(is_unicode, value))
    return not isinstance(value, str) or not any("\ud800" <= character <= "\udfff" for character in value)


def check_keys(settings_class: type, values: Mapping[str, Any], prefix: str = "") -> None:
    """Raise `SettingError` for the first key that the settings class doesn't have, with the nearest name it does have."""
    hints = get_type_hints(settings_class)
    for key, value in values.items():
        if key not in hints:
            raise _unknown_key(settings_class, f"{prefix}{key}", prefix)
        if dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, Mapping):
                raise SettingError(
                    f"{prefix}{key}", value, f"this is a section; write [{prefix}{key}] and its keys below"
                )
            check_keys(hints[key], value, f"{prefix}{key}.")


def _type_name(kind: Any) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        list: "a list",
        tuple: "a list",
        dict: "a table",
    }
    return names.get(kind, str(kind.__name__))


def field_sentences(settings_class: type) -> dict[str, str]:
    """The sentence written under each field of a settings class, its parents' too, by field name (read from its source)."""
    sentences: dict[str, str] = {}
    for parent in settings_class.__bases__:
        if dataclasses.is_dataclass(parent):
            sentences |= field_sentences(parent)
    tree = ast.parse(inspect.getsource(settings_class).lstrip())
    body = tree.body[0].body  # type: ignore[attr-defined]
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            sentences[field.target.id] = inspect.cleandoc(ast.literal_eval(text.value))
    return sentences


def require(condition: bool, name: str, value: object, advice: str) -> None:
    """Raise `SettingError` unless the condition holds."""
    if not condition:
        raise SettingError(name, value, advice)


def require_finite(
    name: str, value: float, minimum: float = 0.0, exclusive: bool = False, maximum: float = math.inf
) -> None:
    """Raise `SettingError` unless the value is a finite number, at least (or, if exclusive, above) the minimum.

    `maximum` is a bound that no sensible value comes near, beyond which the arithmetic itself would fail.
    """
    above = value > minimum if exclusive else value >= minimum
    require(not value > maximum or math.isinf(value), name, value, f"use a number of at most {maximum:g}")
    require(
        math.isfinite(value) and above,
        name,
        value,
        f"use a finite number {'above' if exclusive else 'of at least'} {minimum:g}",
    )


def read_bytes(name: str, text: str) -> int:
    """Bytes, of a text such as "8GB" (8 · 10⁹) or "7.5 GiB" (7.5 · 2³⁰). Raises `SettingError` for `name`."""
    units = {unit.lower(): size for unit, size in BYTES.items()}
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower(), re.ASCII)
    size = float(found[1]) * units.get(found[2], 0) if found else 0.0
    require(1 <= size < LARGEST_INTEGER, name, text, f'use a number and its unit, as in "8GB" (of {", ".join(BYTES)})')
    return int(size)
