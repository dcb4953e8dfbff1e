"""`groundup plan`."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundup.cli.loading import loading, removed_when_ended
from groundup.errors import SettingError

if TYPE_CHECKING:
    from rich.table import Table

    from groundup.recipe.accelerators import Accelerator
    from groundup.recipe.settings import Recipe

QUIET = 0.75
"""Of the time of as many cores as there are threads, what steps get on a machine that does nothing else, at the least."""
IN_PART = "Some of that takes too long to be done whole in a plan: a part of it was done, and tells of all (docs/planning.md)."


RecipeName = Annotated[str, typer.Argument(help="A shipped recipe's name, a TOML file, or a run's folder.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Settings to change, as section.key=value.", show_default=False)
]
On = Annotated[
    str | None,
    typer.Option(
        help="Plan for this accelerator (h100, a100-80gb, rtx-4090, …), not for this machine.", show_default=False
    ),
]
Minutes = Annotated[
    float | None, typer.Option(help="Find the largest network that is trained well in so long.", show_default=False)
]
MostMemory = Annotated[
    str | None,
    typer.Option(
        help="Find the largest network that is trained in so much, e.g. 8GB; with --minutes, in both.",
        show_default=False,
    ),
]


def plan(
    recipe: RecipeName,
    overrides: Overrides = None,
    on: On = None,
    count: Annotated[int, typer.Option(help="So many of them.")] = 1,
    minutes: Minutes = None,
    memory: MostMemory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a recipe will take before its first step: parameters, arithmetic, memory, time, energy.

    On this machine some steps are taken, for 7 to 20 seconds; of networks of nearly a billion parameters for half a minute.
    Nothing is fetched, prepared or kept.

    Examples:

        groundup plan shakespeare

        groundup plan shakespeare --minutes 15

        groundup plan my-recipe.toml --on h100 --count 8
    """
    from groundup.config import read_bytes
    from groundup.recipe.accelerators import find_accelerator
    from groundup.recipe.settings import default_run, load_recipe, sources_folder
    from groundup.run.directory import RunDirectory
    from groundup.text.sources import check_sources

    settings = load_recipe(recipe, overrides or [])
    card = None if on is None else find_accelerator(on)
    _check_count(count, settings, card)
    folder = sources_folder(recipe, RunDirectory(default_run(recipe)))
    check_sources(settings.data, folder)
    with loading():
        from groundup.recipe import budget
        from groundup.recipe.plan import describe, find_config, find_sizes, plan_elsewhere, plan_here

    budget.check_minutes(minutes)
    most = None if memory is None else read_bytes("--memory", memory)
    started = time.process_time()
    sizes, data = find_sizes(settings, folder)
    config = find_config(settings, folder, sizes.vocab_size)
    asked = minutes is not None or most is not None
    if settings.model.base and asked:
        raise SettingError("model.base", settings.model.base, "its shape is given: leave out --minutes and --memory")
    found = {"recipe": recipe, "overrides": overrides or [], **describe(settings, sizes, config)}
    rank = budget.rank_of_any_size(settings.training, config, card, count)
    if card is not None:
        found["elsewhere"] = plan_elsewhere(settings, sizes, config, card, count)
        speed = found["elsewhere"]["reached_flops"]
    else:
        with removed_when_ended():
            found["here"] = plan_here(settings, folder, sizes, data, started=started)
        speed = found["here"].get("flops_per_second", 0.0)
        if found["here"]["too_large"]:
            found["here"]["fits"] = budget.fitting_here(settings, sizes, config)
            found["here"]["otherwise"] = "a smaller model.base" if settings.model.base else "nothing of its family"
    if asked and not speed:
        advice = "it is too large for this machine to measure its speed: begin with a smaller one"
        raise SettingError("model", recipe, advice)
    if asked:
        shape_for = partial(budget.shape_for, settings, sizes, config, minutes, most, rank=rank, card=card)
        if card is None and minutes is not None:
            own = partial(_with_shape, recipe, overrides or [])
            with removed_when_ended():
                found["shape_for_budget"] = budget.shape_timed_here(shape_for, speed, minutes, own, folder)
        else:
            found["shape_for_budget"] = shape_for(speed)
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)


def _check_count(count: int, settings: Recipe, card: Accelerator | None) -> None:
    """Raise `SettingError` for so many cards, if none are named or some would have nothing to read."""
    if count < 1 or (count > 1 and card is None):
        advice = "use a whole number of at least 1" if count < 1 else "it goes with --on, which names an accelerator"
        raise SettingError("--count", count, advice)
    if count > 1 and settings.training.privacy.on:
        raise SettingError("--count", count, "use 1 with training.privacy, which one process trains with")
    rows = settings.training.batch_size // settings.training.accumulation_steps
    if count > rows:
        has = f"a part of a batch has {rows} row{'s' * (rows > 1)}"
        advice = f"{has}, and each card reads one: use at most so many, or a larger training.batch_size"
        raise SettingError("--count", count, advice)


def _with_shape(recipe: str, overrides: list[str], shape: list[str]) -> Recipe:
    from groundup.recipe.settings import load_recipe

    return load_recipe(recipe, [*overrides, *shape])


