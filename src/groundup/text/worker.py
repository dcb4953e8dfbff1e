"""A process that does the steps for shards of documents: requests are lines of JSON on its standard input, answers on its output.

It ends when its input does, however the process that started it ended. Beside it, `Worker` is that other process's side.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup.config import as_plain, build
from groundup.errors import DataError, GroundupError
from groundup.text.document import Document
from groundup.text.document_store import write_shard
from groundup.text.settings import DataSettings
from groundup.text.steps import Steps


def make_shard(
    steps: Steps, directory: Path, number: int, documents: Sequence[Document], sources: Sequence[str]
) -> dict[str, Any]:
    """Do the steps for a shard's documents and write it; what happened, as JSON values."""
    kept, tally = steps.run(documents)
    facts = tally.as_plain()
    write_shard(directory, number, kept, sources, tally.removed, steps.signatures(kept), facts)
    return facts


class Worker:
    """One such process; as a context it ends it. `said` is what a person is to be told by then."""

    def __init__(self, settings: DataSettings, folder: Path, directory: Path, sources: Sequence[str]) -> None:
        self.begin = {
            "settings": as_plain(settings),
            "folder": str(folder.absolute()),
            "directory": str(directory.absolute()),
            "sources": list(sources),
        }

    def __enter__(self) -> Worker:
        command = [sys.executable, "-P", "-m", "groundup.text.worker"]
        # In a session of its own Ctrl-C doesn't reach it: it ends when we do.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        try:
            self.said: list[str] = self._ask(self.begin)["said"]
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def make_shard(self, number: int, documents: Sequence[Document]) -> dict[str, Any]:
        """As the function; waits for it. Raises `DataError` when the process ended or failed."""
        return self._ask({"number": number, "documents": [vars(document) for document in documents]})

    def _end(self) -> None:
        self.process.kill()
        self.process.communicate()  # closes its pipes and waits

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            raise DataError(
                f"a process that prepares text ended (status {self.process.wait()}; for want of memory, maybe): try again, "
                "what is done is kept"
            )
        answer: dict[str, Any] = json.loads(line)
        if "errno" in answer:
            raise OSError(answer["errno"], answer["error"])
        if "error" in answer:
            raise DataError(answer["error"])
        return answer


def main() -> None:
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not stand between the answers
    first = json.loads(sys.stdin.readline())
    answer: dict[str, Any]
    try:
        steps = Steps(build(DataSettings, first["settings"], "data."), Path(first["folder"]))
        answer = {"said": steps.said}
    except GroundupError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), file=answers, flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        documents = [Document(**{**values, "repairs": tuple(values["repairs"])}) for values in question["documents"]]
        try:
            answer = make_shard(steps, Path(first["directory"]), question["number"], documents, first["sources"])
        except GroundupError as error:
            answer = {"error": str(error)}
        except OSError as error:
            answer = {"errno": error.errno, "error": error.strerror}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
