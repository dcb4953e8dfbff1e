"""The server around the application: uvicorn, with limits to the head of a request, and an end without loss."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from groundup.errors import MachineError
from groundup.serving.runner import Runner
from groundup.serving.settings import ServingSettings


def limited_protocol(seconds: float) -> type[asyncio.Protocol]:
    """HTTP/1.1 whose connections are closed when a request's head isn't whole in time, from the first byte that is awaited."""

    class LimitedProtocol(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._head_timer = self.loop.call_later(seconds, self._give_up)

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            super().data_received(data)
            if self.cycle is not before:  # a head is whole
                self._stop_timer()
            elif self._head_timer is None and (before is None or before.response_complete):
                self._head_timer = self.loop.call_later(seconds, self._give_up)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            self._head_timer = None
            self.transport.close()

    return LimitedProtocol


class Server(uvicorn.Server):
    """Ends when it is told to (SIGTERM, Ctrl-C): takes no more requests, answers those that it has, then stops."""

    def __init__(self, config: uvicorn.Config, runner: Runner) -> None:
        super().__init__(config)
        self._runner = runner

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On a signal."""
        self._runner.draining = True
        super().handle_exit(sig, frame)


def http_server(app: FastAPI, settings: ServingSettings) -> Server:
    """The server of an application, ready to `run`."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=limited_protocol(settings.header_seconds),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=settings.max_header_bytes,
        limit_concurrency=settings.max_connections,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        timeout_keep_alive=75,
    )
    return Server(config, app.state.service.runner)


def serve(app: FastAPI, settings: ServingSettings) -> None:
    """Serve until a signal says to end. SIGTERM then is an ordinary end, exit status 0.

    Raises `MachineError` for an address that can't be listened at.
    """
    server = http_server(app, settings)
    listening = listen(settings)
    # Until uvicorn listens to signals itself, and once more when all is done, for it raises them again then.
    signal.signal(signal.SIGTERM, server.handle_exit)
    _log(listening, app)
    server.run([listening])


def listen(settings: ServingSettings) -> socket.socket:
    """The socket to listen at. Raises `MachineError` if nobody can."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise MachineError(
            f"{settings.host}, port {settings.port}: nobody can listen there ({error.strerror or error}); "
            "name a free one with --port, or a name of this machine with --host"
        ) from error


def _log(listening: socket.socket, app: FastAPI) -> None:
    """To stderr: where it listens, and from now on each request, without its text."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    name = app.state.service.name
    logging.getLogger("groundup.serving").info("%s is served at %s (the API at %s/v1); Ctrl-C ends it", name, url, url)
