"""How a contender is driven: a process of its own that takes so many steps when it is asked, and says how long they took.

    {"steps": 20}  on its standard input   ->   {"seconds": 1.23}  on its standard output
    end of input                           ->   {"peak_rss": bytes}, and it ends

Imports nothing that a contender's environment may lack.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

ANSWERS, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not stand between the answers


def serve(step: Callable[[], object]) -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        count = json.loads(line)["steps"]
        start = time.perf_counter()
        for _ in range(count):
            step()
        print(json.dumps({"seconds": time.perf_counter() - start}), file=ANSWERS, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak_rss": peak}), file=ANSWERS, flush=True)


def shape() -> dict[str, Any]:
    """The network's shape, from the command line: one JSON object."""
    return dict(json.loads(sys.argv[1]))
