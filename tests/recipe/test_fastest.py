"""Which pass the engine takes: measured, kept, and never one with other scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from groundup.errors import ModelError
from groundup.exports.onnx_forward import OnnxForward
from groundup.language_model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.recipe import fastest
from groundup.recipe.fastest import Choice, use_fastest, use_onnx
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.train import train_tokenizer


@pytest.fixture
def language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path))
    monkeypatch.setattr(fastest, "SECONDS", 0.0)
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["the quick brown fox"], TokenizerSettings(kind="character"))
    config = preset_config(
        "qwen3", vocab_size=tokenizer.vocab_size, d_model=32, num_layers=2, num_heads=2, initialization="normal"
    )
    return LanguageModel(Transformer(config).eval(), tokenizer)


def fixed_speed(monkeypatch: pytest.MonkeyPatch, graph: float, network: float) -> None:
    def speed(model: Transformer, forward: Any, num_rows: int) -> float:
        return graph if isinstance(forward, OnnxForward) else network

    monkeypatch.setattr(fastest, "_speed", speed)


@pytest.mark.parametrize(("graph", "network"), [(20.0, 10.0), (10.0, 20.0)])
def test_the_quicker_is_taken_and_kept(
    graph: float, network: float, language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fixed_speed(monkeypatch, graph, network)
    name = "ONNX Runtime" if graph > network else "PyTorch"
    choice = use_fastest(language_model)
    assert choice == Choice(name, {"PyTorch": network, "ONNX Runtime": graph})
    assert isinstance(language_model.forward, OnnxForward) == (graph > network)
    (record,) = (tmp_path / "passes").iterdir()
    assert json.loads(record.read_text())["name"] == name
    fixed_speed(monkeypatch, network, graph)  # not measured again
    assert use_fastest(language_model) == choice
    assert use_fastest(language_model, num_rows=4) != choice
    record.write_text("[1]")
    assert use_fastest(language_model) != choice  # a record that can't be read is measured anew


def test_it_writes_the_same_text_with_what_was_measured(language_model: LanguageModel) -> None:
    before = language_model.generate("the", max_new_tokens=12, seed=1)
    choice = use_fastest(language_model)
    assert set(choice.tokens_per_second) == {"PyTorch", "ONNX Runtime"}
    assert min(choice.tokens_per_second.values()) > 0
    language_model.forward = OnnxForward.of_model(language_model.model)
    assert language_model.generate("the", max_new_tokens=12, seed=1) == before


def test_a_graph_with_other_scores_is_not_taken(language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where this was measured before, for another model of the same shape."""
    fixed_speed(monkeypatch, 20.0, 10.0)
    assert use_fastest(language_model).name == "ONNX Runtime"

    class Wrong(OnnxForward):
        def __call__(self, *arguments: Any) -> torch.Tensor:
            return super().__call__(*arguments) * 1.1

    monkeypatch.setattr(fastest, "OnnxForward", Wrong)
    choice = use_fastest(language_model)
    assert (choice.name, language_model.forward) == ("PyTorch", None)
    assert "the graph's scores are not the network's" in choice.reason
    with pytest.raises(ModelError, match=r"the graph's scores are not the network's.*let PyTorch compute instead"):
        use_onnx(language_model)
    assert language_model.forward is None
    monkeypatch.undo()
    use_onnx(language_model)
    assert isinstance(language_model.forward, OnnxForward)


def test_damaged_weights_are_not_the_graphs_fault(language_model: LanguageModel) -> None:
    language_model.model.token_embedding.weight.data.fill_(math.nan)
    assert use_fastest(language_model) == Choice("PyTorch", {}, "the model's scores are not finite numbers")


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(path: Path) -> Any:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(fastest, "replacing", full)
    assert set(use_fastest(language_model).tokens_per_second) == {"PyTorch", "ONNX Runtime"}
    assert not list((tmp_path / "passes").iterdir())


def test_without_onnx_runtime_it_is_pytorch(language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastest, "find_spec", lambda name: None)
    assert use_fastest(language_model) == Choice(
        "PyTorch", {}, "ONNX Runtime is not installed (the export extra has it)"
    )
    assert language_model.forward is None


def test_fewer_bits_are_taken_as_asked(language_model: LanguageModel) -> None:
    choice = use_fastest(language_model, "int8")
    assert choice.name == "ONNX Runtime"
    assert "int8 weights were asked for" in choice.reason
    assert isinstance(language_model.forward, OnnxForward)
    language_model.model.bfloat16()
    assert use_fastest(language_model).reason == "the model is in torch.bfloat16"
    language_model.model.to("meta")
    assert use_fastest(language_model).reason == "the model is on meta"
    with pytest.raises(ModelError, match="the model is on meta"):
        use_fastest(language_model, "int8")
