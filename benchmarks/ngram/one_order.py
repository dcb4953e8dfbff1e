"""One n-gram model in a process of its own, so that its memory is its own: counted, measured, told as JSON.

The argument is JSON: `train` and `validation`, files of `numpy.save` with ids; `vocab_size`, `end_id`, `order`, `num_bytes`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from groundup.evaluation.ngram import train_ngram_model


def peak_mb() -> float:
    """The most that this process held. What getrusage tells begins with what the process that started it held."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS: in bytes


def main() -> None:
    task = json.loads(sys.argv[1])
    train, validation = np.load(Path(task["train"])), np.load(Path(task["validation"]))
    before, start = peak_mb(), time.perf_counter()
    model = train_ngram_model(train, task["vocab_size"], task["end_id"], task["order"])
    trained = time.perf_counter()
    bits = model.bits_per_byte(validation, task["num_bytes"])
    scored = time.perf_counter()
    told = {
        "order": task["order"],
        "bits_per_byte": round(bits, 4),
        "accuracy": round(model.accuracy(validation), 4),
        "grams": model.num_grams,
        "train_seconds": round(trained - start, 2),
        "score_seconds": round(scored - trained, 2),
        "peak_rss_mb": round(peak_mb()),
        "rss_before_mb": round(before),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
