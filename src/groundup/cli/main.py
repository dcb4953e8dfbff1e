"""The command `groundup`. Commands import what they need inside, so that help and typos are answered at once."""

from __future__ import annotations

import errno
import inspect
import io
import os
import sys
import warnings
from typing import Annotated, TextIO

import typer

from groundup.cli import data, guard, learn, tokenizer
from groundup.cli.audit import audit
from groundup.cli.card import card
from groundup.cli.chat import chat
from groundup.cli.compare import compare
from groundup.cli.complete import complete
from groundup.cli.evaluate import evaluate
from groundup.cli.export import export
from groundup.cli.generate import generate
from groundup.cli.labels import labels
from groundup.cli.loading import INTERRUPTED
from groundup.cli.memory_errors import is_of_memory
from groundup.cli.plan import plan
from groundup.cli.runs import runs
from groundup.cli.serve import serve
from groundup.cli.train import train
from groundup.cli.verify import verify
from groundup.errors import GroundupError, MachineError, PeerLostError
from groundup.training.parallel_settings import LAUNCHED, is_started_by_torchrun

NO_MEMORY = (
    "there is not enough memory for this: end what else is running; a training needs less with a lower training.batch_size or "
    "model.max_seq_len, or a smaller network. What was saved before is whole (--debug shows where it happened)"
)
NO_FILES = (
    "too many files are open at once: raise the limit, e.g. with  ulimit -n 4096, then give the same command again, a training with "
    "--resume; what was saved before is whole (--debug shows where it happened)"
)

app = typer.Typer(
    name="groundup",
    help="Train your own language model, from the ground up: text in, a model that writes out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train,
    plan,
    labels,
    generate,
    complete,
    chat,
    serve,
    evaluate,
    audit,
    compare,
    export,
    runs,
    card,
    verify,
):
    app.command(no_args_is_help=command is not runs)(command)
app.add_typer(data.app)
app.add_typer(tokenizer.app)
app.add_typer(guard.app)
app.add_typer(learn.app)


def _fill_lines(commands: typer.Typer) -> None:
    """Make one line of a paragraph's lines in every command's help, as typer itself does in the first paragraph alone, so that a terminal
    of any width breaks them evenly. Indented examples stay as they are."""
    for command in commands.registered_commands:
        paragraphs = (inspect.getdoc(command.callback) or "").split("\n\n")
        command.help = "\n\n".join(each if each.startswith(" ") else each.replace("\n", " ") for each in paragraphs)
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _fill_lines(group.typer_instance)


_fill_lines(app)


def _version(wanted: bool) -> None:
    if wanted:
        import groundup

        typer.echo(groundup.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, too.")] = False,
) -> None:
    """Train your own language model, from the ground up: text in, a model that writes out.

    Begin with:  groundup train shakespeare
    """
    if debug:
        os.environ["GROUNDUP_DEBUG"] = "1"


def main() -> None:
    """Run the command line: exit status 0 done, 1 failed (one sentence says why), 2 wrong usage, 130 interrupted."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a letter shows "?", not a traceback
    try:
        for argument in sys.argv[1:]:
            _require_text("", argument)
        _require_folder()
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where what refuses it can be told
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (
        BaseException
    ) as error:  # refused memory may be of any class: the tokenizers package panics with one of its own
        told = _told(error)
        if told is None or os.environ.get("GROUNDUP_DEBUG"):
            raise
        _tell(told)
        sys.exit(1)


def _told(error: BaseException) -> GroundupError | None:
    """The error of one sentence; None for what only a traceback tells."""
    if isinstance(error, GroundupError):
        cause = error.__context__  # a file that can't be mapped or opened is no bad file
        return (_of_limits(cause) if isinstance(cause, OSError | RuntimeError) else None) or error
    if limit := _of_limits(error):
        return limit
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        advice = "check that it is there and that you may use it (--debug shows where it happened)"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "free some room, or write to another disk"
        return MachineError(f"{where}{error.strerror or error}; {advice}")
    return None


def _of_limits(error: BaseException) -> MachineError | None:
    """What to say of memory or open files that the system refuses, whichever file it was."""
    if is_of_memory(error):
        return MachineError(NO_MEMORY)
    of_files = isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
    if of_files or "too many open files" in str(error).lower():  # for the tokenizers package it is only words
        return MachineError(NO_FILES)
    return None


def _tell(error: GroundupError) -> None:
    """Print the one sentence; of several processes that train together the launcher prints it, or else one of them."""
    if is_started_by_torchrun():
        from groundup.training.launch import record_failure

        follows = isinstance(error, PeerLostError) and LAUNCHED in os.environ
        if follows or record_failure(str(error)):
            return
    print(f"groundup: {error}", file=sys.stderr)


def _require_folder() -> None:
    try:
        _require_text("the folder that you are in, ", os.getcwd())
    except FileNotFoundError:
        raise GroundupError("the folder that you are in has been deleted: change to another, e.g. with  cd ~") from None


def _require_text(what: str, name: str) -> None:
    """Raise `GroundupError` for a name that can't be written into a run's files, or shown."""
    if not name.isprintable() and any("\ud800" <= character <= "\udfff" for character in name):
        raise GroundupError(
            f"{what}{name!r}{', ' if what else ' '}is not text in this terminal's encoding ({sys.getfilesystemencoding()}): "
            "rename it, or set the environment variable PYTHONUTF8=1"
        )


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"groundup: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
