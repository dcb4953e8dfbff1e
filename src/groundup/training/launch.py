"""The processes of a training on this machine, started and watched by torchrun's own launcher."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from groundup.errors import TrainingError
from groundup.training.parallel_settings import LAUNCHED

SECONDS_TO_SAVE = "120"
"""How long a process may take to save and leave once it is asked to, before it is killed."""
HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that the processes get from us, but those that whoever started us lets us ignore, as nohup does."""
STOPPED = (128 + signal.SIGHUP, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run `groundup` with these arguments in several processes of this machine (0: one per GPU), and wait; the exit status.

    A signal is handed on to them. When one fails the others are ended, and `TrainingError` says what the first had to say.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)  # it says in 63 lines what we say in one
    os.environ[LAUNCHED] = str(os.getpid())
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", SECONDS_TO_SAVE)
    number = processes or max(1, torch.cuda.device_count())
    with tempfile.TemporaryDirectory(prefix="groundup-processes-") as folder:  # for what they leave that fail
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=number,
            logs_specs=DefaultLogsSpecs(folder),
            run_id=f"groundup-{os.getpid()}",
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            signals_to_handle=",".join(
                number.name for number in HANDED_ON if signal.getsignal(number) != signal.SIG_IGN
            ),
        )
        try:
            # -P: a file of the user's that is called like a module of ours, or of Python's, is not taken for it.
            elastic_launch(config, sys.executable)("-P", "-m", "groundup", *arguments)
        except SignalException as error:
            if said := what_was_said(Path(folder)):
                raise TrainingError(said) from None
            return 128 + error.sigval
        except ChildFailedError as error:
            stopped = {failure.exitcode for failure in error.failures.values()} & set(STOPPED)
            if stopped:  # somebody sent a signal to the processes themselves
                return min(stopped)
            raise TrainingError(why_it_failed(error.failures, number)) from None
        finally:
            logging.disable(logging.NOTSET)
    return 0


def record_failure(sentence: str) -> bool:
    """Leave what ended this process to the launcher to say, once for all; False if it wasn't started by ours."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if LAUNCHED not in os.environ or not file:
        return False
    Path(file).write_text(json.dumps({"message": sentence, "timestamp": int(time.time())}), encoding="utf-8")
    return True


def what_was_said(folder: Path) -> str:
    """What a process that was to save and leave had to say, the first of them; empty if none had anything."""
    files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.rglob("error.json"))]
    return str(min(files, key=lambda one: one["timestamp"])["message"]) if files else ""


def why_it_failed(failures: Mapping[int, Any], number: int) -> str:
    """What ended a training: what a process said, or else which signal it got. One that ended since another did says nothing."""
    # Who said nothing left no file, and so no time in it.
    said = [failure for failure in failures.values() if "timestamp" in failure.error_file_data]
    if said:
        return str(min(said, key=lambda failure: failure.timestamp).message)
    advice = "the others were ended; go on with --resume"
    for rank, failure in failures.items():
        if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM:
            what = signal.Signals(-failure.exitcode).name
            why = " (the system does that when memory runs out)" if failure.exitcode == -signal.SIGKILL else ""
            return f"process {rank} of {number} was ended by {what}{why}; {advice}"
    rank, failure = next(iter(failures.items()))
    return f"process {rank} of {number} ended with status {failure.exitcode}; {advice}"
