"""`groundup learn`: exercises with checks that say what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundup.learn.checking import Found

app = typer.Typer(
    name="learn",
    help="Write the course's ideas yourself, and be told what is wrong: attention, a mask, byte pairs, and more.",
    no_args_is_help=True,
)
Folder = Annotated[Path, typer.Option(help="Where your attempts are.")]
Name = Annotated[str, typer.Argument(help="The exercise's name, as `groundup learn list` has it.", show_default=False)]
EXERCISES_FOLDER = Path("exercises")


@app.command("list")
def list_exercises(
    folder: Folder = EXERCISES_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what there is to exercise, in the order of the course, and how far you are.

    Example:

        groundup learn list
    """
    from groundup.learn.catalogue import EXERCISES
    from groundup.learn.progress import state

    states = {exercise.name: state(exercise, folder) for exercise in EXERCISES}
    if as_json:
        import json

        rows = [
            {"name": each.name, "title": each.title, "chapter": each.chapter, "state": states[each.name]}
            for each in EXERCISES
        ]
        print(json.dumps({"exercises": rows}, ensure_ascii=False))
        return
    from rich.table import Table

    from groundup.cli.tables import print_table

    table = Table("exercise", "what it is about", "chapter", "yours", box=None, padding=(0, 2, 0, 0))
    for exercise in EXERCISES:
        chapter = exercise.chapter.removesuffix(".md").replace("-", " ").lstrip("0")
        table.add_row(exercise.name, exercise.title, chapter, states[exercise.name])
    print_table(table)
    following = next((name for name, found in states.items() if found != "solved"), None)
    if following is None:
        print("\nAll of them are solved.")
    else:
        print(f"\nnext:  groundup learn {'check' if states[following] else 'start'} {following}")


@app.command()
def start(name: Name, folder: Folder = EXERCISES_FOLDER) -> None:
    """Write an exercise's stub, with its story, into your folder. What is there already is kept.

    Example:

        groundup learn start attention
    """
    from groundup.learn import progress
    from groundup.learn.catalogue import find_exercise

    exercise = find_exercise(name)
    file = progress.start(exercise, folder)
    print(f"{file}: {exercise.title}. Read its story, write it, then:  groundup learn check {name}")


@app.command()
def check(
    name: Annotated[
        str | None, typer.Argument(help="The exercise's name; all that you have begun, by default.", show_default=False)
    ] = None,
    folder: Folder = EXERCISES_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check your attempt, from the plainest thing to the subtlest, up to the first that is wrong. It is run as a program is.

    Example:

        groundup learn check attention
    """
    from groundup.errors import LearnError
    from groundup.learn import progress
    from groundup.learn.catalogue import EXERCISES, find_exercise

    chosen = [find_exercise(name)] if name else [each for each in EXERCISES if progress.state(each, folder)]
    if not chosen:
        raise LearnError(f"{folder} holds no exercise yet: begin with  groundup learn start {EXERCISES[0].name}")
    from groundup.learn import checking

    all_right, told = True, {}
    for exercise in chosen:
        found = checking.check(exercise, folder / f"{exercise.name}.py")
        right = all(each.right for each in found)
        progress.note(exercise, folder, right)
        all_right &= right
        told[exercise.name] = [{"says": each.says, "right": each.right, "hint": each.hint} for each in found]
        if not as_json:
            _show(exercise.name, found)
    if as_json:
        import json

        print(json.dumps({"right": all_right, "exercises": told}, ensure_ascii=False))
    elif all_right:
        print("All of it is right." + (" What else there is:  groundup learn list" if name else ""))
    if not all_right:
        raise typer.Exit(1)


def _show(name: str, found: list[Found]) -> None:
    from rich.console import Console
    from rich.padding import Padding

    console = Console(markup=False, highlight=False, emoji=False)
    console.print(name, style="bold")
    for each in found:
        mark, style = ("✓", "green") if each.right else ("✗", "red") if each.looked_at else ("·", "dim")
        console.print(f"  {mark} {each.says}", style=style)
        if each.hint:
            console.print(Padding(each.hint, (0, 0, 0, 6)))
