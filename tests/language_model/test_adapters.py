"""An adapter's directory as MODEL: its base is found, the adapter merged into it, the tokenizer taken from where it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from groundup.errors import ModelError, RunError
from groundup.language_model import LanguageModel
from groundup.language_model.adapters import open_model
from groundup.model.adapter import save_adapter, weights_sha256
from groundup.model.directory import load_model, save_model
from groundup.model.lora import add_lora, lora_layers
from groundup.model.lora_settings import LoraSettings
from groundup.model.transformer import Transformer
from groundup.run.checkpoints import write_checkpoint

SETTINGS = LoraSettings(rank=2, targets="all-linear")
IDS = torch.arange(8)[None]


def train(base: Path, adapter: Path, base_name: str, seed: int = 0) -> torch.Tensor:
    """An adapter as after a training, saved; the adapted network's logits."""
    model = load_model(base)
    sha256 = weights_sha256(model)
    add_lora(model, SETTINGS, seed)
    torch.manual_seed(seed)
    for layer in lora_layers(model).values():
        for b in layer.lora_b:
            nn.init.normal_(b)
    save_adapter(model, adapter, base_name, sha256, SETTINGS)
    return logits_of(model)


def logits_of(model: Transformer) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS)
    return found


def logits(path: Path | str) -> torch.Tensor:
    model = LanguageModel.load(path, device="cpu").model
    assert not lora_layers(model)
    return logits_of(model)


def rename_base(adapter: Path, name: str | None) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": name}))


def test_the_base_is_found_by_a_path(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, from the adapter's folder, or from where one works."""
    adapter = tmp_path / "adapters" / "one"
    expected = train(directory, adapter, str(directory))
    monkeypatch.chdir(tmp_path)
    for name in (str(directory), "../../saved", "saved"):
        rename_base(adapter, name)
        torch.testing.assert_close(logits(adapter), expected)
    assert (logits(directory) - expected).abs().max() > 0.1


def test_the_tokenizer_is_the_adapters_own_or_the_bases(
    directory: Path, language_model: LanguageModel, tmp_path: Path
) -> None:
    train(directory, tmp_path / "adapter", str(directory))
    assert LanguageModel.load(tmp_path / "adapter").tokenizer.sha256 == language_model.tokenizer.sha256
    language_model.tokenizer.save(tmp_path / "adapter")
    for file in directory.glob("tokenizer*"):
        file.unlink()
    assert LanguageModel.load(tmp_path / "adapter").generate("Speak", max_new_tokens=3)


def test_a_checkpoint_of_adapters_opens_and_is_verified(directory: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()

    def write(folder: Path) -> None:
        train(directory, folder, str(directory))

    checkpoint = write_checkpoint(run, 3, {}, {}, 0, write)
    expected = logits(checkpoint)
    torch.testing.assert_close(logits(run), expected)
    weights = checkpoint / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match=r"adapter_model.safetensors is damaged: its SHA-256"):
        LanguageModel.load(run)


def test_an_adapter_of_an_adapter(directory: Path, tmp_path: Path) -> None:
    train(directory, tmp_path / "one", "../saved")
    model = LanguageModel.load(tmp_path / "one", device="cpu").model
    sha256 = weights_sha256(model)
    add_lora(model, SETTINGS, seed=1)
    save_adapter(model, tmp_path / "two", "../one", sha256, SETTINGS)
    torch.testing.assert_close(logits(tmp_path / "two"), logits(tmp_path / "one"))


def test_a_base_that_is_another_is_refused(directory: Path, tmp_path: Path) -> None:
    train(directory, tmp_path / "adapter", str(directory))
    other = load_model(directory)
    nn.init.ones_(other.blocks[0].get_submodule("attention.qkv").weight)  # type: ignore[arg-type]
    save_model(other, directory)
    with pytest.raises(ModelError, match="was trained beside other weights than these"):
        LanguageModel.load(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            None,
            "is an adapter that doesn't say of which model; name it in .*adapter_config.json, base_model_name_or_path",
        ),
        ("/nowhere/base", "is an adapter of /nowhere/base, which is not here; where you have it, name it in"),
        ("a/b/c", "is an adapter of a/b/c, which is not here"),
        (".", "names itself as its base"),
        ("a" * 5000, "is an adapter of a*, which is not here"),
        ("owner/name", "is an adapter of owner/name, which is not here, and hf://owner/name could not be fetched"),
    ],
)
def test_a_base_that_is_not_there(
    name: str | None, message: str, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    train(directory, tmp_path / "adapter", "")
    rename_base(tmp_path / "adapter", name)
    with pytest.raises(ModelError, match=message):
        LanguageModel.load(tmp_path / "adapter")


def test_a_damaged_adapter_is_named(directory: Path, tmp_path: Path) -> None:
    train(directory, tmp_path / "adapter", str(directory))
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"123")
    with pytest.raises(ModelError, match=r"adapter_model.safetensors is damaged or cut short"):
        LanguageModel.load(tmp_path / "adapter")
    shutil.rmtree(directory)
    with pytest.raises(ModelError, match="which is not here; where you have it, name it in"):
        LanguageModel.load(tmp_path / "adapter")
    (tmp_path / "adapter" / "state.json").touch()  # a checkpoint, which nobody may edit
    with pytest.raises(ModelError, match=r"which is not here; where you have it, put it back$"):
        open_model(tmp_path / "adapter")
