"""`groundup complete`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading
from groundup.errors import NO_VALUE, SettingError


def complete(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    prefix: Annotated[str, typer.Option(help="What stands before the cursor.")] = "",
    suffix: Annotated[str, typer.Option(help="What stands after it; the model must have learned to fill in.")] = "",
    file: Annotated[Path | None, typer.Option(help="Take both from this file.", show_default=False)] = None,
    line: Annotated[int, typer.Option(help="With --file: the cursor's line, counted from 1.", show_default=False)] = 0,
    column: Annotated[
        int | None,
        typer.Option(help="With --file: its column, counted from 1; else the line's end.", show_default=False),
    ] = None,
    one_line: Annotated[bool, typer.Option("--one-line", help="Stop at the end of the line.")] = False,
    prefix_first: Annotated[
        bool, typer.Option("--prefix-first", help="Show the model what stands before the cursor first.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens to add.")] = 64,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest token; above, tokens are drawn, 1 as the model has them.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed writes the same text.")] = 0,
) -> None:
    """Write what belongs at a cursor: between two texts, or in a file.

    Examples:

        groundup complete runs/python-code --prefix "def area(self):" --suffix "return result"

        groundup complete runs/python-code --file tool.py --line 12 --column 9 --one-line
    """
    if file is None and not (prefix or suffix or line or column is not None):
        raise SettingError(
            "--prefix", NO_VALUE, "there is nothing to complete: give --prefix or --suffix, or --file with --line"
        )
    if file is None and (line or column is not None):
        raise SettingError("--line", line, "a line and a column are a place in a file: name it with --file")
    if file is not None and (prefix or suffix):
        raise SettingError("--file", file, "the file is what stands before and after: leave out --prefix and --suffix")
    if file is not None and not line:
        raise SettingError("--line", line, "say where in the file the cursor stands, e.g. --line 12")
    from groundup.generation.settings import GenerationSettings
    from groundup.language_model.locate import find_model

    GenerationSettings(max_new_tokens, temperature, seed=seed)
    find_model(model)  # a wrong path is answered before anything heavy is loaded
    if file is not None:
        from groundup.text.decode import decode_text

        content, _ = decode_text(file.read_bytes(), str(file))
    with loading():
        from groundup.language_model.complete import at_cursor, fills_in_the_middle
        from groundup.language_model.model import LanguageModel

    if file is not None:
        prefix, suffix = at_cursor(content, line, column)
    language_model = LanguageModel.load(model)
    if file is not None and suffix and not fills_in_the_middle(language_model.tokenizer):
        print(
            "groundup: the model never learned to fill in: it reads only what stands before the cursor", file=sys.stderr
        )
        suffix = ""
    fields = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    print(language_model.complete(prefix, suffix, line=one_line, prefix_first=prefix_first, **fields))
