"""`groundup train`."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from groundup.cli.loading import loading

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A shipped recipe's name (shakespeare, multilingual, python-code, domain, instruct), a TOML file, or a run's folder."
        ),
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the final figures as one JSON object.")] = False,
) -> None:
    """Train a model by a recipe.

    Examples:

        groundup train shakespeare

        groundup train shakespeare data.source=./my-texts training.max_steps=500 --run runs/mine

        groundup train domain data.source=./my-texts training.method=lora

        groundup train shakespeare parallel.strategy=ddp parallel.processes=2
    """
    from groundup.recipe.settings import check_start, load_recipe, sources_folder
    from groundup.text.sources import check_sources
    from groundup.training.parallel_settings import is_first_process, is_started_by_torchrun

    settings = load_recipe(recipe, overrides or [])  # a typo is answered before anything heavy is loaded
    if is_first_process():
        directory = check_start(recipe, settings, run, resume)
        if not directory.started:
            check_sources(settings.data, sources_folder(recipe, directory))
    if settings.parallel.strategy != "single" and not is_started_by_torchrun():
        with loading():
            from groundup.training.launch import launch

        options = [*(["--run", str(run)] if run else []), *["--resume"] * resume, *["--json"] * as_json]
        raise typer.Exit(launch(settings.parallel.processes, ["train", recipe, *(overrides or []), *options]))
    if (
        is_started_by_torchrun()
    ):  # of another process that is gone PyTorch's store writes its own stack; we say it in a sentence
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from groundup.run.checkpoints import list_checkpoints
    from groundup.run.directory import RunDirectory

    with loading():
        from groundup.recipe.train import train as train_recipe

    try:
        trained = train_recipe(recipe, overrides or [], run=run, resume=resume, say=_say)
    except (KeyboardInterrupt, SystemExit):  # before the first step, after the last, or by a second signal
        if is_first_process():
            again = _to_go_on(recipe, overrides, directory.path)
            _say(f"stopped at once; what was saved is whole; go on with:  {again}")
        raise
    if not is_first_process():
        raise typer.Exit(EXIT_CODES.get(trained.stopped_because, 0))
    if trained.stopped_because in EXIT_CODES:
        saved = bool(list_checkpoints(trained.path))
        how = f"stopped and saved in {trained.path}" if saved else "stopped before there was a step to save"
        _say(f"{how}; go on with:  {_to_go_on(recipe, overrides, trained.path)}")
        raise typer.Exit(EXIT_CODES[trained.stopped_because])
    if trained.stopped_because == "already_finished":
        _say(f"{trained.path} is already finished; this is what it wrote at the end")
    result = RunDirectory(trained.path).result()
    if as_json:
        print(json.dumps({"run": str(trained.path), **result}))
    else:
        _show(trained.path, result)


def _to_go_on(recipe: str, overrides: list[str] | None, run: Path) -> str:
    return shlex.join(["groundup", "train", recipe, *(overrides or []), "--run", str(run), "--resume"])


def _say(text: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads it any more; that is no reason to lose what is trained
        print(f"groundup: {text}", file=sys.stderr)


def _show(run: Path, result: dict[str, Any]) -> None:
    print("\n" + (result["sample_prompt"] + result["sample"]).strip("\n") + "\n")
    validation = result["validation"]
    shown = [f"{word}{validation[name]:{form}}" for word, name, form in _FIGURES if validation.get(name) is not None]
    over = (
        f"{validation['pairs']:,} held-out pairs"
        if "pairs" in validation
        else f"{validation['tokens']:,} tokens of answers, in rows of up to {validation['window']}"
        if result["objective"] == "instruction"
        else f"{validation['tokens']:,} tokens in windows of {validation['window']}"
    )
    print(
        f"validation loss {', '.join(shown) or 'not a finite number'} over {over}; best of {result['steps']} steps: "
        f"{result['best_step']}"
    )
    print(f"model   {run / 'model'}   (a Hugging Face directory)")
    print(f"report  {run / 'report.html'}")
    if result["objective"] != "language_model":
        print(f"try     groundup chat {shlex.quote(str(run))}")
        return
    prompt = result["sample_prompt"].strip()
    option = f"--prompt {shlex.quote(prompt)} " if prompt else ""
    print(f"try     groundup generate {shlex.quote(str(run))} {option}--temperature 0.7 --seed 1")


_FIGURES = (
    ("", "loss", ".4f"),
    ("perplexity ", "perplexity", ".2f"),
    ("bits per byte ", "bits_per_byte", ".3f"),
    ("accuracy ", "accuracy", ".1%"),
    ("margin ", "margin", ".3f"),
)
