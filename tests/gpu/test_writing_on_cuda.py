"""A model in use on a CUDA device: it writes, scores and is measured as on a CPU."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import groundup as gu
from groundup.cli.main import app
from groundup.evaluation.memorization.token_scores import losses_after_prefix, score_tokens
from groundup.evaluation.tasks.continuations import Continuation, log_likelihoods
from groundup.generation.generation import Generation
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.language_model.look_inside import read
from groundup.model.settings import PRESETS, Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.recipe.audit import audit
from groundup.recipe.audit_settings import read_audit_settings
from groundup.recipe.fastest import use_fastest

pytestmark = pytest.mark.gpu
V, CONTEXT = 61, 32
PROMPTS = [[3], [1, 2, 3, 4, 5], list(range(1, 33)), [5, 6, 7] * 20, [2, 2]]  # up to longer than the context
EVERY_PRESET = pytest.mark.parametrize("preset", sorted(PRESETS))


def small_model(preset: Preset) -> Transformer:
    """Every weight random and large, so that no two tokens are about as likely."""
    shape = {"vocab_size": V, "d_model": 32, "num_layers": 2, "num_heads": 4, "max_seq_len": CONTEXT}
    model = Transformer(preset_config(preset, dropout=0.1, tie_embeddings=False, **shape))
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = 0.4 * noise if parameter.ndim > 1 else parameter.data + 0.2 * noise
    return model.eval()


@EVERY_PRESET
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_texts_in_one_batch_are_those_of_the_cpu(preset: Preset, temperature: float, cuda: torch.device) -> None:
    """Past the context, too; a drawn token follows from the same numbers."""
    settings = GenerationSettings(temperature=temperature, max_new_tokens=50, repetition_penalty=1.1, top_p=0.95)
    texts = []
    for model in (small_model(preset), small_model(preset).to(cuda)):
        generation = Generation(model, PROMPTS, settings)
        list(generation)
        texts.append(generation.texts)
    assert texts[1] == texts[0]


@EVERY_PRESET
def test_likelihoods_are_the_cpus(preset: Preset, cuda: torch.device) -> None:
    """Of continuations that share beginnings, of whole rows, and of texts that differ at their ends."""
    model = small_model(preset)
    on_card = copy.deepcopy(model).to(cuda)
    draw = torch.Generator().manual_seed(5)
    rows = torch.randint(V, (40, CONTEXT), generator=draw)
    asked = [Continuation(rows[n // 4, :20].tolist(), rows[n, 20 : 21 + n % 5].tolist()) for n in range(40)]
    for ours, theirs in zip(log_likelihoods(on_card, asked), log_likelihoods(model, asked), strict=True):
        assert ours.value == pytest.approx(theirs.value, abs=1e-3)
        assert ours.greedy == theirs.greedy
    found, expected = (asdict(score_tokens(one, rows[:, 2:].numpy(), opening=[1, 2])) for one in (on_card, model))
    for name, values in found.items():
        assert values == pytest.approx(expected[name], abs=1e-3), name
    ends = [[*rows[0, :10].tolist(), *rows[n, 10:15].tolist()] for n in range(20)]
    assert losses_after_prefix(on_card, ends) == pytest.approx(losses_after_prefix(model, ends), abs=1e-3)


@pytest.fixture
def both(tiny_base: Path) -> tuple[LanguageModel, LanguageModel]:
    """The same model on the card, where it opens by itself, and on the CPU."""
    on_card = LanguageModel.load(tiny_base)
    assert on_card.model.token_embedding.weight.device.type == "cuda"
    return on_card, LanguageModel.load(tiny_base, device="cpu")


def test_figures_of_a_text_are_the_cpus(both: tuple[LanguageModel, LanguageModel], text_file: Path) -> None:
    found, expected = (gu.evaluate(one, data=text_file, say=lambda line: None) for one in both)
    for name in ("loss", "perplexity", "bits_per_byte", "accuracy"):
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name
    assert found["tokens"] == expected["tokens"]


def test_audits_are_the_cpus(tiny_base: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of likelihoods; and what it writes is looked at, too."""
    settings = read_audit_settings(
        None,
        [
            *("fairness.crows_pairs=", "fairness.winobias=", "fairness.bbq=", "fairness.continuations=1"),
            *("fairness.max_new_tokens=4", "fairness.toxicity_continuations=1", "fairness.axes=['age']"),
            *("memorization.rows=20", "memorization.samples=4", "memorization.sample_tokens=8"),
            *("memorization.prefix_tokens=[10]", f"memorization.text={text_file}"),
        ],
    )
    names = ["bias", "toxicity", "extraction", "personal_data"]
    found = audit(tiny_base, names, settings, say=lambda line: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    expected = audit(tiny_base, names, settings, say=lambda line: None)
    ours, theirs = (one["bias"].tables["association_gaps"] for one in (found, expected))
    for row, other in zip(ours, theirs, strict=True):
        gap, their_gap = row["difference"], other["difference"]
        assert gap.value == pytest.approx(their_gap.value, abs=1e-3)  # type: ignore[union-attr]
    assert found["extraction"].as_plain() == expected["extraction"].as_plain()
    assert set(found) == set(names)


def test_what_is_inside_is_the_cpus(both: tuple[LanguageModel, LanguageModel]) -> None:
    readings = [read(one, "Licensed under the Apache License") for one in both]
    torch.testing.assert_close(readings[0].stream.cpu(), readings[1].stream, atol=1e-4, rtol=1e-4)


def test_on_a_card_pytorch_computes_what_is_served(both: tuple[LanguageModel, LanguageModel]) -> None:
    from starlette.testclient import TestClient

    from groundup.serving.app import create_app
    from groundup.serving.settings import ServingSettings

    choice = use_fastest(both[0], num_rows=4)
    assert (choice.name, choice.reason) == ("PyTorch", "the model is on cuda")
    request: dict[str, Any] = {"prompt": "The License", "max_tokens": 20, "temperature": 0, "logprobs": 2}
    answers = []
    for one in both:
        with TestClient(create_app(one, ServingSettings(name="tiny")), base_url="http://127.0.0.1:8000") as client:
            answers.append(client.post("/v1/completions", json={"model": "tiny", **request}).json()["choices"][0])
    assert answers[0]["text"] == answers[1]["text"]
    logprobs = [answer["logprobs"]["token_logprobs"] for answer in answers]
    assert logprobs[0] == pytest.approx(logprobs[1], abs=1e-3)


def test_the_commands_take_the_card_by_themselves(tiny_base: Path, text_file: Path) -> None:
    run = CliRunner().invoke(app, ["generate", str(tiny_base), "--prompt", "The", "--max-new-tokens", "5"])
    assert run.exit_code == 0, run.output
    measured = CliRunner().invoke(app, ["evaluate", str(tiny_base), "--data", str(text_file), "--json"])
    assert measured.exit_code == 0, measured.output
    assert json.loads(measured.stdout)["tokens"] > 0


def test_quantized_weights_and_exports_are_made_on_the_cpu_of_a_model_on_the_card(
    both: tuple[LanguageModel, LanguageModel], tmp_path: Path
) -> None:
    outcome = gu.export(both[0], "hf", tmp_path / "out")
    assert outcome is not None
    assert LanguageModel.load(tmp_path / "out").tokenizer.sha256 == both[1].tokenizer.sha256
