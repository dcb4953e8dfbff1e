"""`groundup card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundup.errors import RunError


def card(
    run: Annotated[Path, typer.Argument(help="A finished run's directory.")],
    gate: Annotated[
        Path | None,
        typer.Option(help="A TOML file of thresholds; past one of them the exit status is 1.", show_default=False),
    ] = None,
) -> None:
    """Write the model card, RUN/model/README.md, from all that was measured: each figure beside the file that it comes from.

    What the card rests on is copied to RUN/model/evidence/. A card that somebody has edited is kept as README.edited.md.

    Examples:

        groundup card runs/shakespeare

        groundup card runs/shakespeare --gate gate.toml
    """
    from groundup.report.card import EDITED_FILE, write_card
    from groundup.report.evidence import copy_evidence
    from groundup.run.directory import MODEL_FOLDER, RunDirectory
    from groundup.run.measurements import measurement_files

    directory = RunDirectory(run)
    model = run / MODEL_FOLDER
    if directory.started and not directory.finished:
        raise RunError(f"{run} has not finished, so there is no model to write a card of: go on with --resume")
    if gate is not None:  # a file that says nothing sensible is answered before anything is written
        from groundup.recipe.gate import check_gate, require_passed

        gates = check_gate(run, gate)
    edited = set(model.glob(f"{Path(EDITED_FILE).stem}*"))
    path = write_card(run, model)
    copy_evidence(run, model)
    for kept in sorted(set(model.glob(f"{Path(EDITED_FILE).stem}*")) - edited):
        print(f"what had been edited is kept as {kept}")
    measured = len(measurement_files(directory))
    print(f"card  {path}  ({measured} measurement{'' if measured == 1 else 's'})")
    if gate is None:
        return
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table(box=None)
    for column in ("figure", "of", "is", "has to be", ""):
        table.add_column(column, justify="right" if column == "is" else "left")
    for one in gates:
        table.add_row(one.figure, one.file, one.shown, one.asked, "passed" if one.passed else "FAILED")
    print_table(table)
    require_passed(gates)
