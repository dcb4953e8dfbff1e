"""Who may ask: keys from a file, compared in constant time; and which names this server goes by."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from groundup.errors import SettingError
from groundup.serving.api_error import ApiError
from groundup.serving.settings import LOCAL_HOSTS

OPEN_PATHS = ("/health", "/ready")
LONGEST_KEY = 1024


def read_keys(path: str) -> list[bytes]:
    """The hashes of a file's keys, one a line; empty lines and those that begin with # are left out.

    Raises `SettingError` if it can't be read, or holds no key, or one that can't stand in a header.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingError(
            "serving.api_keys",
            "…",
            f"this file cannot be read ({reason}): write one key a line into a file and name it",
        ) from None  # its name is not shown: it may be a key, given in place of a file
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise SettingError("serving.api_keys", path, "there is no key in this file: write one a line")
    for number, key in enumerate(keys, start=1):
        if len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
            raise SettingError(
                "serving.api_keys",
                path,
                f"key {number} cannot be sent in a header: use up to {LONGEST_KEY} ASCII characters without spaces",
            )
    return [_hash(key.encode()) for key in keys]


class KeyCheck:
    """Asks for a key, `Authorization: Bearer KEY`, at every path but the open ones.

    The path is the one that the request line names, which is also the one that is routed; a Host header has no say in it.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[bytes], open_paths: Collection[str]) -> None:
        self.app, self.keys, self.open_paths = app, list(keys), {*OPEN_PATHS, *open_paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.keys or self._is_open(scope) or self._has_key(scope):
            return await self.app(scope, receive, send)
        error = ApiError(
            401, "send a key of this server in the header  Authorization: Bearer KEY", code="invalid_api_key"
        )
        return await error.response()(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        return scope["method"] in ("GET", "HEAD") and scope["path"] in self.open_paths

    def _has_key(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, key = given[0].partition(b" ")
        hashed = _hash(key.strip())
        # Each key is compared, whichever fits, and hashes are of one length: time says nothing about them.
        return sum(hmac.compare_digest(hashed, known) for known in self.keys) > 0 and scheme.lower() == b"bearer"


class HostCheck:
    """A server for this machine alone answers to its local names only.

    Else a page that someone visits could let its own name point here (DNS rebinding), and read what it asks.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app, self.only_local = app, host in LOCAL_HOSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.only_local or self._is_local(scope):
            return await self.app(scope, receive, send)
        error = ApiError(
            403, "this server answers to localhost and 127.0.0.1 only: ask there, or start it with another --host"
        )
        return await error.response()(scope, receive, send)

    def _is_local(self, scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        name, separator, port = hosts[0].rpartition(":") if len(hosts) == 1 else ("", "", "")
        if not separator or port.endswith("]"):  # no port; the colons are those of an IPv6 address
            name, port = "".join(hosts), ""
        return (not port or port.isdecimal()) and name.strip("[]").lower() in LOCAL_HOSTS


def _hash(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
