from __future__ import annotations

from pathlib import Path

import pytest

from groundup.cli.evaluate import evaluate
from groundup.errors import SettingError


def test_samples_are_of_languages(tmp_path: Path) -> None:
    for options in ({}, {"by": "length"}, {"by": "language", "data": ["x"]}):
        with pytest.raises(SettingError, match="--samples = 3: texts are written with --by language only"):
            evaluate(str(tmp_path), samples=3, **options)
