"""What `main` makes of errors that aren't the program's."""

from __future__ import annotations

import errno
import mmap
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import pytest
import tokenizers
import torch

from groundup.cli import main as command_line
from groundup.cli.loading import removed_when_ended
from groundup.errors import MachineError, ModelError

NO_MEMORY = "groundup: there is not enough memory for this: end what else is running; a training needs less"


def too_much_of_python() -> None:
    bytearray(1 << 60)


def too_much_of_torch() -> None:
    torch.empty(1 << 60)


def too_much_of_the_system() -> None:
    mmap.mmap(-1, 1 << 62)


def a_model_that_cannot_be_mapped() -> None:
    try:
        mmap.mmap(-1, 1 << 62)
    except OSError as error:
        raise ModelError(f"model.safetensors cannot be read ({error.strerror}); get it again") from None


class PanicException(BaseException):
    """What the tokenizers package raises where it can have no threads: no `Exception`, and no class that can be imported."""


def no_threads() -> None:
    raise PanicException("The global thread pool has not been initialized.: ThreadPoolBuildError { … }")


def said_of(command: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(command_line, "app", command)
    monkeypatch.setattr(sys, "argv", ["groundup"])
    with pytest.raises(SystemExit, match="1"):
        command_line.main()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    "command",
    [too_much_of_python, too_much_of_torch, too_much_of_the_system, a_model_that_cannot_be_mapped, no_threads],
)
def test_memory_that_is_refused_is_one_sentence(
    command: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_of(command, monkeypatch, capsys).startswith(NO_MEMORY)


def test_another_error_of_the_system_names_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full_disk() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/a")

    said = said_of(full_disk, monkeypatch, capsys)
    assert said == "groundup: runs/a: No space left on device; free some room, or write to another disk\n"


def one_too_many() -> None:
    try:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "cache/x")
    except OSError as error:
        raise MachineError(f"the cache cannot be written ({error.strerror})") from error


def one_too_many_for_a_library() -> None:
    before, least = resource.getrlimit(resource.RLIMIT_NOFILE), os.open(os.devnull, os.O_RDONLY)
    os.close(least)
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, before[1]))
    try:
        tokenizers.Tokenizer.from_file(__file__)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("command", [one_too_many, one_too_many_for_a_library])
def test_too_many_open_files_are_one_sentence_whichever_it_was(
    command: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_of(command, monkeypatch, capsys).startswith("groundup: too many files are open at once: raise")


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), SystemError("a bug in C")]
)
def test_a_bug_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug() -> None:
        raise error

    monkeypatch.setattr(command_line, "app", bug)
    monkeypatch.setattr(sys, "argv", ["groundup"])
    with pytest.raises(type(error), match=str(error)):
        command_line.main()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_folder_to_throw_away_is_thrown_away_when_the_program_is_ended(
    number: signal.Signals, tmp_path: Path
) -> None:
    def work() -> None:
        with removed_when_ended(), tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            (Path(folder) / "a").touch()
            signal.raise_signal(number)

    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 128 + number
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is signal.SIG_DFL


def test_an_end_that_is_meant_for_others_is_not_heard() -> None:
    """As after nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with removed_when_ended():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_help_leaves_the_breaking_of_lines_to_the_terminal() -> None:
    helps = {command.callback.__name__: command.help for command in command_line.app.registered_commands}  # type: ignore[union-attr]
    assert "for half a minute. Nothing is fetched, prepared or kept." in str(helps["plan"])
    assert "\n\n    groundup plan shakespeare --minutes 15\n\n" in str(helps["plan"]), "an example stays as it is"
