"""What a recipe with `model.base` means: defaults that suit a trained model, and what such a recipe can't say. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from groundup.config import as_plain, require
from groundup.errors import SettingError
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import ModelSettings
from groundup.tokens.settings import TokenizerSettings
from groundup.training.settings import PreferenceSettings, TrainingSettings

if TYPE_CHECKING:
    from groundup.recipe.settings import Recipe

OF_THE_RECIPE = ("base", "max_seq_len", "dropout")
"""What the [model] section says where there is a base; the rest is the base's."""
FINE_TUNING: dict[str, Any] = {
    "optimizer": "adamw",
    "beta2": 0.999,
    "weight_decay": 0.01,
    "schedule": "linear",
}
"""As the published fine-tuning scripts have it: small steps of AdamW, down in a line."""
LEARNING_RATES = {
    ("language_model", "full"): 5e-5,
    ("language_model", "lora"): 2e-4,
    ("instruction", "full"): 2e-5,
    ("instruction", "lora"): 2e-4,
    ("preference", "full"): 1e-6,
    ("preference", "lora"): 1e-5,
}
"""A trained model is damaged by steps that a new one needs; adapters start from nothing and bear larger ones."""


def kind_of(training: Mapping[str, Any]) -> dict[str, Any]:
    """The objective and the method of the plain values of a [training] section: what it says, or what is usual."""
    usual = TrainingSettings()
    return {name: training.get(name, getattr(usual, name)) for name in ("objective", "method")}


def without_what_is_for_another(of_file: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's [training] section without its learning rate where another objective or method is asked for, and without its adapters
    where it is another method: a rate for adapters would ruin a whole model."""
    there, left = kind_of(of_file), dict(of_file)
    others = [name for name, value in there.items() if asked.get(name, value) != value]
    if others:
        left.pop("learning_rate", None)
    if "method" in others:
        left.pop("lora", None)
    return left


def with_fine_tuning_defaults(training: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a [training] section laid over those that suit a model that is trained already."""
    objective, method = map(str, kind_of(training).values())
    kind = (objective, method)
    values = {**FINE_TUNING, "learning_rate": LEARNING_RATES.get(kind, 5e-5), **training}
    lora = training.get("lora", {})
    if objective == "preference" and isinstance(lora, Mapping):  # the model is compared with one that has no dropout
        values["lora"] = {"dropout": 0.0, **lora}
    return values


def require_of_the_recipe(model: Mapping[str, Any]) -> None:
    """Raise `SettingError` if the plain values of a [model] section with a base say what the base decides. What a run wrote into
    its own recipe, where nothing was said, is what a section without a word has."""
    unsaid = as_plain(ModelSettings())
    for name, value in model.items():
        if name not in OF_THE_RECIPE and name in unsaid and value != unsaid[name]:
            raise SettingError(f"model.{name}", value, f"leave it out: {model['base']} decides it (model.base)")


def check_base(recipe: Recipe) -> None:
    """Raise `SettingError` for what a recipe can't ask for when it starts from a model."""
    model, training = recipe.model, recipe.training
    if recipe.tokenizer != TokenizerSettings():
        raise SettingError(
            "tokenizer.kind",
            recipe.tokenizer.kind,
            f"leave out [tokenizer]: {model.base} comes with its own (model.base)",
        )
    if training.objective == "language_model":
        return
    for name, value, usual in (
        ("data.fim_rate", recipe.data.fim_rate, 0.0),
        ("data.language_tags", recipe.data.language_tags, False),
        ("data.weights", recipe.data.weights, {}),
        ("data.temperature", recipe.data.temperature, 1.0),
        ("training.length_warmup_fraction", training.length_warmup_fraction, 0.0),
    ):
        require(
            value == usual, name, value, f"leave it out: it is for texts, not for objective = {training.objective!r}"
        )
    require(
        training.objective == "instruction" or recipe.data.packing != "best_fit",
        "data.packing",
        recipe.data.packing,
        "leave it out: pairs are rows of their own",
    )


def settings_in_vain(training: TrainingSettings) -> Iterator[str]:
    """Settings that were filled in for what the recipe doesn't have or do; a line of warning for each."""
    if training.epochs and training.max_steps != TrainingSettings().max_steps:
        yield (
            f"warning: training.max_steps = {training.max_steps} changes nothing with training.epochs = {training.epochs:g}: leave "
            "one of them out"
        )
    lora = LoraSettings(dropout=0.0) if training.objective == "preference" else LoraSettings()
    for section, there, usual, name, asked, wanted in (
        ("lora", training.lora, lora, "method", training.method, "lora"),
        ("preference", training.preference, PreferenceSettings(), "objective", training.objective, "preference"),
    ):
        if asked != wanted and there != usual:
            yield (
                f"warning: [training.{section}] changes nothing with training.{name} = {asked!r}: leave it out, or use {wanted!r}"
            )


def check_no_base(method: object, objective: object) -> None:
    """Raise `SettingError` for what needs a model to start from."""
    advice = 'name the model that it starts from: model.base = "smollm2-135m-instruct"'
    require(method != "lora", "training.method", method, advice)
    require(objective not in ("instruction", "preference"), "training.objective", objective, advice)
