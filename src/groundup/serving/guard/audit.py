"""The audit log: what was found and what became of it, a line of JSON each, without a word of the text."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from groundup.errors import DataError
from groundup.serving.guard.settings import Action, CheckName, Side


class AuditLog:
    """Lines at the end of a file that only its owner may read.

    Of what was found stand there its length and a keyed hash (HMAC-SHA-256, RFC 2104). The key is drawn anew by each process and kept in
    its memory alone: equal values of one run of the server can be counted, and none can be guessed from the log afterwards.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataError(
                f"audit: {path} cannot be written ({error.strerror}); name a file in a folder that is there"
            ) from None
        self._key = secrets.token_bytes(32)

    def write(self, side: Side, check: CheckName, kind: str, action: Action, value: str, request: str = "") -> None:
        """One finding. `request` is the server's name for the request. A full disk is only told: checks go on."""
        line = json.dumps(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "request": request,
                "side": side,
                "check": check,
                "kind": kind,
                "action": action,
                "characters": len(value),
                "hash": hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:16],
            }
        )
        try:
            os.write(self._file, line.encode() + b"\n")  # one call, so that lines of several threads don't mix
        except OSError as error:
            with contextlib.suppress(OSError):  # what is printed may lie on the same disk
                print(f"groundup: the audit log cannot be written ({error.strerror}); free some room", file=sys.stderr)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
