"""Texts of the audits that lie in TOML files: those that ship, by their language, and those of the user, by their path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from groundup.config import read_toml
from groundup.errors import SettingError
from groundup.evaluation.fairness.settings import SHIPPED


def read_named(folder: str, setting: str, names: Sequence[str]) -> list[tuple[str, Mapping[str, Any]]]:
    """(what it is called, its content) of each file: `en` is a shipped one of the `folder`, all else is a path.

    Raises `SettingError` for one that can't be read, or is named twice.
    """
    refuse_repeated([(setting, name) for name in names])
    return [(name, read_toml(_path(folder, setting, name), setting)) for name in names]


def _path(folder: str, setting: str, name: str) -> Path:
    if name in SHIPPED:
        return shipped(folder, name)
    path = Path(name).expanduser()
    if not path.is_file():
        raise SettingError(setting, name, f"there is no such file; name one, or of what ships: {', '.join(SHIPPED)}")
    return path


def shipped(folder: str, language: str) -> Path:
    """The path of a file that ships."""
    return Path(str(resources.files("groundup") / "evaluation" / "fairness" / folder / f"{language}.toml"))


def check_table(values: Any, place: str, known: Sequence[str] | None = None) -> Mapping[str, Any]:
    """A table, whose keys are all `known` if they are given. Raises `SettingError` that names the place and the key."""
    if not isinstance(values, Mapping):
        raise SettingError(place, values, "this should be a table")
    for key in values:
        if known is not None and key not in known:
            raise SettingError(f"{place}.{key}", values[key], f"there is no such key; there are {', '.join(known)}")
    return values


def refuse_repeated(texts: Sequence[tuple[str, Any]]) -> None:
    """Raise `SettingError` if two of the texts, each given as (place, text), are the same."""
    seen = []
    for place, text in texts:
        if text in seen:
            raise SettingError(
                place, getattr(text, "text", text), "it stands there twice, and would count as two: leave one out"
            )
        seen.append(text)


def texts_of(values: Mapping[str, Any], key: str, place: str, needed: bool = True) -> tuple[str, ...]:
    """A list of texts, none of them empty. Raises `SettingError` that names the place and the key."""
    texts = values.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise SettingError(f"{place}.{key}", texts, 'this should be a list of texts, none of them empty: ["…", "…"]')
    if needed and not texts:
        raise SettingError(f"{place}.{key}", texts, "write at least one text")
    return tuple(texts)


def text_of(values: Mapping[str, Any], key: str, place: str, default: str | None = None) -> str:
    """One text. Raises `SettingError` that names the place and the key."""
    text = values.get(key, default)
    if not isinstance(text, str) or not text.strip():
        raise SettingError(f"{place}.{key}", text, "write a text")
    return text
