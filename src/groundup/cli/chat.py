"""`groundup chat`."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading
from groundup.errors import GroundupError


def chat(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens in a reply.")] = 300,
    temperature: Annotated[
        float, typer.Option(help="Below 1 safer, above 1 wilder; 0 always takes the likeliest token.")
    ] = 0.8,
    seed: Annotated[int, typer.Option(help="The same seed and the same words give the same replies.")] = 0,
) -> None:
    """Talk with a model, turn by turn; an empty line or Ctrl-D ends.

    A model that was not taught to converse continues the talk as text: write as its texts are written. Exit status 1 says that there
    was a turn without a reply.

    Example:

        groundup chat runs/shakespeare
    """
    from groundup.generation.settings import GenerationSettings

    GenerationSettings(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    with loading():
        from groundup.language_model.model import LanguageModel

    language_model = LanguageModel.load(model)
    if language_model.chat_template is None:
        print("This model continues text; it was not taught to converse.", file=sys.stderr)
    print("An empty line or Ctrl-D ends.", file=sys.stderr)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    messages: list[dict[str, str]] = []
    failed = False
    while True:
        try:
            said = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            said = ""
        if not said.strip():
            raise typer.Exit(int(failed))
        messages.append({"role": "user", "content": said})
        reply = ""
        try:
            for piece in language_model.chat_stream(
                messages, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed
            ):
                print(piece, end="", flush=True)
                reply += piece
        except GroundupError as error:
            print(f"groundup: {error}", file=sys.stderr)
            messages.pop()
            failed = True
            continue
        print()
        messages.append({"role": "assistant", "content": reply})
