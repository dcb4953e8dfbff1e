"""`groundup data`: the catalogue."""

from __future__ import annotations

import typer

from groundup.cli.data_catalogue import catalog, get

app = typer.Typer(name="data", help="Find text to train on.", no_args_is_help=True)
app.command()(catalog)
app.command(no_args_is_help=True)(get)
