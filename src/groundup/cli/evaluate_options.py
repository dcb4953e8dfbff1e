"""Which options of `groundup evaluate` go together: each way to measure a model has its own."""

from __future__ import annotations

from collections.abc import Mapping

from groundup.errors import SettingError

WAYS: dict[str, tuple[set[str], str]] = {
    "--task": ({"--against"}, "a task says itself what is asked"),
    "--predictions": ({"--references"}, "these were written before, and are held against references"),
    "--against": ({"--data", "--window", "--references", "--max-new-tokens"}, "two models are compared by all figures"),
    "--references": ({"--max-new-tokens"}, "what is written is measured, not a text"),
    "": ({"--data", "--metrics", "--window", "--by", "--samples"}, "texts are written with --references only"),
}
"""By the option that each is asked for with, the first that is given: what goes with it, and why nothing else does."""


def require_one_way(model: str | None, given: Mapping[str, object]) -> None:
    """Hold the options to the first of the `WAYS` that they ask for. Raises `SettingError` for a model that is missing or too much, and
    for options that don't go together."""
    way = next(name for name in WAYS if name in given or not name)
    if way == "--predictions" and "--references" not in given:
        raise SettingError(way, str(given[way]), "name what to hold them against with --references")
    if way == "--predictions" and model is not None:
        raise SettingError(way, str(given[way]), "these were written before, so leave out the model")
    if way != "--predictions" and model is None:
        raise SettingError("MODEL", "", "name a model: a run's folder, a Hugging Face directory, a .gguf file")
    takes, why = WAYS[way]
    if way == "--against":  # a text or what is written, not both
        takes = WAYS["--references"][0] | {"--references"} if "--references" in given else takes - {"--max-new-tokens"}
    for name, value in given.items():
        if name != way and name not in takes:
            shown = value if isinstance(value, int | list) else str(value)
            raise SettingError(name, shown, f"{why}; leave it out{f' with {way}' if way else ''}")
    if "--samples" in given and (given.get("--by") != "language" or "--data" in given):
        raise SettingError("--samples", given["--samples"], "texts are written with --by language only; leave it out")
