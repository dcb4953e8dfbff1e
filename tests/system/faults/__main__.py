"""Each fault a training may meet, and what comes of it: a table, and JSON.

python -m tests.system.faults            all of them, a hundred kills of one process and of two (twenty to forty minutes)
python -m tests.system.faults --short    a handful of each (what `make test` runs)
python -m tests.system.faults --only clock flips --seed 7
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.system.faults import flips, kills, machine, signals, storage
from tests.system.faults.ground import Ground, Summary, log_of, start, start_pair, train_arguments, write_recipe
from tests.system.faults.operations import FAULTS

NAMESPACE = "FAULTS_IN_A_NAMESPACE"
MOUNTS = ("full", "read-only", "unmounted", "from-the-start", "image")
NAMES: tuple[str, ...] = (
    "kills",
    "pairs",
    "operations",
    "full",
    "read-only",
    "forbidden",
    "moved",
    "unmounted",
    "from-the-start",
    "image",
)
NAMES += ("clock", "faketime", "oom", "memory", "term", "twice", "flips", "sharded-pairs", "sharded-flips")
IN_SHORT = tuple(name for name in NAMES if name not in ("faketime", "pairs", "sharded-pairs", "sharded-flips"))
"""What `make test` tries; libfaketime is no part of its environment, and two processes have tests of their own."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.system.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", nargs="+", choices=NAMES)
    parser.add_argument("--kills", type=int, help="so many of one process and of two, these all forked")
    parser.add_argument("--share", type=float, default=1.0, help="of how often each fault is tried: 0.1 is a tenth")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--json", type=Path, help="write the summary there, into what is there of other faults")
    chosen = parser.parse_args()
    _hear_signals()
    can_mount = _enter_namespace()
    print(f"seed {chosen.seed}")
    memory = Path("/dev/shm")  # kills and full disks don't depend on what a disk is made of, and this one is quick
    place = str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30 else None
    failed = interrupted = False
    with tempfile.TemporaryDirectory(prefix="faults-", dir=place, ignore_cleanup_errors=True) as folder:
        ground = lay(Path(folder))
        for name in chosen.only or (IN_SHORT if chosen.short else NAMES):
            try:
                summary = _one(name, ground, chosen, can_mount)
            except KeyboardInterrupt:  # what was tried until then counts, but for the one under way
                if Summary.latest is None or Summary.latest.times < 2:
                    raise
                summary, interrupted = Summary.latest, True
                summary.times -= 1
            summary.failures = [failure.replace(folder, "") for failure in summary.failures]
            _tell(summary)
            failed |= bool(summary.failures)
            if chosen.json:
                _add(chosen.json, name, chosen.seed, summary)
            if interrupted:
                break
    sys.exit(failed)


def _hear_signals() -> None:
    """Started in the background, by a script or by nohup, we would have inherited that some are ignored, and so would every child."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _add(file: Path, name: str, seed: int, summary: Summary) -> None:
    """Write a summary beside those of other faults; to one of the same fault it is added, so that a long run may come in pieces."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    before = known.get(name, {"seeds": [], "times": 0, "counts": {}, "failures": []})
    counts = {
        what: before["counts"].get(what, 0) + summary.counts.get(what, 0)
        for what in sorted({*before["counts"], *summary.counts})
    }
    known[name] = {
        "fault": summary.fault,
        "seeds": [*before["seeds"], seed],
        "times": before["times"] + summary.times,
        "counts": counts,
        "failures": [*before["failures"], *summary.failures],
        "skipped": summary.skipped,
    }
    file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def table(file: Path) -> str:
    """The summary as docs/faults.md shows it."""
    known = json.loads(file.read_text(encoding="utf-8"))
    lines = ["| fault | times | failed | what was seen |", "|---|---|---|---|"]
    for name in [name for name in NAMES if name in known]:
        one = known[name]
        seen = "; ".join(f"{what} {times}" for what, times in one["counts"].items() if times)
        lines.append(f"| {one['fault']} | {one['times']} | {len(one['failures'])} | {one['skipped'] or seen} |")
    return "\n".join(lines) + "\n"


