"""`groundup compare`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundup.cli.loading import loading
from groundup.errors import MissingExtraError, SettingError

if TYPE_CHECKING:
    from rich.table import Table


def compare(
    models: Annotated[
        list[str], typer.Argument(help="Two models or more, as for `generate`.", metavar="MODEL_A MODEL_B …")
    ],
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="What they answer: a .txt file, a prompt a line, or .jsonl with prompt or messages.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[Path, typer.Option(help="The study's file, begun or gone on with.")] = Path("study.sqlite"),
    criteria: Annotated[
        str | None,
        typer.Option(
            help="What is scored from 1 to 5, separated by commas.",
            show_default="helpful,harmless,honest, or as the study has it",
        ),
    ] = None,
    show_results: Annotated[bool, typer.Option("--results", help="Print what the ratings say, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --results: one JSON object.")] = False,
    preferences: Annotated[
        Path | None,
        typer.Option(help="Write rows for preference tuning to this .jsonl file, and end.", show_default=False),
    ] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(help="The most tokens of an answer.", min=1, show_default="200, or as the study has it"),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="0: always the likeliest token.", min=0, show_default="0.7, or as the study has it"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides the answers.", min=0, show_default="0, or as the study has it")
    ] = None,
    port: Annotated[int, typer.Option(help="Where the page listens, of this machine only.", min=0, max=65535)] = 8090,
) -> None:
    """Let people compare what models write, blind: answers side by side in a page of this machine, and what the ratings say.

    Answers and ratings are kept at once, in one file: stop with Ctrl-C and go on with the same command. Several raters take a name each.

    Examples:

        groundup compare runs/instruct smollm2-135m-instruct --prompts questions.txt

        groundup compare runs/instruct smollm2-135m-instruct --results

        groundup compare runs/instruct smollm2-135m-instruct --preferences pairs.jsonl
    """
    from groundup.recipe.compare import answer, open_study, read_prompts, write_preferences

    names = None if criteria is None else [name.strip() for name in criteria.split(",")]
    if as_json and not show_results:
        raise SettingError("json", True, "it prints the figures of --results; give that, too")
    given = None if prompts is None else read_prompts(prompts)
    if len(models) < 2:
        raise SettingError("models", models, "name two models or more")
    asked = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    opened = open_study(study, models, given, names, {name: of for name, of in asked.items() if of is not None})
    if preferences is not None:
        rows = write_preferences(opened, preferences)
        print(f"{rows} row{'' if rows == 1 else 's'} for preference tuning in {preferences}")
        return
    if show_results:
        from groundup.evaluation.human.results import results

        _print(results(opened), as_json)
        return
    with loading():
        try:
            from groundup.serving.comparing import create_comparing_app, serve_study
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] in ("fastapi", "starlette", "uvicorn"):
                raise MissingExtraError("groundup compare", "serve") from error
            raise
    answer(opened, lambda text: print(f"groundup: {text}", file=sys.stderr))
    serve_study(create_comparing_app(opened), port)


def _print(figures: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        import json

        from groundup.run.files import without_infinities

        print(json.dumps(without_infinities(dict(figures))))
        return
    from rich.table import Table

    raters = ", ".join(f"{name} {count}" for name, count in figures["raters"].items())
    counts = ", ".join(_counted(figures[name], name[:-1]) for name in ("pairs", "prompts"))
    print(f"{_counted(figures['ratings'], 'rating')} of {counts}; by {raters}")
    if figures["identical_pairs"]:
        print(f"{_counted(figures['identical_pairs'], 'more pair')} with the same answer twice, shown to nobody")
    table = Table(box=None)
    for column in ("a", "b", "a preferred", "b preferred", "ties", "share of a (95 %)", "p", "p (Holm)"):
        table.add_column(column, justify="left" if column in ("a", "b") else "right")
    for one in figures["preferences"]:
        votes = [str(one[name]) for name in ("a_preferred", "b_preferred", "ties")]
        table.add_row(
            one["a"], one["b"], *votes, _interval(one["share_a"], 100, " %"), f"{one['p']:.3g}", f"{one['p_holm']:.3g}"
        )
    _print_titled("how often preferred", table)
    table = Table(box=None)
    for column in ("model", "strength (95 %)"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for one in figures["strengths"]:
        table.add_row(one["model"], _interval(one["strength"], 100, " %"))
    _print_titled("strength (Bradley-Terry), as the share of wins against an average one", table)
    table = Table(box=None)
    for column in ("", *figures["models"], "alpha"):
        table.add_column(column, justify="right" if column else "left")
    for name, of in figures["scores"].items():
        values = [_interval(of[model], 1, "") if model in of else "" for model in figures["models"]]
        table.add_row(name, *values, _alpha(figures["agreement"]["scores"][name]))
    table.add_row("preference", *[""] * len(figures["models"]), _alpha(figures["agreement"]["preference"]))
    _print_titled("scores from 1 to 5 (95 %), and how far raters agree (Krippendorff's alpha)", table)
    table = Table(box=None)
    for column in ("", "a", "b", "difference", "p", "p (Holm)"):
        table.add_column(column, justify="left" if column in ("", "a", "b") else "right")
    for one in figures["score_differences"]:
        p_values = [f"{one[name]:.3g}" for name in ("p", "p_holm")]
        table.add_row(one["criterion"], one["a"], one["b"], _interval(one["difference"], 1, ""), *p_values)
    _print_titled("difference of scores, a less b (95 %)", table)
    print()
    if "reason" in figures["agreement"]:
        print(f"agreement: {figures['agreement']['reason']}")
    if figures["left_chosen"]:
        print(
            f"the left answer was chosen {_interval(figures['left_chosen'], 100, ' %')} of the times that one was; 50 % is no bias"
        )
    print(figures["cannot_say"])


def _print_titled(title: str, table: Table) -> None:
    """A title of a table's own would be broken where the table is narrow."""
    from groundup.cli.tables import print_table

    print(f"\n{title}")
    print_table(table)


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _interval(of: Mapping[str, Any], times: float, unit: str) -> str:
    digits = 0 if times > 1 else 2
    if of["low"] is None:  # of a single prompt
        return f"{of['value'] * times:.{digits}f}{unit}"
    value, low, high = (of[name] * times for name in ("value", "low", "high"))
    return f"{value:.{digits}f}{unit} ({low:.{digits}f} to {high:.{digits}f})"


def _alpha(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
