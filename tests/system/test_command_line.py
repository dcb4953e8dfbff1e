"""The command: help that is instant, errors that are one sentence, figures that agree.

Where how Python begins is not what is tested, it is forked from a process that has imported all (tests/forked.py).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.forked import groundup

GROUNDUP = [sys.executable, "-m", "groundup"]


@pytest.fixture(scope="module")
def run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    done = groundup("train", str(tiny_recipe), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "validation loss" in done.stdout
    assert "report  runs/tiny/report.html" in done.stdout
    return folder / "runs" / "tiny"


HEAVY = ("torch", "pydantic", "fastapi", "transformers", "numpy", "tokenizers")
IMPORTS = f"""
import runpy, sys
sys.argv = ["groundup"] + sys.argv[1:]
try:
    runpy.run_module("groundup", run_name="__main__")
except SystemExit:
    pass
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""


def loaded(arguments: list[str], folder: Path) -> tuple[str, str]:
    """Which heavy modules a command had loaded when it ended, and what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *arguments], capture_output=True, text=True, check=True, cwd=folder
    )
    return done.stdout.splitlines()[-1], done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    assert loaded(arguments, tmp_path)[0] == "HEAVY []"


@pytest.mark.parametrize(
    "arguments",
    [["train", "--help"], ["tokenizer", "--help"], ["runs"], ["train", "shakespeare", "training.lerning_rate=1"]],
)
def test_help_of_a_command_and_typos_need_no_torch(arguments: list[str], tmp_path: Path) -> None:
    """Typer reads the options of a command with pydantic's help; that is all."""
    modules, errors = loaded(arguments, tmp_path)
    assert modules in ("HEAVY []", "HEAVY ['pydantic']")
    assert ("did you mean training.learning_rate?" in errors) == (len(arguments) == 3)


