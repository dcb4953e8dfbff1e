"""What a recipe can't ask several processes for."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundup.errors import RunError, SettingError
from groundup.recipe.alike import require_shared
from groundup.recipe.settings import load_recipe
from groundup.run.directory import RunDirectory
from groundup.training.ranks import Ranks

PRIVATE = {"training.privacy.epsilon": 8.0, "data.packing": "documents", "parallel.strategy": "ddp"}


def test_private_training_is_for_one_process(tiny_recipe: Path) -> None:
    with pytest.raises(
        SettingError, match=r"parallel\.strategy = 'ddp': use single with training\.privacy: each process"
    ):
        load_recipe(str(tiny_recipe), PRIVATE)


def test_weights_that_are_dealt_out_are_not_compiled(tiny_recipe: Path) -> None:
    with pytest.raises(SettingError, match=r"training\.compile = True: use false with parallel\.strategy = 'fsdp'"):
        load_recipe(str(tiny_recipe), {"training.compile": True, "parallel.strategy": "fsdp"})
    assert load_recipe(str(tiny_recipe), {"training.compile": True, "parallel.strategy": "ddp"}).training.compile


def test_standard_input_is_read_once_and_so_by_one_process(tiny_recipe: Path) -> None:
    for name in ("source", "validation_source"):
        with pytest.raises(SettingError, match=r"of several processes only the first would find something in standard"):
            load_recipe(str(tiny_recipe), {f"data.{name}": "-", "parallel.strategy": "ddp"})
        load_recipe(str(tiny_recipe), {f"data.{name}": "-"})


def test_a_run_that_only_the_first_machine_sees_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run is not there on every machine: name a folder that they share"):
        require_shared(RunDirectory(tmp_path / "run"), None, Ranks(rank=1))
    run = RunDirectory(tmp_path)
    run.write_manifest({})
    require_shared(run, None, Ranks(rank=1))
