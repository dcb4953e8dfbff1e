"""`groundup data`: what is there to train on, and how it is made ready."""

from __future__ import annotations

import typer

from groundup.cli.data_catalogue import catalog, get
from groundup.cli.data_prepare import SourcesCommand, inspect, prepare
from groundup.cli.data_scrub import scrub

app = typer.Typer(
    name="data", help="Find text, make it ready for training, and look at what it is made of.", no_args_is_help=True
)
for command in (catalog, get, prepare, inspect, scrub):
    app.command(no_args_is_help=command is not catalog, cls=SourcesCommand if command in (prepare, inspect) else None)(
        command
    )
