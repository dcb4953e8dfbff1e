"""How a contender is driven: a process of its own that takes so many steps when it is asked, and says how long they took.

    {"steps": 20}  on its standard input   ->   {"seconds": 1.23}  on its standard output
    end of input                           ->   {"peak_rss": bytes}, and it ends

What a contender has to say of itself before the first question (the tokens it generates, say) it tells by `answer`.
Imports nothing that a contender's environment may lack.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ANSWERS, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not stand between the answers


def answer(values: dict[str, Any]) -> None:
    """One line for who asked."""
    print(json.dumps(values), file=ANSWERS, flush=True)


def peak_rss() -> int:
    """The most memory this process has held, in bytes.

    Linux's `ru_maxrss` begins with what the parent process held when this one was started; its status file doesn't.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def turns(peak: Callable[[], int] = peak_rss) -> Iterator[None]:
    """Comes back once for each step that is to be taken, until the input ends; `peak` then says how much memory it took.

    A program that has a loop of its own takes its steps between two turns; the others are given to `serve`.
    """
    for line in sys.stdin:
        count = json.loads(line)["steps"]
        start = time.perf_counter()
        for _ in range(count):
            yield
        answer({"seconds": time.perf_counter() - start})
    answer({"peak_rss": peak()})


def serve(step: Callable[[], object], peak: Callable[[], int] = peak_rss) -> None:
    """Answer until the input ends."""
    for _ in turns(peak):
        step()


def shape() -> dict[str, Any]:
    """The task, from the command line: one JSON object (in training, the network's shape)."""
    return dict(json.loads(sys.argv[1]))
