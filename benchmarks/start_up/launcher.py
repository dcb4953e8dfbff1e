"""Starts a command whenever it is asked, waits for it, and keeps its peak memory.

A small process of its own: on Linux a child's peak begins with what its parent held when it was started.
"""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.throughput.protocol import serve, shape

COMMAND: list[str] = shape()["command"]
peaks = [0]


def launch() -> None:
    process = subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(errors.decode(errors="replace"))
    peaks.append(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


serve(launch, lambda: max(peaks))
