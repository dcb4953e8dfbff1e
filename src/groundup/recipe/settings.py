"""`Recipe`: all sections together, and how a recipe is found, overridden and checked. Imports no torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from groundup.config import (
    build,
    check_keys,
    from_dotted,
    is_unicode,
    merge,
    parse_overrides,
    read_toml,
    require,
    write_toml,
)
from groundup.errors import RunError, SettingError
from groundup.evaluation.settings import EvaluationSettings
from groundup.generation.settings import GenerationSettings
from groundup.model.settings import ModelSettings, with_preset
from groundup.recipe.fine_tuning import (
    check_base,
    check_no_base,
    require_of_the_recipe,
    with_fine_tuning_defaults,
    without_what_is_for_another,
)
from groundup.recipe.private_settings import check_private
from groundup.run.directory import MANIFEST_FILE, RECIPE_FILE, RunDirectory
from groundup.text.catalogue import CATALOGUE
from groundup.text.settings import DataSettings
from groundup.text.standard_input import is_standard_input
from groundup.tokens.settings import TokenizerSettings
from groundup.training.parallel_settings import ParallelSettings
from groundup.training.settings import TrainingSettings, parts_of_batch


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run does; one TOML file."""

    data: DataSettings = field(default_factory=DataSettings)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    parallel: ParallelSettings = field(default_factory=ParallelSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    generation: GenerationSettings = field(default_factory=GenerationSettings)

    def __post_init__(self) -> None:
        require(
            self.training.length_warmup_fraction == 0 or self.data.packing != "documents",
            "training.length_warmup_fraction",
            self.training.length_warmup_fraction,
            "use 0 with data.packing = 'documents', whose rows have lengths of their own, or another packing",
        )
        if self.training.privacy.on:
            check_private(self)
            require(
                self.parallel.strategy == "single",
                "parallel.strategy",
                self.parallel.strategy,
                "use single with training.privacy: each process would draw rows and noise of its own",
            )
        require(
            self.parallel.strategy == "single" or not any(map(is_standard_input, _sources(self.data))),
            "data.source",
            self.data.source,
            "of several processes only the first would find something in standard input: write it to a file, and name that",
        )
        require(
            self.parallel.strategy != "fsdp" or not self.training.compile,
            "training.compile",
            self.training.compile,
            "use false with parallel.strategy = 'fsdp', whose gathering of weights was not tried compiled, or 'ddp'",
        )
        require(
            self.data.canaries.count == 0 or self.training.objective == "language_model",
            "data.canaries.count",
            self.data.canaries.count,
            f"use 0 with training.objective = {self.training.objective!r}: canaries are planted in a text, not in rows",
        )
        if self.model.base:
            check_base(self)
        else:
            check_no_base(self.training.method, self.training.objective)


def _sources(data: DataSettings) -> list[str]:
    """All that is read, to train on or to hold out."""
    given = (data.source, data.validation_source)
    return [source for some in given for source in ([some] if isinstance(some, str) else some)]


def shipped_recipes() -> dict[str, Path]:
    """The recipes that travel inside the package, by name."""
    folder = resources.files("groundup") / "recipes"
    return {
        Path(str(file)).stem: Path(str(file))
        for file in sorted(folder.iterdir(), key=str)
        if str(file).endswith(".toml")
    }


def find_recipe(name: str) -> Path:
    """A shipped recipe's name or the path of a TOML file, as a path."""
    shipped = shipped_recipes()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.is_dir() and (path / "recipe.toml").is_file():
        return path / "recipe.toml"
    if path.is_file() and path.suffix == ".toml":
        return path
    if path.exists():
        what = "a folder without a recipe.toml" if path.is_dir() else "no TOML file"
        raise SettingError(
            "recipe",
            name,
            f"this is {what}; name a TOML file, a run's folder, or one of: {', '.join(shipped)} (a text to train on goes "
            f"behind it: data.source={name})",
        )
    if name in CATALOGUE:
        raise SettingError(
            "recipe",
            name,
            f"this is a text of the catalogue; train on it by a recipe: groundup train shakespeare data.source={name}",
        )
    close = difflib.get_close_matches(name, list(shipped), n=1)
    hint = f"did you mean {close[0]}?" if close else f"shipped recipes: {', '.join(shipped)}"
    raise SettingError("recipe", name, f"there is no such file or shipped recipe; {hint}")


def load_recipe(name: str, overrides: Iterable[str] | Mapping[str, Any] = ()) -> Recipe:
    """Read a recipe by name or path and lay overrides over it (`["a.b=1"]`, or `{"a.b": 1}` from Python).

    An override of `training.method` or `training.objective` leaves the file's learning rate aside, which is for another one.
    """
    file_values = read_toml(find_recipe(name))
    check_keys(Recipe, file_values)
    if isinstance(overrides, Mapping):
        override_values = from_dotted(Recipe, overrides)
    else:
        override_values = parse_overrides(Recipe, overrides)
    asked = override_values.get("training", {})
    if not isinstance(asked, Mapping):
        asked = {}  # `build_recipe` says what is wrong with it
    if "max_steps" in asked and "epochs" not in asked:
        override_values["training"] = {**asked, "epochs": 0.0}  # said last, it counts, whatever the file says of epochs
    of_file = file_values.get("training", {})
    if isinstance(of_file, Mapping):
        file_values = {**file_values, "training": without_what_is_for_another(of_file, asked)}
    return build_recipe(merge(Recipe, file_values, override_values))


def default_run(recipe: str) -> Path:
    """`runs/<name>`: the recipe file's name, or the folder's for a run's own recipe.toml."""
    path = find_recipe(recipe)
    if path.name == RECIPE_FILE and (path.parent / MANIFEST_FILE).exists():
        return path.parent
    return Path("runs") / path.stem


def check_start(recipe: str, settings: Recipe, run: Path | None, resume: bool) -> RunDirectory:
    """The run's folder; raises `RunError` if it cannot be begun, or gone on with, there."""
    directory = RunDirectory(run or default_run(recipe))
    if not is_unicode(str(directory.path)):
        raise RunError(f"{directory.path!r} is not valid Unicode text; name another folder with --run DIR")
    if not (resume and directory.started):
        directory.require_empty(begun_texts(settings))
    return directory


def begun_texts(settings: Recipe) -> list[str]:
    """What a run that these settings begin may write as its recipe: with a memory budget, in as many parts as the budget asks for."""
    training = settings.training
    parts = parts_of_batch(training) if training.memory_budget else [training.accumulation_steps]
    return [write_toml(replace(settings, training=replace(training, accumulation_steps=one))) for one in parts]


def sources_folder(recipe: str, directory: RunDirectory) -> Path:
    """Where relative sources begin: where the run, or the run whose recipe this is, was begun; else here."""
    return next(
        (run.working_folder() for run in (directory, RunDirectory(find_recipe(recipe).parent)) if run.started), Path()
    )


def build_recipe(values: Mapping[str, Any]) -> Recipe:
    """Plain nested values to a checked recipe; the model's preset fills in what the recipe leaves open."""
    check_keys(Recipe, values)
    values = dict(values)
    model, training = values.get("model", {}), values.get("training", {})
    if isinstance(model, Mapping) and isinstance(training, Mapping):
        if model.get("base"):
            require_of_the_recipe(model)
            values["training"] = with_fine_tuning_defaults(training)
        else:
            check_no_base(training.get("method"), training.get("objective"))  # before what they rule out beside them
            values["model"] = with_preset(model)
    return build(Recipe, values)
