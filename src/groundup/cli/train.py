"""`groundup train`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}


def train(
    recipe: Annotated[
        str, typer.Argument(help="A shipped recipe's name (shakespeare), a TOML file, or a run's folder.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings to change, as section.key=value.", show_default=False)
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="The run's folder; runs/<recipe> if not given.", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest whole checkpoint, or start if there is none.")
    ] = False,
) -> None:
    """Train a model by a recipe.

    Examples:

        groundup train shakespeare

        groundup train shakespeare data.source=./my-texts training.max_steps=500 --run runs/mine
    """
    from groundup.recipe.settings import load_recipe

    load_recipe(recipe, overrides or [])  # a typo is answered before anything heavy is loaded
    from groundup.recipe.train import train as train_recipe

    trained = train_recipe(recipe, overrides or [], run=run, resume=resume, say=_say)
    if trained.stopped_because in EXIT_CODES:
        again = " ".join([recipe, *(overrides or []), f"--run {trained.path} --resume"])
        _say(f"stopped and saved in {trained.path}; go on with:  groundup train {again}")
        raise typer.Exit(EXIT_CODES[trained.stopped_because])
    _show(trained.path, trained.stopped_because)


def _say(text: str) -> None:
    print(f"groundup: {text}", file=sys.stderr)


def _show(run: Path, stopped_because: str) -> None:
    from groundup.run.directory import RunDirectory

    result = RunDirectory(run).result()
    validation = result["validation"]
    if stopped_because == "already_finished":
        _say(f"{run} is already finished; this is what it wrote at the end")
    print(f"\n{result['sample_prompt']}{result['sample']}\n")
    bits = validation["bits_per_byte"]
    print(
        f"validation loss {validation['loss']:.4f} (perplexity {validation['perplexity']:.2f}, {bits:.3f} bits per byte) over "
        f"{validation['tokens']:,} tokens in windows of {validation['window']}; best of {result['steps']} steps: {result['best_step']}"
    )
    print(f"model   {run / 'model'}   (a Hugging Face directory)")
    print(f"report  {run / 'report.html'}")
    prompt = shlex.quote(result["sample_prompt"].strip())
    print(f"try     groundup generate {run} --prompt {prompt} --temperature 0.7 --seed 1")
