from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PROJECTS = ROOT / "docs" / "projects"


@pytest.fixture
def checked_figures(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Gives the figures of a project's page, having checked that the page shows them."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))

    def check(name: str) -> dict[str, Any]:
        page = (PROJECTS / f"{name}.md").read_text(encoding="utf-8")
        figures: dict[str, Any] = json.loads((PROJECTS / f"{name}.json").read_text(encoding="utf-8"))
        blocks = importlib.import_module(f"fill_{name}").BLOCKS
        assert importlib.import_module("project_page").fill(page, figures, blocks) == page
        return figures

    return check
