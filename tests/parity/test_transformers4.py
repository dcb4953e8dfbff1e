"""Our directories in transformers 4.57, and its in ours: a second environment that shares torch, in one process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from groundup.model.directory import load_model, save_model
from groundup.model.rope_settings import RopeScaling
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer

pytestmark = pytest.mark.xdist_group("transformers4")  # one worker, one process

BOUND = 1e-4  # of the largest difference between two logits
SITE = Path(sys.prefix) / "transformers4"
REFERENCE = Path(__file__).with_name("transformers4_reference.py")
IDS = torch.arange(24).view(2, 12) * 7 % 31

OURS: dict[str, tuple[Preset, dict[str, Any]]] = {
    "gpt2": ("gpt2", {}),
    "gpt2-untied": ("gpt2", {"tie_embeddings": False, "activation": "silu", "d_ff": 20, "norm_eps": 0.1}),
    "llama": ("llama", {"rope_theta": 5e5}),
    "llama-biased": (
        "llama",
        {"bias": "all", "num_kv_heads": 2, "head_dim": 10, "tie_embeddings": False, "rope_theta": 100.0},
    ),
    "llama3": (
        "llama",
        {"rope_theta": 5e5, "rope_scaling": RopeScaling("llama3", factor=8.0, original_max_seq_len=16)},
    ),
    "mistral": ("mistral", {"sliding_window": 5, "rope_theta": 1e4}),
    "qwen2": ("qwen2", {"rope_theta": 1e4, "rope_scaling": RopeScaling("yarn", factor=4.0, original_max_seq_len=6)}),
    "qwen2-windowed": ("qwen2", {"rope_theta": 1e4, "sliding_window": 5, "first_windowed_layer": 1}),
    "qwen3": ("qwen3", {"rope_theta": 1e6, "num_kv_heads": 1, "head_dim": 10}),
    "qwen3-uneven": ("qwen3", {"num_heads": 5, "head_dim": 6, "bias": "attention", "activation": "geglu_tanh"}),
}
THEIRS = [
    "gpt2",
    "gpt2-untied",
    "llama",
    "llama-biased",
    "llama3",
    "mistral",
    "qwen2",
    "qwen3",
]  # made by the reference script


@dataclass(frozen=True)
class Reference:
    """What transformers 4 answered."""

    folder: Path
    answers: dict[str, Tensor]
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """One process for all cases: importing it takes longer than everything it does."""
    if not (SITE / "transformers").is_dir():
        requirements = "tests/parity/requirements-transformers4.txt"
        pytest.fail(
            f"{SITE} is missing; run  make install  (or pip install --no-deps --target {SITE} -r {requirements})"
        )
    folder = tmp_path_factory.mktemp("transformers4")
    for name, (preset, values) in OURS.items():
        save_model(our_model(name, preset, values), folder / "ours" / name, end_id=None, pad_id=0)
    environment = os.environ | {"PYTHONPATH": str(SITE), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(REFERENCE), str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    return Reference(folder, load_file(folder / "answers.safetensors"), json.loads((folder / "facts.json").read_text()))


def our_model(name: str, preset: Preset, values: dict[str, Any]) -> Transformer:
    """Every weight drawn at random, the same each time it is asked for."""
    torch.manual_seed(list(OURS).index(name))
    shape: dict[str, Any] = {"vocab_size": 31, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 24}
    model = Transformer(preset_config(preset, **(shape | values)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.eval()


def assert_same_answers(model: Transformer, logits: Tensor, continued: Tensor) -> None:
    ids = IDS[:1, :5]
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), logits, atol=BOUND, rtol=0)
        while ids.shape[1] < 10:
            ids = torch.cat((ids, model(ids)[:, -1].argmax(-1, keepdim=True)), dim=1)
    assert ids.tolist() == continued.tolist()


def test_this_is_transformers_4(reference: Reference) -> None:
    pinned = (REFERENCE.parent / "requirements-transformers4.txt").read_text()
    assert f"transformers=={reference.facts['version']}\n" in pinned
    assert reference.facts["version"].startswith("4.57.")


@pytest.mark.parametrize("name", OURS)
def test_our_directory_opens_there(name: str, reference: Reference) -> None:
    assert reference.facts["problems"][name] == []  # no warning, no missing, unexpected or mismatched key
    answers = reference.answers
    assert_same_answers(our_model(name, *OURS[name]), answers[f"ours/{name}/logits"], answers[f"ours/{name}/continued"])


@pytest.mark.parametrize("name", THEIRS)
def test_its_directory_opens_here(name: str, reference: Reference, tmp_path: Path) -> None:
    loaded = load_model(reference.folder / "theirs" / name)
    answers = reference.answers
    assert_same_answers(loaded, answers[f"theirs/{name}/logits"], answers[f"theirs/{name}/continued"])
    save_model(loaded, tmp_path)
    before, after = (
        load_file(reference.folder / "theirs" / name / "model.safetensors"),
        load_file(tmp_path / "model.safetensors"),
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
