"""Whole trainings on packed rows, mixtures and turned documents: resumed to the same bits, measured within documents."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from groundup.language_model import LanguageModel
from groundup.recipe.data import prepare_data
from groundup.recipe.evaluate import evaluate
from groundup.recipe.measure import measure_tokens
from groundup.recipe.settings import load_recipe
from groundup.recipe.train import TrainedRun, train
from groundup.run.checkpoints import list_checkpoints
from groundup.run.directory import RunDirectory
from groundup.run.records import read_records
from groundup.textbook.ngram import NgramModel
from groundup.tokens.sharded_ids import ShardedIds
from groundup.training.objectives.language_model import loss_sum

PACKED: dict[str, Any] = {
    "data.packing": "best_fit",
    "data.document_attention": "own",
    "data.fim_rate": 0.5,
    "data.mix_by": "language",
    "data.temperature": 3,
    "data.split": "documents",
    "tokenizer.byte_fallback": True,
    "training.max_steps": 12,
    "training.eval_steps": 6,
    "training.save_steps": 6,
}


@pytest.fixture(scope="module")
def rows_file(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real text's paragraphs, two thirds of them shouted, as rows with a language."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    paragraphs = [part for part in text_file.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    rows = [
        {"text": part if place % 3 else part.upper(), "language": "quiet" if place % 3 else "loud"}
        for place, part in enumerate(paragraphs)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def packed(
    tiny_recipe: Path, rows_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedRun, list[str]]:
    said: list[str] = []
    run = tmp_path_factory.mktemp("runs") / "packed"
    return train(tiny_recipe, {**PACKED, "data.source": str(rows_file)}, run=run, say=said.append), said


def test_what_was_done_is_said_and_kept(packed: tuple[TrainedRun, list[str]]) -> None:
    run, said = packed
    facts = json.loads((run.path / "manifest.json").read_text())["data"]
    assert facts["packing"]["kind"] == "best_fit"
    assert 0 < facts["packing"]["padding_share"] < 0.5
    assert facts["mixture"]["by"] == "language"
    assert set(facts["mixture"]["groups"]) == {"loud", "quiet"}
    assert facts["fill_in_the_middle"]["pieces"] > 0
    assert any(line.startswith("best-fit packing: ") for line in said)
    assert any(line.startswith("training text by language: loud ") for line in said)
    card = (run.path / "model" / "README.md").read_text()
    assert "best fit, " in card
    assert "mixed by language" in card
    assert "50.0 % of the training documents" in card
    steps = [record for record in read_records(run.path / "metrics.jsonl") if record["kind"] == "train"]
    assert 0 < steps[-1]["tokens"] < 12 * 4 * 16  # those with loss: padding has none
    assert run.load().generate("", max_new_tokens=5, seed=1) is not None


def test_a_packed_run_goes_on_to_the_same_bits(
    packed: tuple[TrainedRun, list[str]], tiny_recipe: Path, rows_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "interrupted"
    shutil.copytree(packed[0].path, run)
    shutil.rmtree(run / "model")
    (run / "result.json").unlink()
    for checkpoint in list_checkpoints(run)[1:]:
        shutil.rmtree(checkpoint)
        RunDirectory(run).forget_checkpoint(checkpoint)
    train(tiny_recipe, {**PACKED, "data.source": str(rows_file)}, run=run, resume=True, say=lambda line: None)
    for name in ("model.safetensors", "optimizer.safetensors"):
        ours, theirs = (load_file(list_checkpoints(path)[-1] / name) for path in (run, packed[0].path))
        assert all((ours[key] == theirs[key]).all() for key in theirs)


def test_validation_is_plain_text_within_documents(packed: tuple[TrainedRun, list[str]]) -> None:
    run, _ = packed
    measured = evaluate(run.path)
    assert measured["loss"] == pytest.approx(json.loads((run.path / "result.json").read_text())["validation"]["loss"])
    facts = json.loads((run.path / "manifest.json").read_text())["data"]
    assert measured["tokens"] == facts["tokens"]["validation"] - 1


def test_n_grams_are_counted_in_documents_as_they_are(packed: tuple[TrainedRun, list[str]], rows_file: Path) -> None:
    """Training read half of them with the middle last; an n-gram model that reads them so is a weaker one to beat."""
    run, _ = packed
    figures = evaluate(run.path, metrics="ngram_bits_per_byte")
    prepared = prepare_data(load_recipe(str(run.path / "recipe.toml")), Path(), print)
    tokenizer, ids = prepared.tokenizer, prepared.validation.ids.tolist()
    end_id = tokenizer.end_id
    assert end_id is not None
    documents = [list(group) for is_end, group in itertools.groupby(ids, end_id.__eq__) if not is_end]
    held_out = {tokenizer.decode(document) for document in documents}
    texts = [json.loads(line)["text"] for line in rows_file.read_text().splitlines()]
    train_documents = [[*tokenizer.encode(text), end_id] for text in texts if text not in held_out]
    plain = NgramModel(train_documents, tokenizer.vocab_size)
    bits = 0.0
    for document in ([*document, end_id] for document in documents):
        bits -= sum(math.log2(plain.probability(document[:place], token)) for place, token in enumerate(document))
    bits += math.log2(plain.probability([], ids[0]))  # the first of all isn't predicted
    assert figures["ngram_bits_per_byte"] == pytest.approx(bits / figures["bytes"])


@pytest.mark.parametrize("batch_size", [1, 4])
def test_losses_within_documents_are_those_of_their_parts(
    packed: tuple[TrainedRun, list[str]], batch_size: int
) -> None:
    opened = LanguageModel.load(packed[0].path, device="cpu")
    model, tokenizer = opened.model, opened.tokenizer
    ends, window = np.array([7, 8, 30, 41]), model.config.max_seq_len
    ids = np.random.default_rng(2).integers(3, tokenizer.vocab_size, 41)
    found = measure_tokens(model, ids, tokenizer, 100, "x", batch_size=batch_size, document_ends=ends)
    total = 0.0
    for start in range(0, 40, window):
        last = min(start + window, 40)
        cuts = [start, *(end - 1 for end in ends if start < end - 1 < last), last]
        for first, final in itertools.pairwise(cuts):  # from one document's end token to the next one's
            with torch.no_grad():
                total += float(loss_sum(model, torch.from_numpy(ids[first : final + 1])[None]))
    assert found.loss * found.tokens == pytest.approx(total, rel=1e-5)
    assert found.tokens == 40
    sharded = ShardedIds(np.split(ids, [3, 20]))
    assert measure_tokens(model, sharded, tokenizer, 100, "x", batch_size=batch_size, document_ends=ends) == found
    across = measure_tokens(model, ids, tokenizer, 100, "x", batch_size=batch_size)
    assert across.loss != pytest.approx(found.loss, rel=1e-6)


def test_other_text_is_measured_as_the_run_was_trained(packed: tuple[TrainedRun, list[str]], rows_file: Path) -> None:
    run, _ = packed
    within = evaluate(run.path, data=rows_file)
    across = evaluate(LanguageModel.load(run.path), data=rows_file)  # loaded, it knows of no run
    assert within["tokens"] == across["tokens"]
    assert within["loss"] != pytest.approx(across["loss"], rel=1e-7)


def test_rows_by_length_go_on_to_the_same_bits(tiny_recipe: Path, rows_file: Path, tmp_path: Path) -> None:
    said: list[str] = []
    asked = {**PACKED, "data.packing": "documents", "data.source": str(rows_file), "training.sample_tokens": 0}
    asked |= {"training.accumulation_steps": 2, "training.max_steps": 4}
    asked |= {"training.eval_steps": 2, "training.save_steps": 2}
    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    train(tiny_recipe, asked, run=whole, say=said.append)
    assert any(line.startswith("a row for each document, by length: ") for line in said)
    manifest = json.loads((whole / "manifest.json").read_text())
    assert 0 < manifest["data"]["packing"]["padding_share"] < 0.2
    assert "a row for each document, by length, " in (whole / "model" / "README.md").read_text()
    widths = [record["tokens"] for record in read_records(whole / "metrics.jsonl") if record["kind"] == "train"]
    assert len(set(np.diff(widths))) > 1  # batches of several widths
    shutil.copytree(whole, interrupted)
    shutil.rmtree(interrupted / "model")
    (interrupted / "result.json").unlink()
    for checkpoint in list_checkpoints(interrupted)[1:]:
        shutil.rmtree(checkpoint)
        RunDirectory(interrupted).forget_checkpoint(checkpoint)
    train(tiny_recipe, asked, run=interrupted, resume=True, say=said.append)
    ours, theirs = (load_file(list_checkpoints(run)[-1] / "model.safetensors") for run in (interrupted, whole))
    assert all((ours[key] == theirs[key]).all() for key in theirs)


def test_windows_may_keep_to_documents_too(tiny_recipe: Path, rows_file: Path, tmp_path: Path) -> None:
    asked = {"data.source": str(rows_file), "data.document_attention": "own", "training.length_warmup_fraction": 0.5}
    run = train(tiny_recipe, {**asked, "training.max_steps": 6}, run=tmp_path / "run", say=lambda line: None)
    steps = [record for record in read_records(run.path / "metrics.jsonl") if record["kind"] == "train"]
    assert [step["tokens"] for step in steps] == [64 * count for count in range(1, 7)]  # every token carries loss
