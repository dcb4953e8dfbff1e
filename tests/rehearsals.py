"""A plan's measurement, seen at the moment when it would take its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from groundup.cli.plan import plan
from groundup.recipe import rehearse
from groundup.recipe.rehearsal import Rehearsal
from groundup.training.step import Machinery


class Seen(Exception):
    """What a test wanted to see was there."""


def look(
    monkeypatch: pytest.MonkeyPatch,
    recipe: Path,
    changes: list[str],
    see: Callable[[Rehearsal, Machinery], object],
) -> None:
    """See a rehearsal at the moment when it would take its steps; nothing comes after that."""

    def stop(rehearsal: Rehearsal, machinery: Machinery, speed: float) -> None:
        with machinery.shards.at_rest():
            see(rehearsal, machinery)
        raise Seen

    monkeypatch.setattr(rehearse, "take_steps", stop)
    with pytest.raises(Seen):
        plan(str(recipe), changes)
