"""`groundup serve`, the installed command: it serves, and SIGTERM ends it without loss."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from groundup.cli.main import main


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["groundup", "serve", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere"),
        (("nowhere", "--host", "0.0.0.0"), "--api-key FILE"),
        (("nowhere", "--port", "99999"), "serving.port = 99999"),
        (("nowhere", "serving.num_slot=4"), "did you mean serving.num_slots?"),
        (("nowhere", "serving.num_slots=many"), "serving.num_slots"),
        (("nowhere", "--engine", "pytorch", "--quantize", "int8"), "quantize = 'int8': this is done in ONNX Runtime"),
        (("nowhere", "--engine", "llama.cpp"), "llama.cpp opens .gguf files, which nowhere is not"),
        (("nowhere", "--guard-hook", "mine:check"), "--guard FILE"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert message in _run(monkeypatch, capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--api-key", "nowhere"), "cannot be read (No such file or directory)"),
        (("--guard", "nowhere"), "nowhere"),
        (("--host", "host.invalid", "--api-key", "keys"), "host.invalid, port 8000: nobody can listen there"),
    ],
)
def test_and_what_only_the_system_can_tell(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    (tmp_path / "keys").write_text("a-key", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("groundup.language_model.locate.find_model", lambda name: None)
    assert message in _run(monkeypatch, capsys, "never-loaded", *arguments)


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_base: Path
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("groundup.serving.app", "groundup.serving.api_error"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert "pip install 'groundup[serve]'" in _run(monkeypatch, capsys, str(tiny_base))


def test_it_serves_and_ends(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a-key\n", encoding="utf-8")
    command = [sys.executable, "-m", "groundup", "serve", str(tiny_base), "--port", "0", "--api-key", "keys"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        url = next(word for word in line.split() if word.startswith("http://"))
        headers = {"Authorization": "Bearer a-key"}
        assert httpx.get(f"{url}/ready", timeout=20).status_code == 200
        assert httpx.get(f"{url}/v1/models", timeout=20).status_code == 401
        models = httpx.get(f"{url}/v1/models", headers=headers, timeout=20).json()
        assert models["data"][0]["id"] == tiny_base.name
        body = {"prompt": "a", "max_tokens": 200, "stream": True, "logit_bias": {"0": -100}}
        with httpx.stream("POST", f"{url}/v1/completions", json=body, headers=headers, timeout=20) as stream:
            lines = (line for line in stream.iter_lines() if line)
            next(lines)
            process.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_at_once_and_more_of_them_change_nothing(
    tiny_base: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    command = [sys.executable, "-m", "groundup", "serve", str(tiny_base), "--port", "0", "--engine", "pytorch"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        next(line for line in process.stderr if "http://" in line)
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.01)
        assert (process.wait(20), process.stderr.read()) == (status, "")
    finally:
        process.kill()
        process.communicate()


def test_a_signal_while_a_model_is_loaded_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_base: Path
) -> None:
    def left(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", left)
    monkeypatch.setattr("groundup.language_model.locate.find_model", lambda name: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(sys, "argv", ["groundup", "serve", str(tiny_base)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err) == (0, "")
