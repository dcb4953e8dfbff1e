"""One flipped byte in any file of a run: found and named, or shown to lose nothing."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.system.faults.ground import (
    FaultError,
    Ground,
    Summary,
    log_of,
    require,
    require_same,
    start,
    start_pair,
    train_arguments,
)
from tests.system.faults.operations import at_operation

from groundup.errors import GroundupError
from groundup.recipe.verify import verify
from groundup.run.checkpoints import list_checkpoints, read_state
from groundup.run.listing import list_runs

LOSES_NOTHING = {"run.lock": "says who owned it; written anew by whoever owns it next"}
"""Files whose damage loses nothing, and why."""


def flipped_bytes(
    ground: Ground, random_: random.Random, positions: int, quick: bool, show: Callable[[str], None]
) -> Summary:
    """In each file of a finished run and of a killed one: some bytes, the first and the last among them. `quick`: of a finished one.

    Of two processes a finished one alone, which each then asks both to go on with.
    """
    summary = Summary("one flipped byte in a file of a run" + (", sharded" if ground.strategy == "fsdp" else ""))
    if quick:
        _every_file(ground.whole, True, ground, random_, positions, summary, show, resumes=False)
        return summary
    if ground.strategy:
        _every_file(ground.whole, True, ground, random_, positions, summary, show)
        return summary
    killed = ground.folder / "killed"
    child = start(
        train_arguments(ground, killed), log_of(killed), None, False, at_operation, str(killed), 160, "kill -9", ""
    )
    require(child.wait() == -9, child.said())
    for whole in (ground.whole, killed):
        _every_file(whole, whole == ground.whole, ground, random_, positions, summary, show)
    return summary


def _every_file(
    whole: Path,
    finished: bool,
    ground: Ground,
    random_: random.Random,
    positions: int,
    summary: Summary,
    show: Callable[[str], None],
    resumes: bool = True,
) -> None:
    copy = ground.folder / "flipped" / "run"
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    marks = read_state(list_checkpoints(whole)[-1])["records"]
    for index, name in enumerate(files):
        content = (whole / name).read_bytes()
        places = (
            sorted(
                {
                    *(0, len(content) - 1)[: positions - 1],
                    *(random_.randrange(len(content)) for _ in range(max(1, positions - 2))),
                }
            )
            if content
            else []
        )
        for turn, place in enumerate(places):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(whole, copy)
            flipped = bytearray(content)
            flipped[place] ^= random_.randrange(1, 256)
            (copy / name).write_bytes(flipped)
            summary.times += 1
            # What was logged after the newest checkpoint is told again with its steps; of events a line of history may go.
            told_again = not finished and place >= marks.get(name.as_posix(), {}).get("bytes", len(content))
            loses_nothing = told_again or name.as_posix() in LOSES_NOTHING
            try:
                summary.count(_found(copy, name, ground, finished, loses_nothing, resume=resumes and turn == 0))
            except FaultError as error:
                summary.failures.append(
                    f"{'finished' if finished else 'killed'} run, {name}, byte {place} of {len(content)}: {error}"
                )
        show(f"{index + 1}/{len(files)} files, {summary.times} flips, {len(summary.failures)} failures")
    shutil.rmtree(copy.parent, ignore_errors=True)


def _found(copy: Path, name: Path, ground: Ground, finished: bool, loses_nothing: bool, resume: bool) -> str:
    """Who found it. With `resume` a run is also resumed, to see that it is refused by name, or ends with the same bits."""
    require(list_runs(copy.parent), "it is no longer listed")
    seen = _by_verify(copy, name)
    if resume or not seen:
        children = (
            start_pair(ground, copy, True)
            if ground.strategy
            else [start(train_arguments(ground, copy, True), log_of(copy))]
        )
        code, said = max(child.wait() for child in children), "\n".join(child.said() for child in children)
        require("Traceback" not in said, said[-1500:])
        named = _names(said, name)
        if code == 0:
            if not (finished and seen):
                # Of a file of records a line is lost; that is said, and the damaged file is kept.
                require_same(copy, ground.whole, records=name.suffix != ".jsonl" or not named)
            require(seen or named or loses_nothing, "nobody saw it")
        else:
            require(named, f"--resume ends with {code} and does not name it: {said[-500:]}")
            require(code == 1, f"--resume ends with {code}")
    if seen:
        return "named by verify"
    return "loses nothing" if loses_nothing else "named by --resume"


def _by_verify(copy: Path, name: Path) -> bool:
    try:
        links = verify(copy)
    except GroundupError as error:
        require(_names(str(error), name), f"verify refuses without naming it: {error}")
        return True
    bad = [link for link in links if link.state in ("broken", "other")]
    if not bad:
        return False
    told = " ".join(f"{link.name}: {link.detail}" for link in bad)
    require(_names(told, name), f"verify names another: {told}")
    return True


def _names(said: str, name: Path) -> bool:
    """Whether a file is named, or the folder that holds it as one."""
    checkpoint = re.search(r"step-\d{6}", name.as_posix())
    return name.name in said or bool(checkpoint and checkpoint.group() in said)
