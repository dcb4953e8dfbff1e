"""`groundup serve`: which step of the engine it takes, and what it looks at first."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.cli.serve import _choose_step
from groundup.errors import SettingError
from groundup.exports.onnx_forward import OnnxForward
from groundup.language_model import LanguageModel


def test_the_step_that_is_asked_for_writes_the_same_text(tiny_base: Path) -> None:
    model = LanguageModel.load(tiny_base, device="cpu")
    asked = {"max_new_tokens": 8, "temperature": 0}
    plain = model.generate("Licensed", **asked)
    _choose_step(model, "onnx", "", 2)
    assert isinstance(model.forward, OnnxForward)
    assert model.generate("Licensed", **asked) == plain


def test_the_faster_step_is_measured_told_and_kept(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path))
    model = LanguageModel.load(tiny_base, device="cpu")
    for _ in range(2):
        _choose_step(model, "auto", "", 2)
    first, again = capsys.readouterr().err.splitlines()
    assert first == again
    assert "computes (tokens a second, 2 texts at once: PyTorch " in first
    assert (model.forward is None) == first.startswith("groundup: PyTorch")
    assert len(list((tmp_path / "passes").iterdir())) == 1


def test_fewer_bits_are_taken_where_they_are_asked_for(tiny_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = LanguageModel.load(tiny_base, device="cpu")
    _choose_step(model, "auto", "int8", 2)
    assert isinstance(model.forward, OnnxForward)
    assert "ONNX Runtime computes (int8 weights were asked for" in capsys.readouterr().err


def test_a_guard_that_is_none_is_told_before_the_model_is_loaded(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LanguageModel, "load", lambda path: pytest.fail("the model was loaded"))
    wrong = CliRunner().invoke(app, ["serve", str(tiny_base), "--guard", "missing.toml"]).exception
    assert isinstance(wrong, SettingError)
    assert str(wrong).startswith("guard = 'missing.toml': the file cannot be read")


@pytest.mark.parametrize(
    ("asked", "device"), [(["--engine", "onnx"], "cpu"), (["--quantize", "int8"], "cpu"), ([], "auto")], ids=str
)
def test_what_onnx_runtime_is_to_compute_opens_on_the_cpu(
    asked: list[str], device: str, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beside a card."""
    opened: list[str] = []

    def note(path: str, device: str = "auto") -> LanguageModel:
        opened.append(device)
        raise KeyboardInterrupt

    monkeypatch.setattr(LanguageModel, "load", note)
    CliRunner().invoke(app, ["serve", str(tiny_base), "--port", "0", *asked])
    assert opened == [device]
