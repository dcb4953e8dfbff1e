"""`train` and `evaluate` from Python: what is refused early, and what must not stop a run late."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from torch import Tensor, nn

import groundup as gu
from groundup.errors import DataError, MachineError, ModelError, RunError, SettingError, TrainingError
from groundup.recipe.data import prepare_data
from groundup.recipe.settings import load_recipe
from groundup.textbook.ngram import NgramModel
from groundup.training.objectives.language_model import loss_sum


def quiet(text: str) -> None:
    pass


def test_a_prompt_longer_than_the_context_is_refused_before_the_run_begins(tiny_recipe: Path, tmp_path: Path) -> None:
    overrides = ["training.sample_prompt=The License is longer than that", "training.sample_tokens=0"]
    message = r"training\.sample_prompt = .*: the prompt is 31 tokens long but the model's context only 16"
    with pytest.raises(SettingError, match=message):
        gu.train(tiny_recipe, overrides, run=tmp_path / "run", say=quiet)
    assert not (tmp_path / "run").exists()


def test_a_vocabulary_without_room_for_the_tokenizer_is_refused(tiny_recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SettingError, match=r"model\.vocab_size = 5: the tokenizer has \d+ tokens; use 0 to take its size"
    ):
        gu.train(tiny_recipe, ["model.vocab_size=5"], run=tmp_path / "run", say=quiet)


def test_a_loss_too_large_for_a_perplexity_still_ends_in_a_whole_run(tiny_recipe: Path, tmp_path: Path) -> None:
    overrides = {
        "training.device": "cpu",  # where these numbers stay finite
        "training.optimizer": "adamw",
        "training.learning_rate": 500.0,
        "training.schedule": "constant",
        "training.max_grad_norm": 0.0,
        "training.weight_decay": 0.0,
        "model.tie_embeddings": False,
    }
    try:
        run = gu.train(tiny_recipe, overrides, run=tmp_path / "run", say=quiet)
    except TrainingError:
        pytest.fail("these numbers were meant to stay finite")
    result = json.loads((run.path / "result.json").read_text())
    assert result["validation"]["perplexity"] is None or result["validation"]["perplexity"] > 1e6
    assert (run.path / "report.html").is_file()


def test_rows_are_short_and_many_for_the_share_of_the_steps_that_is_asked_for(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []

    def note(model: nn.Module, batch: Tensor) -> Tensor:
        shapes.append(tuple(batch.shape))
        return loss_sum(model, batch)

    monkeypatch.setattr("groundup.recipe.compose.loss_sum", note)
    overrides = {"training.max_steps": 4, "training.length_warmup_fraction": 0.5, "training.num_threads": 1}
    run = gu.train(tiny_recipe, {**overrides, "training.batch_size": 2}, run=tmp_path / "run", say=quiet)
    assert shapes == [(8, 5), (8, 5), (2, 17), (2, 17)]  # the context is 16
    last = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [record["tokens"] for record in last if record["kind"] == "train"][-1] == 4 * 2 * 16


def test_a_failed_training_leaves_a_picture_of_it(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "groundup.recipe.compose.loss_sum", lambda model, batch: model(batch[:, :-1]).sum() * float("nan")
    )
    with pytest.raises(TrainingError, match="not finite"):
        gu.train(tiny_recipe, run=tmp_path / "run", say=quiet)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "not finite" in page
    assert "Untrained at step 0" in page


def test_a_network_beyond_the_machines_memory_is_refused(tiny_recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(
        MachineError, match=r"a network of [\d,]+ parameters needs about [\d,]+ GB to train, and this machine has"
    ):
        gu.train(tiny_recipe, ["model.num_layers=1000000000"], run=tmp_path / "run", say=quiet)
    assert not (tmp_path / "run").exists()


def test_evaluate_refuses_a_model_whose_weights_are_damaged(tiny_recipe: Path, text_file: Path, tmp_path: Path) -> None:
    model = gu.train(tiny_recipe, ["training.max_steps=2"], run=tmp_path / "run", say=quiet).load()
    model.model.token_embedding.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="the model's scores are not finite numbers: its weights are damaged"):
        gu.evaluate(model, data=text_file, say=quiet)


def test_ten_characters_are_enough_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "ten.txt").write_text("abcabcabca")
    overrides = {
        "data.source": str(tmp_path / "ten.txt"),
        "model.max_seq_len": 4,
        "model.d_model": 8,
        "model.num_layers": 1,
        "model.num_heads": 1,
        "training.batch_size": 1,
        "training.max_steps": 2,
        "training.num_threads": 1,
        "training.sample_prompt": "",
        "training.sample_tokens": 5,
        "generation.max_new_tokens": 5,
    }
    run = gu.train("shakespeare", overrides, run=tmp_path / "run", say=quiet)
    assert run.finished


def test_evaluate_takes_paths_and_refuses_unknown_figures(tiny_recipe: Path, text_file: Path, tmp_path: Path) -> None:
    run = gu.train(tiny_recipe, ["training.max_steps=4"], run=tmp_path / "run", say=quiet)
    figures = gu.evaluate(run.path, data=text_file, metrics="loss", say=quiet)
    assert set(figures) == {"data", "loss", "intervals", "unit", "tokens", "bytes", "window"}
    with pytest.raises(
        SettingError,
        match="metrics = 'foo': known: loss, perplexity, bits_per_byte, accuracy, calibration_error, ngram",
    ):
        gu.evaluate(run.path, metrics=("foo",), say=quiet)
    with pytest.raises(SettingError, match="metrics = '': name at least one of loss"):
        gu.evaluate(run.path, metrics=(), say=quiet)
    with pytest.raises(DataError, match="a model that is already loaded is not part of a run"):
        gu.evaluate(run.load(), say=quiet)
    with pytest.raises(SettingError, match="device = 'cuda:7': use auto, cuda, mps, cpu"):
        gu.LanguageModel.load(run.path, device="cuda:7")


def test_a_run_is_measured_beside_an_n_gram_model_of_its_training_text(tiny_recipe: Path, tmp_path: Path) -> None:
    """The same tokens, of the run's validation text or another; the textbook's n-gram model gives the same figure."""
    run = gu.train(tiny_recipe, ["training.max_steps=1"], run=tmp_path / "run", say=quiet)
    assert "ngram_bits_per_byte" not in gu.evaluate(run.path, say=quiet)
    figures = gu.evaluate(run.path, metrics="bits_per_byte,ngram_bits_per_byte", say=quiet)
    assert 1 < figures["ngram_bits_per_byte"] < figures["bits_per_byte"]  # one step teaches nothing
    prepared = prepare_data(load_recipe(str(run.path / "recipe.toml")), Path(), quiet)
    train, held_out = prepared.train.ids.tolist(), prepared.validation.ids.tolist()
    plain = NgramModel([train], prepared.tokenizer.vocab_size)
    bits = -sum(math.log2(plain.probability(held_out[:place], held_out[place])) for place in range(1, len(held_out)))
    assert figures["ngram_bits_per_byte"] == pytest.approx(bits / figures["bytes"])
    text = tmp_path / "text.txt"
    text.write_text("of the License", encoding="utf-8")
    figures = gu.evaluate(run.path / "model", data=text, metrics=["ngram_bits_per_byte"], say=quiet)
    assert figures["bytes"] == 13
    assert figures["ngram_bits_per_byte"] < 4
    with pytest.raises(
        DataError, match=r"no training text to count n-grams of: leave out ngram_bits_per_byte, or name"
    ):
        gu.evaluate(run.load(), data=text, metrics="ngram_bits_per_byte", say=quiet)


def test_figures_while_training_and_at_the_end_agree_where_they_cover_the_same(
    tiny_recipe: Path, tmp_path: Path
) -> None:
    """The tiny text's validation part has characters that its training part lacks."""
    run = gu.train(tiny_recipe, ["evaluation.max_tokens=0"], run=tmp_path / "run", say=quiet)
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((run.path / "result.json").read_text())
    best = next(line for line in lines if line["kind"] == "validation" and line["step"] == result["best_step"])
    for figure in ("loss", "perplexity", "bits_per_byte", "tokens"):
        assert best[figure] == pytest.approx(result["validation"][figure], rel=1e-6), figure


