"""`groundup` as a process of its own, without the seconds of importing: forked from a server that has imported everything once.

It runs the command line's own `main` with its arguments, its own working directory, environment and standard streams: what a person types.
What hangs on how Python begins (which modules it loads, closed streams, pipes) is tested with the real command.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

LOADED = (
    *(
        "groundup.__main__",
        "groundup.cli.main",
        "groundup.recipe.train",
        "groundup.recipe.verify",
        "groundup.recipe.evaluate",
    ),
    *(
        "numpy.random",
        "pydantic",
        "pydantic.types",
        "tomli_w",
        "typer._adapters",
        "rich.table",
    ),  # what a command loads on its way
)
PATIENCE = 240.0  # seconds


def server(*more: str) -> ForkServerContext:
    """What starts processes, with these modules loaded. It begins once: what a later caller wants more, its children load themselves."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LOADED, *more])
    return context


def start(
    arguments: Sequence[object],
    streams: tuple[Path | None, Path, Path],
    environment: Mapping[str, str],
    folder: Path | None = None,
    before: Callable[..., None] | None = None,
    *given: Any,
) -> ForkServerProcess:
    """Start `groundup` in a session of its own. `streams`: what it reads, and where its output and its errors go, which may be one file.
    `before(*given)` is called in the child first."""
    child = server().Process(
        target=_command_line,
        args=([*map(str, arguments)], streams, dict(environment), folder or Path.cwd(), before, given),
    )
    child.start()
    return child


def groundup(
    *arguments: object, cwd: Path | None = None, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; what `subprocess.run` would give of the real command."""
    with tempfile.TemporaryDirectory() as folder:
        streams = (Path(folder) / "input", Path(folder) / "output", Path(folder) / "errors")
        streams[0].write_text(stdin, encoding="utf-8")
        child = start(arguments, streams, {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}, cwd)
        child.join(PATIENCE)
        if child.exitcode is None:
            child.kill()
        output, errors = (file.read_text(encoding="utf-8") for file in streams[1:])
    assert child.exitcode is not None, f"it was still running after {PATIENCE} s: {errors}"
    return subprocess.CompletedProcess([*map(str, arguments)], child.exitcode, output, errors)


def _command_line(
    arguments: list[str],
    streams: tuple[Path | None, Path, Path],
    environment: dict[str, str],
    folder: Path,
    before: Callable[..., None] | None,
    given: Sequence[Any],
) -> None:
    os.setsid()
    os.dup2(os.open(streams[0] or os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  the server has none
    os.dup2(os.open(streams[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1 if streams[1] == streams[2] else os.open(streams[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if before is not None:
        before(*given)
    sys.argv = ["groundup", *arguments]
    from groundup.__main__ import main

    main()
