"""Chat templates: a conversation as the text that a model learned to read.

A template is a program in a model's folder, by whoever made the model, so it runs in a process of its own with a sandbox, and with
limits to its time, its memory and its text (`template_process`).
"""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from groundup.errors import TokenizerError

SECONDS = 5.0
"""As long as one conversation may take."""
SECONDS_TO_START = 60.0
"""As long as a process may take to begin, on a busy machine."""


class ChatTemplate:
    """A template with the special tokens that it may name. Its process begins with the first conversation, and ends with this object."""

    def __init__(self, source: str, special_tokens: Mapping[str, str] | None = None) -> None:
        self.source, self.special_tokens = source, dict(special_tokens or {})
        self._process: subprocess.Popen[bytes] | None = None

    def render(self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool = False) -> str:
        """The conversation's text; with `add_generation_prompt`, up to where the assistant's next message begins.

        Raises `TokenizerError` when the template refuses it, or takes too much time or memory, or makes too much text.
        """
        values = {"messages": list(messages), "add_generation_prompt": add_generation_prompt, "tools": None}
        return self._ask({**self.special_tokens, **values, "documents": None})["text"]

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "groundup.tokens.template_process"]
        # In a session of its own Ctrl-C doesn't reach it: it ends when we do.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        weakref.finalize(self, _end, process)
        try:
            self._answer(process, SECONDS_TO_START)
            self._exchange(process, self.source)  # a constant in it may take long to compute
        except TokenizerError:
            self._give_up(process)  # it has no template
            raise
        self._process = process
        return process

    def _ask(self, values: dict[str, Any]) -> dict[str, str]:
        return self._exchange(self._process or self._start(), values)

    def _exchange(self, process: subprocess.Popen[bytes], question: Any) -> dict[str, str]:
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        return self._answer(process, SECONDS)

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, str]:
        line = b""
        try:
            line = _line_within(process, seconds)
        except TimeoutError:
            self._give_up(process)
            raise TokenizerError(
                f"the chat template takes more than {seconds:g} s for a conversation, so it was stopped: use another template"
            ) from None
        except OSError:
            pass  # it has ended
        if not line:
            self._give_up(process)
            raise TokenizerError("the chat template's process ended, for want of memory, maybe: use another template")
        answer: dict[str, str] = json.loads(line)
        if "error" in answer:
            why = " ".join(answer["error"].split())
            raise TokenizerError(f"the chat template can't be used for this conversation ({why})")
        return answer

    def _give_up(self, process: subprocess.Popen[bytes]) -> None:
        _end(process)
        self._process = None


def _line_within(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """The next line that it writes. Raises `TimeoutError` if none begins in time; what begins is short, and written at once."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            raise TimeoutError
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
