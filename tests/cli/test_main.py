"""What `main` makes of errors that aren't the program's."""

from __future__ import annotations

import sys

import pytest
import torch

from groundup.cli import main as command_line


def too_much_of_python() -> None:
    bytearray(1 << 60)


def too_much_of_torch() -> None:
    torch.empty(1 << 60)


def another_error() -> None:
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize("command", [too_much_of_python, too_much_of_torch])
def test_memory_that_is_refused_is_one_sentence(
    command: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "app", command)
    monkeypatch.setattr(sys, "argv", ["groundup"])
    with pytest.raises(SystemExit, match="1"):
        command_line.main()
    said = capsys.readouterr().err
    assert said.startswith("groundup: there is not enough memory for this: lower training.batch_size")
    assert said.count("\n") == 1


def test_an_error_of_ours_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "app", another_error)
    monkeypatch.setattr(sys, "argv", ["groundup"])
    with pytest.raises(RuntimeError, match="mat1"):
        command_line.main()
