"""The page on fine-tuning says what the code does: its defaults, its tables, its links."""

from __future__ import annotations

import inspect
import re
import tomllib
from dataclasses import asdict, fields
from pathlib import Path

from groundup.config import as_plain
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import ModelSettings
from groundup.recipe.fine_tune import DEFAULTS, fine_tune_pretrained_model
from groundup.recipe.fine_tuning import FINE_TUNING, LEARNING_RATES, OF_THE_RECIPE
from groundup.recipe.settings import build_recipe
from groundup.training.objectives.preference import FIGURES
from groundup.training.settings import TrainingSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, list[str]]:
    """The first table after a text: its rows' other cells by the first, without backticks."""
    after = TEXT[TEXT.index(heading) :]
    lines = after[after.index("\n|") + 1 :].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return {name: cells for name, *cells in rows}


def test_tables_hold_the_defaults() -> None:
    model = as_plain(ModelSettings())
    assert set(table("Of `[model]` the recipe says only")) == set(OF_THE_RECIPE)
    assert [row[-1] for row in table("Of `[model]` the recipe says only").values()][1:] == [
        str(model["max_seq_len"]),
        f"{model['dropout']:g}",
    ]
    lora = table("`[training.lora]`:")
    assert set(lora) == {field.name for field in fields(LoraSettings)}
    for name, value in asdict(LoraSettings()).items():
        shown = lora[name][-1].strip('"')
        assert shown == (str(value).lower() if isinstance(value, bool | str) else f"{value:g}")
    scratch = as_plain(TrainingSettings())
    for name, (tuned, new) in table("With a base, these are the defaults").items():
        assert (tuned, new) == tuple(str(value).strip() for value in (FINE_TUNING[name], scratch[name]))
    rates = table("`learning_rate`:")
    for (objective, method), rate in LEARNING_RATES.items():
        assert float(rates[objective][method == "lora"]) == rate
    named = {name for row in table("Logged at each step") for name in row.replace("`", "").split(", ")}
    assert named == set(FIGURES)


def test_the_function_is_as_shown() -> None:
    parameters = inspect.signature(fine_tune_pretrained_model).parameters.values()
    shown = re.search(r"```python\nfine_tune_pretrained_model\((.*?)\)\n```", TEXT, re.DOTALL)
    assert shown is not None
    plain = [
        parameter.name if parameter.default is parameter.empty else f"{parameter.name}={said(parameter.default)}"
        for parameter in parameters
    ]
    assert " ".join(shown[1].split()) == ", ".join(plain)
    rows = table("`output_dir` becomes a run")
    for name, value in DEFAULTS.items():
        cells = next(cells for names, cells in rows.items() if name.partition(".")[2] in names)
        assert re.search(rf"\b{value:g}\b".replace("5e-05", "5e-5"), cells[0]), name


def said(value: object) -> str:
    return "print" if value is print else f'"{value}"' if isinstance(value, str) else str(value)


def test_the_recipe_is_one() -> None:
    recipe = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert recipe is not None
    assert build_recipe(tomllib.loads(recipe[1])).training.method == "lora"


def test_links_and_files_are_there() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    assert [link for link in links if not (ROOT / "docs" / link.partition("#")[0]).exists()] == []
    files = re.findall(r"`(?:python )?((?:tests|docs)/[\w/]+\.py)`", TEXT)
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []
