"""`groundup verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundup.cli.loading import loading
from groundup.errors import RunError


def verify(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    replay: Annotated[
        int | None,
        typer.Option(help="Train so many steps again, and compare bit for bit.", min=1, show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Hash every link from the raw bytes to the model again: sources, what was kept of them, tokenizer, tokens, recipe, code,
    checkpoints, records, model, evaluations.

    A link that is broken is named, and the exit status is 1. What can't be had any more, such as a source that was deleted, is told.

    Examples:

        groundup verify runs/shakespeare

        groundup verify runs/shakespeare --replay 50
    """
    with loading():
        from groundup.recipe.verify import verify as verify_run
        from groundup.run.directory import RunDirectory
    links = verify_run(run)
    broken = [link for link in links if link.state == "broken"]
    hash_of_all = "" if broken else RunDirectory(run).seal()
    if as_json:
        import dataclasses
        import json

        print(json.dumps({"links": [dataclasses.asdict(link) for link in links], "seal": hash_of_all or None}))
    else:
        from rich.table import Table

        from groundup.cli.tables import print_table

        table = Table(box=None, show_header=False)
        for link in links:
            table.add_row(link.name, link.state, link.detail)
        print_table(table)
    if broken:
        raise RunError(
            f"the chain of {run} is broken at {broken[0].name}: {broken[0].detail}. Put back what was there, or make anew what comes of it"
        )
    if not as_json:
        print(f"\nseal  {hash_of_all}")
    if replay is not None:
        from groundup.recipe.replay import replay as replay_run

        print(replay_run(run, replay))
