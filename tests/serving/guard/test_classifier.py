"""The classifier and the measuring of a guard: against closed forms, another implementation, and counts by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.errors import DataError
from groundup.serving.guard.classifier import SIZE, Classifier, features, train_classifier
from groundup.serving.guard.labelled import Labelled, read_labelled
from groundup.serving.guard.measure import Score, interval

RUDE = [
    f"you {what} {noun}"
    for what in ("rotten", "foul", "daft")
    for noun in ("swine", "toad", "clown", "fool", "rat", "pig", "oaf")
]
KIND = [
    f"my {what} {noun}"
    for what in ("dear", "good", "kind")
    for noun in ("friend", "cook", "aunt", "reader", "guest", "son", "girl")
]
TEXTS, LABELS = RUDE + KIND, [True] * len(RUDE) + [False] * len(KIND)


def test_features_are_of_length_one_and_the_same_however_a_text_is_written() -> None:
    places, values = features("You fool! You FOOL!")
    assert math.isclose(float(values @ values), 1, rel_tol=1e-5)
    assert len(set(places.tolist())) == len(places)
    again = features("yоu fооl! ʏᴏᴜ ｆｏｏｌ!")
    assert np.array_equal(places, again[0])
    assert np.array_equal(values, again[1])
    assert len(features("")[0]) == 0


def test_probabilities_are_those_of_torch() -> None:
    weights = np.random.default_rng(0).normal(size=SIZE).astype(np.float32)
    for text in TEXTS[::7]:
        places, values = features(text)
        dense = torch.zeros(SIZE, dtype=torch.float64)
        dense[torch.tensor(places)] = torch.tensor(values, dtype=torch.float64)
        logit = torch.nn.functional.linear(
            dense, torch.tensor(weights, dtype=torch.float64)[None], torch.tensor([0.3]).double()
        )
        assert Classifier(weights, 0.3).probabilities([text])[0] == pytest.approx(torch.sigmoid(logit).item(), abs=1e-6)


def test_it_learns_what_rows_say_and_the_same_again() -> None:
    first, second = train_classifier(TEXTS, LABELS), train_classifier(TEXTS, LABELS)
    assert np.array_equal(first.weights, second.weights)
    scores = first.probabilities(["a rotten toad", "the kind cook"])
    assert scores[0] > 0.6 > 0.4 > scores[1]
    assert all((score > 0.5) == label for score, label in zip(first.probabilities(TEXTS), LABELS, strict=True))


def test_labels_weigh_the_same_however_rare_one_is() -> None:
    many = train_classifier(RUDE + KIND * 20, [True] * len(RUDE) + [False] * len(KIND) * 20)
    assert min(many.probabilities(RUDE)) > 0.5


def test_too_few_rows_of_a_label_are_refused() -> None:
    with pytest.raises(DataError, match="needs 20 rows of each label at least, and there are 2 of 1 and 21 of 0"):
        train_classifier(RUDE[:2] + KIND, [True, True] + [False] * len(KIND))


def test_a_file_brings_the_classifier_back(tmp_path: Path) -> None:
    classifier = train_classifier(TEXTS, LABELS)
    classifier.save(tmp_path / "c.safetensors")
    back = Classifier.load(tmp_path / "c.safetensors")
    assert back.probabilities(TEXTS) == pytest.approx(classifier.probabilities(TEXTS), abs=1e-3)
    assert (tmp_path / "c.safetensors").stat().st_size < 300_000


def test_a_file_that_is_no_classifier_is_named(tmp_path: Path) -> None:
    other, damaged, wrong = tmp_path / "other", tmp_path / "damaged", tmp_path / "wrong"
    save_file({"weights": np.zeros(3)}, other)
    damaged.write_bytes(b"\x80\x04pickled")
    save_file({"weights": np.zeros(3), "bias": np.zeros(1)}, wrong, {"format": "groundup-text-classifier-1"})
    for path, message in (
        (other, "is no classifier of texts"),
        (damaged, "is damaged"),
        (wrong, "is damaged"),
        (tmp_path / "no", "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            Classifier.load(path)


def test_scores_counted_by_hand() -> None:
    score = Score(found_rightly=3, found_wrongly=1, missed=2, left_rightly=4)
    assert (score.precision, score.recall, score.false_alarms) == (0.75, 0.6, 0.2)
    nothing = Score(0, 0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.false_alarms) == (None, None, None)


def test_the_interval_is_wilson_s() -> None:
    """It is where |p̂ - p| = z √(p (1 - p) / n)."""
    ends = interval(7, 20)
    assert ends is not None
    for end in ends:
        assert abs(7 / 20 - end) == pytest.approx(1.96 * math.sqrt(end * (1 - end) / 20), rel=1e-6)
    assert interval(0, 0) is None


@pytest.mark.parametrize("label", [1, 0, True, False, "1", "0", "true", 1.0])
def test_labels_may_be_written_in_a_few_ways(tmp_path: Path, label: object) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": "some", "label": label}), encoding="utf-8")
    assert read_labelled(path) == [Labelled("some", str(label).lower() in ("1", "1.0", "true"))]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "rows.jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label": "toxic"}\n',
            "line 2: label = 'toxic': write 1",
        ),
        ("rows.jsonl", '{"text": "b"}\n', "line 1: label = 'None'"),
        ("rows.jsonl", '{"label": 1}\n', 'line 1 has no "text"'),
        ("rows.jsonl", "\n", "has no rows"),
        ("rows.jsonl", "no\n", "line 1 is not valid JSON .*; mend it, or take it out$"),
        ("rows.csv", "text,label\nwell,2\n", "label = '2'"),
        ("rows.txt", "well", "is no file of rows"),
        ("missing.jsonl", None, "cannot be read"),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_labelled(tmp_path / name)


def test_the_commands_train_and_measure(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(
            json.dumps({"text": text, "label": int(label)}) + "\n" for text, label in zip(TEXTS, LABELS, strict=True)
        )
    )
    output = tmp_path / "toxicity.safetensors"
    trained = CliRunner().invoke(app, ["guard", "train", str(rows), "--output", str(output)])
    assert trained.exit_code == 0, trained.output
    assert "42 rows read, 21 of them with label 1" in trained.output
    again = CliRunner().invoke(app, ["guard", "train", str(rows), "--output", str(output)])
    assert isinstance(again.exception, DataError)
    assert "is there already" in str(again.exception)
    nowhere = CliRunner().invoke(app, ["guard", "train", str(rows), "--output", str(tmp_path / "no" / "c")])
    assert "there is no folder" in str(nowhere.exception)
    (tmp_path / "words.txt").write_text("rotten\ncook\n")
    (tmp_path / "guard.toml").write_text(
        '[output]\nwords = "redact"\ntoxicity = "refuse"\n[words]\nfiles = ["words.txt"]\n[toxicity]\nclassifier = "toxicity.safetensors"\n'
    )
    command = ["guard", "measure", str(tmp_path / "guard.toml"), "--data", str(rows)]
    measured = CliRunner().invoke(app, [*command, "--json"])
    figures = json.loads(measured.output)
    assert list(figures) == ["words", "toxicity", "any"]
    assert (figures["words"]["found_rightly"], figures["words"]["found_wrongly"]) == (7, 3)
    assert figures["words"]["precision"] == 0.7
    assert figures["words"]["recall"] == pytest.approx(7 / 21)
    assert figures["toxicity"]["recall"] == figures["any"]["recall"] == 1
    table = CliRunner().invoke(app, command).output
    assert "0.700 [0.397, 0.892]" in table
    assert "21 texts with label 1, 21 with label 0" in table
    off = CliRunner().invoke(app, [*command, "--side", "input"])
    assert "input: no check is switched on for this side" in str(off.exception)
    (tmp_path / "words.txt").write_text("nowhere\n")
    (tmp_path / "guard.toml").write_text('[output]\nwords = "log"\n[words]\nfiles = ["words.txt"]\n')
    assert "–" in CliRunner().invoke(app, command).output
