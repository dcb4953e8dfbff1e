"""`groundup serve`."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from groundup.cli.generate import MODEL_HELP
from groundup.cli.loading import loading
from groundup.errors import MissingExtraError
from groundup.serving.settings import ServingSettings

if TYPE_CHECKING:
    from groundup.language_model.model import LanguageModel
    from groundup.serving.llama_cpp import LlamaCppEngine

ROWS_MEASURED = 4
"""Texts at once with which the faster step is found."""


@dataclass(frozen=True)
class _Sections:
    serving: ServingSettings = field(default_factory=ServingSettings)


def serve(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Further settings, e.g. serving.num_slots=4.", show_default=False
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 for every one, which needs --api-key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at; 0 takes a free one.")] = 8000,
    api_key: Annotated[
        str, typer.Option(metavar="FILE", help="A file with one key a line; whoever asks must send one of them.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="What the model is called in the API; by default the last part of MODEL.")
    ] = "",
    engine: Annotated[
        Literal["auto", "pytorch", "onnx", "llama.cpp"],
        typer.Option(
            help="What computes: PyTorch or ONNX Runtime, auto whichever is faster here; llama.cpp for a .gguf file (needs xllamacpp)."
        ),
    ] = "auto",
    quantize: Annotated[
        Literal["", "int8", "int4"],
        typer.Option(help="Fewer bits a weight, in ONNX Runtime: faster, and a little less right.", show_default=False),
    ] = "",
    guard: Annotated[
        str, typer.Option(metavar="FILE", help="Check what goes in and comes out, as this TOML file says.")
    ] = "",
    guard_hook: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:FUNCTION", help="A check of your own for the guard.", show_default=False),
    ] = None,
) -> None:
    """Serve a model over HTTP: web pages, an API like OpenAI's, and POST /generate. Ctrl-C ends it.

    Example:

        groundup serve runs/shakespeare
    """
    signal.signal(signal.SIGTERM, _end)  # which a container's first process would not heed by itself
    from groundup.config import build, merge, parse_overrides, require

    given = {"host": host, "port": port, "api_keys": api_key, "name": name or Path(model).name}
    values = merge(_Sections, {"serving": given}, parse_overrides(_Sections, overrides or ()))
    settings = build(_Sections, values).serving
    _check_engine(model, engine, quantize)
    require(bool(guard) or not guard_hook, "guard_hook", guard_hook, "name the guard's file, too, with --guard FILE")
    from groundup.language_model.locate import find_model

    find_model(model)  # a wrong path is answered before anything heavy is loaded
    with loading():
        try:
            from groundup.serving.app import create_app
            from groundup.serving.http_server import listen
            from groundup.serving.http_server import serve as serve_app
            from groundup.serving.keys import read_keys
            from groundup.serving.metrics import Metrics
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] in ("fastapi", "starlette", "uvicorn", "prometheus_client"):
                raise MissingExtraError("groundup serve", "serve") from error
            raise
        from groundup.serving.guard.guard import load_guard
    metrics = Metrics()
    # What is wrong with these is said before a model is opened and measured.
    checks = load_guard(Path(guard), guard_hook or (), metrics.count_guard) if guard else None
    if settings.api_keys:
        read_keys(settings.api_keys)
    listen(settings).close()
    language_model, writer = _open(model, engine, quantize, settings)
    serve_app(create_app(language_model, settings, checks, metrics, writer), settings)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)  # there is nobody to answer yet


def _check_engine(model: str, engine: str, quantize: str) -> None:
    """Raise `SettingError` for an engine that can't open the model, or can't compute with fewer bits."""
    from groundup.config import require

    require(
        engine != "llama.cpp" or Path(model).suffix == ".gguf",
        "engine",
        engine,
        f"llama.cpp opens .gguf files, which {model} is not: leave --engine out, or write one with  groundup export MODEL --to gguf",
    )
    require(
        not quantize or engine in ("auto", "onnx"),
        "quantize",
        quantize,
        "this is done in ONNX Runtime: leave --engine out, or leave --quantize out",
    )


def _open(
    model: str, engine: str, quantize: Literal["", "int8", "int4"], settings: ServingSettings
) -> tuple[LanguageModel, LlamaCppEngine | None]:
    """The model with the step that it computes with; or, for llama.cpp, what writes in its place."""
    from groundup.language_model.model import LanguageModel

    language_model = LanguageModel.load(model, device="cpu" if engine == "onnx" or quantize else "auto")
    if engine == "llama.cpp":
        from groundup.serving.llama_cpp import LlamaCppEngine

        context = min(settings.context, language_model.model.config.max_seq_len)
        return language_model, LlamaCppEngine(Path(model), settings.num_slots, context)
    if engine != "pytorch":
        _choose_step(language_model, engine, quantize, settings.num_slots)
    return language_model, None


def _choose_step(
    language_model: LanguageModel, engine: str, quantize: Literal["", "int8", "int4"], num_slots: int
) -> None:
    """Give the engine the step that is asked for, or the faster one, and say which it is."""
    from groundup.recipe.fastest import use_fastest, use_onnx

    if engine == "onnx":
        use_onnx(language_model, quantize)
        return
    choice = use_fastest(language_model, quantize, num_rows=min(num_slots, ROWS_MEASURED))
    speeds = ", ".join(f"{name} {speed:,.0f}" for name, speed in choice.tokens_per_second.items())
    why = f"tokens a second, {min(num_slots, ROWS_MEASURED)} texts at once: {speeds}" if speeds else choice.reason
    print(f"groundup: {choice.name} computes ({why})", file=sys.stderr)
