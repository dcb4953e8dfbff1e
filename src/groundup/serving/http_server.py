"""The server around the application: uvicorn, with limits to the head of a request, and an end without loss."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

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
    """Serve until a signal says to end. SIGTERM then is an ordinary end, exit status 0."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)  # uvicorn raises it again when all is done
    http_server(app, settings).run()
