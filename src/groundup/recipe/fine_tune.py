"""`fine_tune_pretrained_model`: a trained model and rows in Python, in one call."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from groundup.config import from_dotted
from groundup.errors import DataError, SettingError
from groundup.files import replacing
from groundup.language_model.adapters import with_bases
from groundup.language_model.locate import find_model
from groundup.model.directory import read_config
from groundup.model.transformer import Transformer
from groundup.recipe.settings import Recipe
from groundup.recipe.train import train
from groundup.run.directory import DATA_FOLDER, RunDirectory
from groundup.run.files import explain_os_errors, write_atomic
from groundup.text.conversations import kind_of_row
from groundup.tokens.tokenizer import Tokenizer

DEFAULTS: dict[str, Any] = {
    "training.epochs": 3,
    "training.batch_size": 4,
    "training.learning_rate": 5e-5,
    "training.weight_decay": 0.01,
    "training.warmup_steps": 100,
    "training.eval_steps": 500,
    "training.save_steps": 1000,
    "training.logging_steps": 100,
    "training.sample_tokens": 0,
}
LONGEST_ROW = 1024
"""Tokens of a training row, where the model's context is longer."""
Rows = str | Path | Iterable[str | Mapping[str, Any]]


def fine_tune_pretrained_model(
    model_name: str | Path,
    train_dataset: Rows,
    val_dataset: Rows,
    output_dir: str | Path = "./fine-tuned-model",
    settings: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Transformer, Tokenizer]:
    """Tune all weights of a model on rows, and give back the best one by validation loss with its tokenizer.

    `model_name`: whatever `groundup.load` opens. A dataset is a path that a recipe's data.source could name, or rows: texts,
    `{"text": …}`, `{"input_ids": […]}` (with `"labels"`, -100 for those without loss), or conversations in any form that
    instruction tuning reads, or pairs of a chosen and a rejected answer; a Hugging Face dataset is such rows.
    `output_dir` becomes a run: checkpoints, curves, `report.html`, and the model in `model/`.

    Three epochs of batches of 4 at a learning rate of 5e-5 that falls in a line after 100 steps, weight decay 0.01, dropout as the
    model has it; measured every 500 steps, saved every 1,000, logged every 100. `settings` are a recipe's and go first:
    `{"training.epochs": 1, "training.method": "lora"}`. Raises a `GroundupError` that says what to do.
    """
    if not isinstance(settings or {}, Mapping):
        raise SettingError("settings", settings, 'give a mapping, e.g. {"training.epochs": 1}')
    if not isinstance(model_name, str | Path):
        raise DataError(f"model_name is a {type(model_name).__name__}: give a model's name or its path")
    directory = Path(output_dir)
    RunDirectory(directory).require_empty()
    config = read_config(with_bases(find_model(model_name))[-1])
    values: dict[str, Any] = {"model.base": str(model_name), **DEFAULTS}
    values |= {"model.max_seq_len": min(config.max_seq_len, LONGEST_ROW), "model.dropout": config.dropout}
    forms = set()
    for key, name, rows in (
        ("data.source", "train_dataset", train_dataset),
        ("data.validation_source", "val_dataset", val_dataset),
    ):
        if isinstance(rows, str | Path):
            values[key] = str(Path(rows).absolute()) if Path(rows).exists() else str(rows)
            continue
        path = directory.absolute() / DATA_FOLDER / f"{name}.jsonl"
        forms |= _write_rows(rows, path, name)
        values[key] = str(path)
    if forms == {"text"}:
        values["data.packing"] = "documents"
    elif forms:
        values["training.objective"] = "preference" if forms == {"preference"} else "instruction"
    values |= settings or {}
    if "training.max_steps" in values and "training.epochs" not in (settings or {}):
        del values["training.epochs"]  # whoever says how many steps means them
    if values.get("training.objective") == "preference" and "training.learning_rate" not in (settings or {}):
        del values["training.learning_rate"]  # pairs need a far smaller one, which is the recipe's own default
    recipe = directory / DATA_FOLDER / "recipe.toml"
    nested = from_dotted(Recipe, values)
    with explain_os_errors(recipe):
        recipe.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(recipe, tomli_w.dumps(nested))
    language_model = train(recipe, run=directory, say=say).load()
    return language_model.model, language_model.tokenizer


def _write_rows(rows: Iterable[str | Mapping[str, Any]], path: Path, name: str) -> set[str]:
    """Write rows as JSON lines; what kinds of rows there are, "" for none of the formats."""
    if (
        not isinstance(rows, Iterable) or isinstance(rows, Mapping) or hasattr(rows, "iterrows")
    ):  # of pandas, which gives columns
        raise DataError(f"{name} is a {type(rows).__name__}: give a list of texts or of rows, or a path")
    kinds: set[str] = set()
    number = 0
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            for number, row in enumerate(rows, start=1):
                values = {"text": row} if isinstance(row, str) else row
                if not isinstance(values, Mapping):
                    raise DataError(
                        f"{name}, row {number:,} is {reprlib.repr(row)}, a {type(row).__name__}: give texts, or rows such as "
                        "{'text': …}, {'input_ids': […]} or {'instruction': …, 'output': …}"
                    )
                kinds.add(_kind(values))
                try:
                    line = json.dumps(dict(values), default=_plain)
                except (TypeError, ValueError) as error:
                    raise DataError(
                        f"{name}, row {number:,} holds what is no JSON ({error}): give texts and numbers"
                    ) from None
                file.write(line.encode() + b"\n")
    if not number:
        raise DataError(f"{name} has no rows: give at least one")
    return kinds


def _kind(row: Mapping[str, Any]) -> str:
    """What a row is; one of no format, or of two, is told with its place when the rows are read."""
    try:
        return kind_of_row(row)
    except DataError:
        return ""


def _plain(value: Any) -> Any:
    """Arrays and tensors as lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__}")
