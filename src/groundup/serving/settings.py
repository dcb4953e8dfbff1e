"""Settings of `groundup serve`. Knows no torch and no web framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundup.config import require, require_finite

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServingSettings:
    """Where the server listens, who may ask, and how much of what."""

    host: str = "127.0.0.1"
    """The address to listen at; 0.0.0.0 is every address of this machine, and needs api_keys."""
    port: int = 8000
    """The port to listen at; 0 takes a free one."""
    api_keys: str = ""
    """A file with one key a line; whoever asks must send one of them. Empty: no key is asked for."""
    name: str = ""
    """What the model is called in the API; empty: the last part of its path."""
    num_slots: int = 16
    """How many texts are written at once; the cache of keys and values has this many rows."""
    max_waiting: int = 64
    """How many texts may wait for a slot; whoever comes after is told to come back later (503)."""
    context: int = 2048
    """The most tokens that are kept of a text, prompt and reply together; the model's own context if that is shorter."""
    overflow: Literal["slide", "error"] = "slide"
    """What happens to a text that would outgrow the context: its oldest part is forgotten, or the request is refused."""
    max_new_tokens: int = 4096
    """The most tokens that a request may ask for."""
    max_prompt_characters: int = 131_072
    """The longest text that is made into tokens."""
    max_body_bytes: int = 1_048_576
    """The largest body of a request."""
    max_header_bytes: int = 32_768
    """The largest head of a request: its line and its headers."""
    header_seconds: float = 10.0
    """As long as the head of a request may take to arrive."""
    body_seconds: float = 30.0
    """As long as its body may take."""
    send_seconds: float = 60.0
    """As long as the other side may take nothing of its answer; its connection is closed then."""
    request_seconds: float = 600.0
    """As long as an answer may take, waiting included; a text that is not done by then ends there."""
    drain_seconds: float = 30.0
    """After SIGTERM, as long as requests that are there already may take to be answered."""
    max_connections: int = 1024
    """How many connections may be open at once; who comes after is told to come back later (503)."""

    def __post_init__(self) -> None:
        require(0 <= self.port < 65536, "serving.port", self.port, "use a whole number from 0 to 65535")
        require(
            bool(self.api_keys) or self.host in LOCAL_HOSTS,
            "serving.host",
            self.host,
            "other machines could ask there: write keys into a file, one a line, and name it with --api-key FILE",
        )
        for field, least in (
            ("num_slots", 1),
            ("max_waiting", 0),
            ("context", 2),
            ("max_new_tokens", 1),
            ("max_prompt_characters", 1),
            ("max_body_bytes", 1),
            ("max_header_bytes", 1024),
            ("max_connections", 1),
        ):
            value = getattr(self, field)
            require(value >= least, f"serving.{field}", value, f"use a whole number of at least {least}")
        for field in ("header_seconds", "body_seconds", "send_seconds", "request_seconds", "drain_seconds"):
            require_finite(f"serving.{field}", getattr(self, field), exclusive=True)
