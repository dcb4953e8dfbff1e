"""The server around the application: uvicorn on a socket of ours, and an end without loss."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import uvicorn
from fastapi import FastAPI

from groundup.errors import MachineError
from groundup.serving.http_protocol import limited_protocol
from groundup.serving.runner import Runner
from groundup.serving.service import Service
from groundup.serving.settings import ServingSettings

logger = logging.getLogger("groundup.serving")

INTERRUPTED = 130  # what a shell expects after Ctrl-C
OTHER_FILES = 128  # that a server may have open beside its connections, those that it is about to refuse among them
SECONDS_TO_TELL = 1.0  # whoever has no more time


class Server(uvicorn.Server):
    """Ends when it is told to (SIGTERM, Ctrl-C): takes no more requests, answers those that it has, then stops."""

    def __init__(self, config: uvicorn.Config, runner: Runner, drain_seconds: float) -> None:
        super().__init__(config)
        self._runner, self._drain_seconds = runner, drain_seconds
        self.interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On a signal."""
        if sig == signal.SIGINT and self.interrupted:
            os._exit(INTERRUPTED)  # asked twice, so not to wait for anything
        self.interrupted |= sig == signal.SIGINT
        self.should_exit = self._runner.draining = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """`serve` listens to signals before uvicorn begins, and until the process ends."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin. From then on our own log has a line for each request, and uvicorn is silent."""
        await super().startup(sockets)
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let those finish who are there. Whose time is over gets an error; what then still runs is canceled."""
        if self._runner.num_open:
            logger.info("%d texts are still written, for %g s at most", self._runner.num_open, self._drain_seconds)
        asyncio.get_running_loop().call_later(self._drain_seconds, self._runner.end_texts)
        await super().shutdown(sockets)


def http_server(app: FastAPI, settings: ServingSettings) -> Server:
    """The server of an application, ready to `run`."""
    service: Service = app.state.service
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=limited_protocol(settings, service.metrics),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=settings.max_header_bytes,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds + SECONDS_TO_TELL),
        timeout_keep_alive=75,
    )
    return Server(config, service.runner, settings.drain_seconds)


def serve(app: FastAPI, settings: ServingSettings) -> None:
    """Serve until a signal says to end. SIGTERM then is an ordinary end, exit status 0, however often it comes.

    Raises `MachineError` for an address that can't be listened at, `KeyboardInterrupt` after Ctrl-C.
    """
    listening = listen(settings)
    possible = possible_connections(settings.max_connections)
    server = http_server(app, replace(settings, max_connections=possible))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    _log(listening, app)
    if possible < settings.max_connections:
        logger.warning("%d connections at most: the system lets this process open no more (ulimit -Hn)", possible)
    server.run([listening])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # it has ended: one more would only spoil its exit status
    if server.interrupted:
        raise KeyboardInterrupt


def listen(settings: ServingSettings) -> socket.socket:
    """The socket to listen at. Raises `MachineError` if nobody can."""
    try:
        settings.host.encode("idna")  # raises UnicodeError for what no host can be called
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else "this machine has no such name"
        raise MachineError(
            f"{settings.host}, port {settings.port}: nobody can listen there ({reason}); "
            "name a free one with --port, or a name of this machine with --host"
        ) from error


def possible_connections(most: int) -> int:
    """How many connections of so many this process may have open, its soft limit raised as far as need be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + OTHER_FILES
    files = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(1, files - OTHER_FILES)


def _log(listening: socket.socket, app: FastAPI) -> None:
    """To stderr: where it listens, and from now on each request, without its text."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    name = app.state.service.name
    logger.info("%s is served at %s (the API at %s/v1); Ctrl-C ends it", name, url, url)
