from __future__ import annotations

from pathlib import Path

import pytest

from groundup.cli.evaluate_languages import print_languages
from groundup.errors import SettingError


def test_what_cannot_be_measured_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="by = 'source': a run can be measured by language"):
        print_languages(str(tmp_path), "source", None, 50, False)
    with pytest.raises(SettingError, match="data = 'bible': --by language measures the run's own held-out text"):
        print_languages(str(tmp_path), "language", "bible", 50, False)
