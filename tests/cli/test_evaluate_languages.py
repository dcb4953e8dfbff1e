from __future__ import annotations

from pathlib import Path

import pytest

from groundup.cli.evaluate import evaluate
from groundup.cli.evaluate_languages import print_languages
from groundup.errors import SettingError
from groundup.recipe.metrics import DEFAULT_METRICS

DEFAULTS = ",".join(DEFAULT_METRICS)


def test_what_cannot_be_measured_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="by = 'source': a run can be measured by language"):
        print_languages(str(tmp_path), "source", None, DEFAULTS, 50, False)
    with pytest.raises(SettingError, match="data = 'bible': --by language measures the run's own held-out text"):
        print_languages(str(tmp_path), "language", "bible", DEFAULTS, 50, False)
    with pytest.raises(SettingError, match="metrics = 'loss': --by language has figures of its own; leave out"):
        print_languages(str(tmp_path), "language", None, "loss", 50, False)
    with pytest.raises(SettingError, match="--samples = 3: texts are written with --by language only"):
        evaluate(str(tmp_path), samples=3)