def test_a_relative_source_is_found_from_any_folder(
    tiny_recipe: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run remembers where it began: going on and measuring work from elsewhere, where another text has that name."""
    home, elsewhere = tmp_path / "ho[m]e", tmp_path / "elsewhere"
    for folder, text in ((home, text_file.read_text()), (elsewhere, "Another text. " * 100)):
        folder.mkdir()
        (folder / "mine.txt").write_text(text)
    monkeypatch.chdir(home)
    overrides = {"data.source": "mine.tx*", "training.max_steps": 2}
    run = gu.train(tiny_recipe, overrides, run=tmp_path / "run", say=quiet)
    figures = gu.evaluate(run.path, say=quiet)
    shutil.rmtree(run.path / "model")  # as if it had not finished
    monkeypatch.chdir(elsewhere)
    assert gu.train(tiny_recipe, overrides, run=tmp_path / "run", resume=True, say=quiet).finished
    assert gu.evaluate(run.path, say=quiet) == figures
    again = gu.train(run.path / "recipe.toml", run=tmp_path / "again", say=quiet)
    assert gu.evaluate(again.path, say=quiet) == figures


def test_one_character_is_too_short_to_measure(tiny_recipe: Path, tmp_path: Path) -> None:
    run = gu.train(tiny_recipe, ["training.max_steps=2"], run=tmp_path / "run", say=quiet)
    (tmp_path / "one.txt").write_text("a")
    with pytest.raises(DataError, match=r"one\.txt is a single token, and a loss needs .*: give a longer text"):
        gu.evaluate(run.path, data=tmp_path / "one.txt", say=quiet)


@pytest.mark.parametrize(("text", "predicted"), [("€abc", 3), ("Lab", 2), ("日日", 3)])
def test_bytes_are_those_of_the_text_that_is_predicted(
    tiny_recipe: Path, tmp_path: Path, text: str, predicted: int
) -> None:
    """All but the first character's, even where the model doesn't know it."""
    run = gu.train(tiny_recipe, ["training.max_steps=1"], run=tmp_path / "run", say=quiet)
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    assert gu.evaluate(run.path, data=tmp_path / "text.txt", say=quiet)["bytes"] == predicted


def test_a_path_that_is_no_unicode_is_refused_before_training(tiny_recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not valid Unicode text; name another folder"):
        gu.train(tiny_recipe, run=tmp_path / "b\udcff", say=quiet)


def test_a_warning_says_warning_once(tiny_recipe: Path, tmp_path: Path) -> None:
    run = gu.train(tiny_recipe, ["training.max_steps=1"], run=tmp_path / "run", say=quiet)
    (tmp_path / "text.txt").write_text("€uro", encoding="utf-8")
    with pytest.warns(
        UserWarning, match="^1 of 5 tokens are characters or words that the model's tokenizer doesn't have"
    ):
        gu.evaluate(run.path, data=tmp_path / "text.txt")
