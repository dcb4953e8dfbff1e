from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WriteArchive = Callable[[dict[str, Any]], Path]


@pytest.fixture
def write_archive(tmp_path: Path) -> WriteArchive:
    """Writes a small archive in the layout of a real one: members by name, as text, as bytes, or as what is to be JSON."""

    def write(members: dict[str, Any]) -> Path:
        path = tmp_path / "archive.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content if isinstance(content, bytes | str) else json.dumps(content))
        return path

    return write
