"""The Slurm job of examples/cluster: its syntax, its directives, and what it would run. Slurm's commands are stand-ins that tell."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from torch.distributed.run import parse_args

JOB = Path(__file__).parent.parent / "examples" / "cluster" / "train.sbatch"
# Those of sbatch's manual that it uses, each with what it takes.
DIRECTIVES = {
    "job-name": r"[\w-]+",
    "nodes": r"\d+",
    "ntasks-per-node": "1",
    "gpus-per-node": r"\d+",
    "cpus-per-task": r"\d+",
    "mem": "0",
    "time": r"(\d+-)?\d+:\d\d:\d\d",
    "signal": r"B:[A-Z]+[12]?@\d+",
    "requeue": "",
    "open-mode": "append",
    "output": r"[\w-]+%j\.log",
}
STAND_INS = {
    # Without its own options. Asked to end, the real one kills what it has started (`_forward_signal` in its signals.c).
    "srun": 'printf "%s\\n" "$1" "$2" > srun.txt; shift 2; "$@" & echo $! > step.txt; trap "kill -KILL $!" TERM; wait $!',
    "scancel": 'printf "%s\\n" "$@" > scancel.txt; kill -TERM "$(cat step.txt)"',
    "torchrun": 'printf "%s\\n" "$@" > torchrun.txt; trap "echo asked >> torchrun.txt; exit 1" TERM; sleep ${BUSY:-0} & wait',
    "scontrol": 'if [ "$1" = show ]; then printf "one\\ntwo\\n"; else echo "$@" >> scontrol.txt; fi',
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "activate").touch()
    for name, script in STAND_INS.items():
        (bin_folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (bin_folder / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "8", "SLURM_JOB_ID": "7"}
    slurm["SLURM_CPUS_PER_TASK"] = "64"
    return {**os.environ, **slurm, "PATH": f"{bin_folder}:{os.environ['PATH']}", "GROUNDUP_ENVIRONMENT": str(tmp_path)}


def test_it_is_a_shell_script_without_fault() -> None:
    subprocess.run(["bash", "-n", str(JOB)], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "--exclude=SC1091", str(JOB)], check=True)


def test_its_directives_are_sbatchs_and_come_first() -> None:
    lines = JOB.read_text(encoding="utf-8").splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH")]
    first_command = next(place for place, line in enumerate(lines) if line and not line.startswith("#"))
    assert max(lines.index(line) for line in directives) < first_command, "later ones are not read"
    for line in directives:
        match = re.fullmatch(r"#SBATCH --([a-z-]+)(?:=(.*))?", line)
        assert match, line
        assert re.fullmatch(DIRECTIVES[match[1]], match[2] or ""), line


def test_it_starts_torchrun_on_each_machine(environment: dict[str, str], tmp_path: Path) -> None:
    command = ["bash", str(JOB), "my recipe.toml", "runs/mine", "training.max_steps=5"]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    parsed = parse_args((tmp_path / "torchrun.txt").read_text().splitlines())  # type: ignore[no-untyped-call]
    assert (parsed.nnodes, parsed.nproc_per_node, parsed.rdzv_endpoint, parsed.module) == ("2", "8", "one:29500", True)
    assert (tmp_path / "srun.txt").read_text().split() == ["--kill-on-bad-exit=1", "--cpus-per-task=64"]
    assert parsed.training_script == "groundup"
    expected = ["train", "my recipe.toml", "parallel.strategy=fsdp", "training.max_steps=5", "--run", "runs/mine"]
    assert parsed.training_script_args == [*expected, "--resume"]
    assert not (tmp_path / "scontrol.txt").exists(), "what has ended by itself isn't put into the queue again"


def test_when_its_time_is_up_it_saves_and_queues_again(environment: dict[str, str], tmp_path: Path) -> None:
    command = ["bash", str(JOB), "recipe.toml", "runs/mine"]
    job = subprocess.Popen(command, env={**environment, "BUSY": "5"}, cwd=tmp_path)
    deadline = time.monotonic() + 20
    while not (tmp_path / "torchrun.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    job.send_signal(signal.SIGUSR1)
    job.wait(timeout=10)
    asked = (tmp_path / "scancel.txt").read_text().split()
    assert asked == ["--signal=TERM", "7"], "what srun has started, not srun, which kills it"
    assert (tmp_path / "torchrun.txt").read_text().endswith("asked\n")
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 7\n"


def test_what_is_missing_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(JOB), "recipe.toml"], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "name a folder that all machines share" in done.stderr