def lay(folder: Path) -> Ground:
    """The recipe, a cache, and the undisturbed run."""
    ground = Ground(folder, folder / "cache", write_recipe(folder))
    os.environ["GROUNDUP_CACHE"] = str(ground.cache)
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in ("first", "whole"):  # the first one also prepares the data
        begun = time.monotonic()
        child = start(
            train_arguments(ground, folder / name), log_of(folder / name), {"GROUNDUP_CACHE": str(ground.cache)}
        )
        if child.wait():
            raise SystemExit(child.said())
        ground.seconds = time.monotonic() - begun
    ground.whole = folder / "whole"
    return ground


def _one(name: str, ground: Ground, chosen: argparse.Namespace, can_mount: bool) -> Summary:
    """One fault, as often as was asked for."""
    random_ = random.Random(f"{chosen.seed} {name}")
    short, share = chosen.short, 0.01 if chosen.short else chosen.share
    show = _progress(name)

    def times(in_full: int) -> int:
        return max(1, round(share * in_full))

    if name == "kills":
        return kills.kill_one_process(ground, random_, chosen.kills or (3 if short else times(100)), show)
    if name in ("pairs", "sharded-pairs"):
        launched, pair = 0 if chosen.kills else times(8), _whole_pair(ground, "ddp" if name == "pairs" else "fsdp")
        return kills.kill_two_processes(pair, random_, chosen.kills or times(100), launched, show)
    if name == "sharded-flips":
        return flips.flipped_bytes(_whole_pair(ground, "fsdp"), random_, times(8), short, show)
    if name in MOUNTS and not can_mount:
        return Summary(name, skipped="nothing may be mounted here")
    if name == "from-the-start":
        return storage.start_on_bad_storage(ground, show)
    if name == "memory":
        return machine.too_little_memory(ground, random_, times(25), show)
    if name == "faketime":
        return machine.clock_jumps_for_all(ground, random_, times(3), show)
    if name == "twice":
        return signals.told_twice(ground, random_, times(25), show)
    kinds = storage.operations_of(ground)
    fault = {"full": "disk full", "operations": "kill -9"}.get(name, name)
    if fault in FAULTS:
        return storage.at_each_operation(fault, ground, kinds, random_, share, show)
    if name == "image":
        return storage.go_on_in_an_image(ground, kinds, random_, times(10), show)
    if name == "clock":
        return machine.clock_jumps(ground, random_, times(10), kinds, show)
    if name == "oom":
        return machine.killed_for_memory(ground, random_, times(10), kinds, show)
    if name == "term":
        return signals.told_to_stop(ground, random_, kinds, share, show, 0 if short else times(5))
    return flips.flipped_bytes(ground, random_, times(8), short, show)


def _whole_pair(ground: Ground, strategy: str) -> Ground:
    """The undisturbed run of two processes; of several faults the same."""
    run, begun = ground.folder / f"whole-{strategy}", time.monotonic()
    ground = replace(ground, strategy=strategy, whole=run)
    if run.exists():
        return ground
    pair = start_pair(ground, run, False)
    if max(child.wait() for child in pair):
        raise SystemExit(pair[0].said() + pair[1].said())
    return replace(ground, seconds=time.monotonic() - begun)


def _enter_namespace() -> bool:
    """Begin again where we may mount and nobody sees it; whether that is so."""
    if NAMESPACE in os.environ:
        return True
    as_root = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    try:
        tried = subprocess.run([*as_root, "mount", "-t", "tmpfs", "faults", "/mnt"], capture_output=True, check=False)
    except OSError:
        return False
    if tried.returncode:
        return False
    os.environ[NAMESPACE] = "1"
    return os.execvp(as_root[0], [*as_root, sys.executable, "-m", "tests.system.faults", *sys.argv[1:]])


def _progress(name: str) -> Callable[[str], None]:
    live = sys.stderr.isatty()

    def show(text: str) -> None:
        if live:
            print(f"\r{name}: {text}    ", end="", file=sys.stderr, flush=True)

    return show


def _tell(summary: Summary) -> None:
    seen = ", ".join(f"{what}: {times}" for what, times in sorted(summary.counts.items()))
    verdict = (
        f"skipped: {summary.skipped}"
        if summary.skipped
        else f"{len(summary.failures)} failed"
        if summary.failures
        else "held"
    )
    print(f"{summary.fault}: {summary.times} times, {verdict}" + (f" ({seen})" if seen else ""), flush=True)
    for failure in summary.failures:
        print(f"    {failure}")


if __name__ == "__main__":
    main()
