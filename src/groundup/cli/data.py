"""`groundup data`: what is done to text before training."""

from __future__ import annotations

import typer

from groundup.cli.data_scrub import scrub

app = typer.Typer(name="data", help="Get text ready for training.", no_args_is_help=True)
app.command(no_args_is_help=True)(scrub)
