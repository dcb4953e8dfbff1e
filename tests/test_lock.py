"""What the lock pins can be installed by every Python that the project says it takes."""

from __future__ import annotations

import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]


def test_no_package_asks_for_a_newer_python_than_the_project() -> None:
    """A resolver on 3.11.7 takes what needs 3.11.5, and then Debian 12, whose Python is 3.11.2, can't install it."""
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    asked = {d.name: str(d.metadata.json.get("requires_python", "")) for d in distributions()}
    assert len(asked) > 100, "the developers' environment is there: make install"
    assert [f"{name} {what}" for name, what in asked.items() if what and not SpecifierSet(what).contains(lowest)] == []
