"""Printing a table: as wide as the terminal in one, as wide as it takes elsewhere, and names exactly as they are."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

WIDE = 10_000


def print_table(table: Table) -> None:
    """Print a table on standard output."""
    width = None if sys.stdout.isatty() else WIDE
    Console(markup=False, highlight=False, emoji=False, width=width).print(table)
