"""The wheel, installed into an environment of its own, works from an empty folder; after one fetch without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TINY = [
    "training.max_steps=4",
    "training.batch_size=2",
    "training.eval_steps=2",
    "training.sample_tokens=10",
    "training.num_threads=1",
    "evaluation.max_tokens=100",
    "generation.max_new_tokens=20",
    "model.d_model=16",
    "model.num_layers=1",
    "model.num_heads=2",
    "model.max_seq_len=32",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of this one, by a path file."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    target = ["--python", str(folder / "bin" / "python")]
    subprocess.run(
        [sys.executable, "-m", "pip", *target, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True
    )
    return folder / "bin" / "groundup"


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert all(name.startswith(("groundup/", "groundup-")) for name in names)
    assert "groundup/recipes/shakespeare.toml" in names
    assert "groundup/py.typed" in names
    assert any(name.startswith("groundup/report/templates/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_trains_and_evaluates_from_an_empty_folder_offline_after_one_fetch(installed: Path, tmp_path: Path) -> None:
    def groundup(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [installed, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [installed.parent / "python", "-c", "import groundup; print(groundup.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(installed.parent.parent) in where.stdout, "it is the installed package, not the checkout"
    groundup("train", "shakespeare", *TINY, "--run", "first")
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    assert json.loads(groundup("evaluate", "first", "--json", **offline))["tokens"] > 1000, (
        "the archive is in the cache"
    )
