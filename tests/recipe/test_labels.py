"""What `groundup labels` finds: figures counted here once more, from the rows themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundup.errors import SettingError
from groundup.recipe.data import tokenizer_for_rows
from groundup.recipe.labels import inspect_labels
from groundup.recipe.settings import load_recipe
from groundup.tokens.learned_tokens import mark_row

ROWS = [{"instruction": f"Name {n}", "input": "", "output": f"It is {'so ' * (n % 3)}{n}."} for n in range(30)]
PAIRS = [{"prompt": f"Name {n}", "chosen": f"It is {n}.", "rejected": f"No {n} at all!"} for n in range(30)]


@pytest.fixture
def recipe(tmp_path: Path, tiny_base: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    path = tmp_path / "tune.toml"
    path.write_text(
        f"""
        [data]
        source = "{tmp_path / "rows.jsonl"}"
        [model]
        base = "{tiny_base}"
        max_seq_len = 120
        [training]
        objective = "instruction"
        batch_size = 4
        """,
        encoding="utf-8",
    )
    return path


def labels_of(recipe: Path, num_shown: int = 3, **overrides: Any) -> dict[str, Any]:
    settings = load_recipe(str(recipe), {name.replace("__", "."): value for name, value in overrides.items()})
    return inspect_labels(settings, recipe.name, Path(), num_shown, lambda line: None)


def test_figures_are_those_of_the_rows(recipe: Path) -> None:
    found = labels_of(recipe)
    tokenizer = tokenizer_for_rows(load_recipe(str(recipe)), Path())
    assert tokenizer.chat_template is not None
    marked = {tuple(mark_row(row, "", tokenizer, tokenizer.chat_template, 120)[0].ids) for row in ROWS}
    assert found["examples"]["train"] + found["examples"]["validation"] == found["read"] == 30
    assert sum(one["rows"] for one in found["lengths"]) == found["examples"]["train"]
    for one in found["lengths"]:
        assert one["to"] == 2 * one["from"] - 1
    tokens = found["tokens"]
    assert tokens["learned"] + tokens["masked"] == tokens["train"]
    assert found["stop"] == {"token": "<|endoftext|>", "examples": found["examples"]["train"]}
    assert (found["template"], found["unit"], found["problem"], found["done"]) == ("alpaca", "examples", "", [])
    assert len(found["shown"]) == 3
    for example in found["shown"]:
        (row,) = example["rows"]
        ids = tuple(number if learned else ~number for number, _, learned, _ in row["tokens"])
        assert ids in marked
        text = "".join(text for _, text, _, _ in row["tokens"])
        assert text == tokenizer.decode([number for number, *_ in row["tokens"]], skip_special_tokens=False)
        said = "".join(text for _, text, learned, _ in row["tokens"] if learned)
        assert text.startswith("Below is an instruction")
        assert said.startswith("It is ")
        assert said.endswith(".<|endoftext|>")
        assert row["learned"] == sum(learned for _, _, learned, _ in row["tokens"])
        assert [text for _, text, _, special in row["tokens"] if special] == ["<|endoftext|>"]
    json.dumps(found)


def test_pairs_stand_one_beside_the_other(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, PAIRS)), encoding="utf-8")
    found = labels_of(recipe, data__source=str(tmp_path / "pairs.jsonl"), training__objective="preference")
    assert found["unit"] == "pairs"
    for example in found["shown"]:
        assert [row["name"] for row in example["rows"]] == ["chosen", "rejected"]
        said = ["".join(text for _, text, learned, _ in row["tokens"] if learned) for row in example["rows"]]
        assert said[0].startswith("It is ")
        assert said[1].startswith("No ")
    assert sum(one["rows"] for one in found["lengths"]) == 2 * found["examples"]["train"]


def test_what_was_dropped_is_named_and_what_is_refused_is_shown_all_the_same(recipe: Path, tmp_path: Path) -> None:
    rows = [*ROWS, {"prompt": "Long", "completion": "long " * 200}, {"prompt": "None"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = labels_of(recipe, data__skip_bad=True, training__batch_size=30, training__max_steps=5)
    place = f"{tmp_path / 'rows.jsonl'}, line"
    dropped, left_out = found["done"]
    assert (dropped["kind"], dropped["count"], dropped["places"]) == ("dropped", 1, [f"{place} 31"])
    assert (left_out["kind"], left_out["count"]) == ("left out", 1)
    assert left_out["places"][0].startswith(f"{place} 32")
    assert "fewer than training.batch_size = 30" in found["problem"]
    assert len(found["shown"]) == 3


def test_rows_longer_than_the_base_reads_are_refused_as_in_training(recipe: Path) -> None:
    with pytest.raises(SettingError, match=r"model\.max_seq_len = 129: .* has a context of 128 tokens; use at most so"):
        labels_of(recipe, model__max_seq_len=129)


@pytest.mark.parametrize("packing", ["stream", "best_fit", "documents"])
def test_of_a_text_every_token_is_learned(tiny_recipe: Path, packing: str) -> None:
    settings = load_recipe(str(tiny_recipe), {"data.packing": packing})
    found = inspect_labels(settings, "tiny", Path(), 4, lambda line: None)
    assert found["note"].startswith("Every token of the text carries loss, the token that ends each document included:")
    assert (found["tokens"]["masked"], found["teach_nothing"], found["template"]) == (0, 0, "")
    assert found["tokens"]["learned"] in (found["tokens"]["train"], found["tokens"]["train"] - 1)
    for example in found["shown"]:
        (row,) = example["rows"]
        assert [learned for _, _, learned, _ in row["tokens"]] == [False] + [True] * (len(row["tokens"]) - 1)
    assert len(found["shown"]) == 4
    assert labels_of(tiny_recipe, 0)["shown"] == []


def test_a_text_for_a_base(recipe: Path, text_file: Path) -> None:
    found = labels_of(recipe, data__source=str(text_file), training__objective="language_model")
    assert (found["unit"], found["tokens"]["masked"]) == ("documents", 0)
    assert np.isclose(found["plan"]["padding_share"], 0.0)


def test_torch_is_not_loaded(recipe: Path) -> None:
    program = (
        "import sys; from groundup.cli.main import app; app(sys.argv[1:], standalone_mode=False); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, "labels", str(recipe)], capture_output=True, text=True)
    assert done.stdout.endswith("\nFalse\n"), done.stdout + done.stderr