COMMANDS = [
    *("train", "generate", "complete", "chat", "evaluate", "runs"),
    *("tokenizer train", "tokenizer inspect", "tokenizer report"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = groundup(*command.split(), "--help")
    assert done.returncode == 0
    assert f"groundup {command}" in done.stdout.split("Example")[1]


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["generate"], ["train", "shakespeare", "--nonsense"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert groundup(*arguments).returncode == 2


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stderr.startswith("groundup: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_generate_writes_the_same_for_the_same_seed_and_streams_what_it_returns(run: Path) -> None:
    arguments = ["generate", str(run), "--prompt", "The ", "--max-new-tokens", "30", "--seed", "3"]
    first = groundup(*arguments)
    assert first.stdout.startswith("The ")
    import groundup as gu

    assert first.stdout == "The " + gu.load(run).generate("The ", max_new_tokens=30, seed=3) + "\n"
    several = groundup(*arguments, "--num-samples", "2")
    assert "--- sample 2 of 2" in several.stdout


def test_generate_refuses_bad_settings_and_paths_in_one_sentence(run: Path, tmp_path: Path) -> None:
    assert "temperature = -1.0" in one_sentence(groundup("generate", str(run), "--temperature=-1"))
    assert "top_p = 0.0" in one_sentence(groundup("generate", str(run), "--top-p=0"))
    assert "nothing-here" in one_sentence(groundup("generate", "nothing-here", cwd=tmp_path))


def test_chat_takes_turns_until_an_empty_line(run: Path) -> None:
    done = groundup("chat", run, "--max-new-tokens", "10", stdin="License\nWork\n\nnever read\n")
    assert done.returncode == 0, done.stderr
    assert "continues text" in done.stderr
    assert len(done.stdout) > 2


def test_chat_fails_when_a_turn_has_no_reply(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "model", tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ raise_exception('never') }}")
    done = groundup("chat", tmp_path / "model", stdin="License\nWork\n")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("TemplateError: never") == 2


def test_evaluate_gives_the_runs_own_figures_and_those_of_any_text(run: Path, text_file: Path) -> None:
    result = json.loads((run / "result.json").read_text())["validation"]
    other = json.loads(
        groundup("evaluate", str(run / "model"), "--data", str(text_file), "--metrics", "perplexity", "--json").stdout
    )
    assert set(other) == {"data", "perplexity", "intervals", "unit", "tokens", "bytes", "window"}
    assert other["tokens"] == len(text_file.read_text()), "every character but the first, and the end token"
    table = groundup("evaluate", str(run)).stdout
    for name in ("loss", "perplexity", "bits_per_byte"):
        assert re.search(rf"{name.replace('_', ' ')} +{result[name]:,.4f}", table), table


def test_evaluate_refuses_in_one_sentence(run: Path, tmp_path: Path) -> None:
    assert "metrics = 'perplexty': did you mean perplexity?" in one_sentence(
        groundup("evaluate", str(run), "--metrics", "perplexty")
    )
    import shutil

    shutil.copytree(run / "model", tmp_path / "alone")
    assert "is not part of a run" in one_sentence(groundup("evaluate", str(tmp_path / "alone")))
    missing = groundup("evaluate", str(run), "--data", "./no-texts", cwd=tmp_path)
    assert one_sentence(missing).startswith("groundup: --data = './no-texts': there is no such file or folder")


def test_runs_lists_what_there_is(run: Path) -> None:
    (found,) = json.loads(groundup("runs", str(run.parent), "--json").stdout)
    assert (found["state"], found["step"], found["max_steps"]) == ("finished", 40, 40)
    table = groundup("runs", str(run.parent)).stdout
    assert "finished" in table
    assert f"{found['best_loss']:.4f}" in table


def test_a_second_time_is_refused_and_with_resume_shown(run: Path, tiny_recipe: Path) -> None:
    assert "already holds a finished run" in one_sentence(groundup("train", str(tiny_recipe), cwd=run.parent.parent))
    again = groundup("train", str(tiny_recipe), "--resume", cwd=run.parent.parent)
    assert again.returncode == 0
    assert "already finished" in again.stderr
    assert json.loads((run / "result.json").read_text())["sample"] in again.stdout


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = groundup("--debug", "train", "nothing", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "SettingError" in done.stderr


def test_a_reader_who_leaves_early_causes_no_traceback(run: Path) -> None:
    command = f"{sys.executable} -m groundup generate {run} --max-new-tokens 400 | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr


def test_what_the_system_refuses_is_one_sentence(run: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*GROUNDUP, "runs", str(run.parent)], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert (
        done.stderr == "groundup: standard output: No space left on device; free some room, or write to another disk\n"
    )
    assert "File name too long" in one_sentence(groundup("runs", "x" * 300))


def test_names_are_shown_as_they_are_and_can_be_pasted(run: Path, tiny_recipe: Path, tmp_path: Path) -> None:
    """Brackets are no markup, a table in a pipe is not cut, and the command to try is quoted."""
    name = "[bold]a name with spaces, and so long that it would not fit " * 2 + "."
    done = groundup("train", str(tiny_recipe), "training.max_steps=1", "--run", f"runs/{name}", cwd=tmp_path)
    assert f"try     groundup generate {shlex.quote(f'runs/{name}')} " in done.stdout
    assert f"runs/{name}" in groundup("runs", cwd=tmp_path, environment={"COLUMNS": "40"}).stdout
    (tmp_path / "[bold].txt").write_text("The License is a text.")
    assert "[bold].txt" in groundup("evaluate", str(run), "--data", "[bold].txt", cwd=tmp_path).stdout


WRONG_PATHS = [
    ["train", "shakespeare", "data.source=shakespear"],
    ["train", "shakespeare", "--run", "taken"],
    ["generate", "god"],
    ["chat", "god"],
    ["evaluate", "god"],
]


@pytest.mark.parametrize("arguments", WRONG_PATHS)
def test_a_wrong_path_is_answered_before_torch_is_loaded(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    command = [sys.executable, "-X", "importtime", "-m", "groundup", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "| torch\n" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("groundup: ")


def test_nothing_fails_for_what_is_said_on_standard_error(tmp_path: Path) -> None:
    """The disk of a log is full: that is no reason to lose what is trained."""
    command = (
        "import sys; from groundup.cli.streams import open_streams; open_streams(); "
        "print('step 1', file=sys.stderr); sys.stderr.flush(); print('done')"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_folder_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/b\xff"
    os.mkdir(folder)
    assert "the folder that you are in, " in one_sentence(groundup("runs", cwd=Path(os.fsdecode(folder))))


def test_an_argument_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"groundup", b"generate", b"f\xff"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"is not text in this terminal's encoding (utf-8): rename it" in done.stderr


def test_a_progress_that_nobody_reads_costs_nothing(tiny_recipe: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "groundup", "train", str(tiny_recipe), "--run", str(tmp_path / "run"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        assert json.loads(process.stdout.read())["steps"] == 40
    assert process.returncode == 0
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize("delay", [0.4, 1.2])
def test_ctrl_c_is_heard_while_modules_are_loaded(delay: float, run: Path) -> None:
    """Whenever it comes: never swallowed, never a traceback."""
    command = [sys.executable, "-m", "groundup", "generate", str(run), "--max-new-tokens", "100000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode in (130, -signal.SIGINT), errors) == (True, "")


def test_closed_streams_and_a_deleted_folder(run: Path, tmp_path: Path) -> None:
    shell = (
        f"{sys.executable} -m groundup chat {run} <&-; echo $?; {sys.executable} -m groundup evaluate {run} --json 2>&-"
    )
    lines = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "0"
    assert json.loads(lines[1])["tokens"] > 0
    gone = f"cd {tmp_path} && mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m groundup generate {run}"
    done = subprocess.run(["bash", "-c", gone], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the folder that you are in has been deleted" in one_sentence(done)


def test_a_tokenizer_is_trained_looked_into_and_measured(text_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    trained = groundup("tokenizer", "train", str(text_file), "--vocab-size", "400", "--output", str(folder))
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.startswith(f"400 tokens in {folder}; on its own text ")
    inspected = groundup("tokenizer", "inspect", str(folder), "--text", "the end<|endoftext|>", "--json")
    facts = json.loads(inspected.stdout)
    assert (facts["vocab_size"], facts["end_id"]) == (400, 0)
    assert "".join(piece for _, piece in facts["tokens"]) == "the end<|endoftext|>"
    assert all(token_id > 1 for token_id, _ in facts["tokens"])
    beside = ("--beside", str(folder / "tokenizer.json"), "--beside", str(tmp_path / "characters"))
    groundup("tokenizer", "train", str(text_file), "--kind", "character", "--output", str(tmp_path / "characters"))
    measured = groundup("tokenizer", "report", str(folder), "--data", str(text_file), *beside)
    assert measured.returncode == 0, measured.stderr
    assert "bytes a token" in measured.stdout
    assert measured.stdout.count("the longest: ") == 3
    figures = json.loads(
        groundup("tokenizer", "report", str(folder), "--data", str(text_file), *beside, "--json").stdout
    )
    bpe, the_same, characters = figures.values()
    assert bpe == the_same
    assert characters["whole"]["tokens"] > bpe["whole"]["tokens"]
    foreign = groundup(
        "tokenizer", "train", str(text_file), "--kind", "character", "--vocab-size", "9", "--output", "x"
    )
    assert foreign.returncode == 1
    assert foreign.stderr == (
        "groundup: --vocab-size = 9: leave it out: --kind character doesn't look at it, only word and bpe\n"
    )
    again = groundup("tokenizer", "train", str(text_file), "--output", str(folder))
    assert again.returncode == 1
    assert again.stderr == (
        f"groundup: {folder} is there already and is not an empty folder: name a new one with --output\n"
    )