def _show(found: Mapping[str, Any]) -> None:
    from groundup.cli.tables import print_table
    from groundup.report.pages import count, duration, figure, size

    rows = [
        (name.replace("_", " "), count(number))
        for name, number in found["parameters"].items()
        if number and name != "total"
    ]
    rows.append(("parameters", count(found["parameters"]["total"] + found["parameters"].get("adapters", 0))))
    if found["trained"] != found["parameters"]["total"]:
        rows.append(("of these trained", count(found["trained"])))
    print_table(_table(("parameters by part", ""), rows))
    print()
    parts = found["here" if "here" in found else "elsewhere"]["accumulation_steps"]
    rows = [
        ("steps", count(found["max_steps"])),
        ("tokens a step", f"{count(found['tokens_a_step'])}{f', read in {parts} parts' if parts > 1 else ''}"),
        ("tokens in all", f"{count(found['tokens'])}, {found['epochs']:g} times the text"),
        ("arithmetic a step", f"{figure(found['flops_a_step'], 3)} operations"),
        ("arithmetic in all", f"{figure(found['flops'], 3)} operations"),
        ("keys and values of a text as long as the context", size(found["cache_bytes_a_text"])),
    ]
    print_table(_table(("training", ""), rows))
    for line in found["assumed"]:
        print(f"assumed: {line}")
    print()
    if "here" in found:
        _show_here(found["here"])
    else:
        _show_elsewhere(found["elsewhere"])
    if "shape_for_budget" in found:
        shape = found["shape_for_budget"]
        print(f"\nlargest for this budget ({shape['limited_by']}): {count(shape['parameters'])} parameters")
        whole = f", all in all {duration(shape['seconds'])}, by steps of its own" if "seconds" in shape else ""
        print(f"  steps {duration(shape['seconds_of_steps'])}{whole}; memory {size(shape['memory_bytes'])}, worked out")
        for line in shape["notes"]:
            print(f"  {line}")
        print(f"  groundup train {shlex.join([found['recipe'], *found['overrides'], *shape['overrides']])}")


def _show_here(here: Mapping[str, Any]) -> None:
    from groundup.cli.tables import print_table
    from groundup.report.pages import count, duration, size

    if here["too_large"]:
        needed, there = size(here["estimated_memory"]["total"]), size(here["machine_bytes"])
        print(f"too large for this machine: it takes about {needed} of memory, and there are {there}")
        print(f"what would fit: {' '.join(here['fits']) or here['otherwise']}")
        return
    print_table(_memory_table({"estimated": here["estimated_memory"]}))
    print()
    in_part = here["measured"]["cut"]
    rows = [(name, duration(seconds)) for name, seconds in here["seconds_by_part"].items()]
    rows += [
        ("all in all", duration(here["seconds"])),
        ("tokens a second", count(here["tokens_per_second"])),
        (f"memory at most, {'measured or worked out' if in_part else 'as measured'}", size(here["memory_bytes"])),
        ("energy", here["energy"]),
    ]
    measured = "measured in part" if in_part else "measured"
    print_table(_table((f"on this machine ({here['device']}), {measured}", ""), rows))
    if in_part:
        print(IN_PART)
    for line in here["notes"]:
        print(line)
    if here["measured"]["cores_share"] < QUIET:
        print(
            f"others were at work: the steps got {here['measured']['cores_share']:.0%} of their cores' time, and take less without them"
        )


def _show_elsewhere(elsewhere: Mapping[str, Any]) -> None:
    from groundup.cli.tables import print_table
    from groundup.report.pages import count, duration, figure, size

    card, number = elsewhere["accelerator"], elsewhere["count"]
    print_table(_memory_table(elsewhere["memory"]))
    print()
    strategy = elsewhere["strategy"] or (
        f"does not fit as it is: {' '.join(elsewhere['advice'])}" if elsewhere["advice"] else "does not fit"
    )
    rows = [
        ("all steps", duration(elsewhere["seconds"])),
        ("tokens a second", count(elsewhere["tokens_per_second"])),
        ("energy", f"{figure(elsewhere['joules'] / 3.6e6, 3)} kWh, cards alone at their {card['watts']:g} W"),
        ("fits", f"{strategy}, in {size(card['memory'])} each"),
    ]
    print_table(_table((f"{number} × {card['name']}", ""), rows))
    print(
        "Small networks don't fill a card: the time is what their layers took on one at the least (docs/gpu.md)."
        if elsewhere["waits_for_the_host"]
        else f"The time takes each card to reach {elsewhere['reached_flops'] / number / 1e12:.3g} TFLOP/s, the share of its datasheet that "
        "ours reached on an H100 (docs/gpu.md): it is no measurement of this card."
    )
    if elsewhere["unevenness"] > 1 and not elsewhere["waits_for_the_host"]:
        print(
            f"The rows of a part don't come out even over {number} cards: some wait for others, and a step takes "
            f"{figure(elsewhere['unevenness'], 3)} times as long as if they did."
        )


def _memory_table(memory: Mapping[str, Mapping[str, Any]]) -> Table:
    """By kind, a column for each way."""
    from rich.table import Table

    from groundup.report.pages import size

    table = Table("memory of a process, by kind", *memory, box=None, padding=(0, 2, 0, 0))
    kinds = [kind for kind in next(iter(memory.values())) if kind not in ("moment", "total")]
    for kind in (*kinds, "total"):
        if any(one[kind] for one in memory.values()):
            table.add_row(kind, *(size(one[kind]) for one in memory.values()))
    table.add_row("at", *(one["moment"] for one in memory.values()))
    return table


def _table(titles: Sequence[str], rows: Sequence[tuple[str, str]]) -> Table:
    from rich.table import Table

    table = Table(titles[0], box=None, padding=(0, 2, 0, 0))
    table.add_column(titles[1], overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
