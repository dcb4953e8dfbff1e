"""`groundup plan`."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated

import typer

from groundup.cli.loading import loading


def plan(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, a TOML file, or a run's folder.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings to change, as section.key=value.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a recipe will take before its first step: parameters, arithmetic, memory, time, energy.

    Example:

        groundup plan shakespeare
    """
    from groundup.recipe.settings import default_run, load_recipe, sources_folder
    from groundup.run.directory import RunDirectory

    settings = load_recipe(recipe, overrides or [])
    folder = sources_folder(recipe, RunDirectory(default_run(recipe)))
    with loading():
        from groundup.recipe.plan import describe, find_config, find_sizes, plan_here

    started = time.process_time()
    sizes, data = find_sizes(settings, folder)
    config = find_config(settings, folder, sizes.vocab_size)
    found = describe(settings, sizes, config)
    found["here"] = plan_here(settings, folder, sizes, data, started=started)
    print(json.dumps(found))


def _say(line: str) -> None:
    print(f"groundup: {line}", file=sys.stderr)
