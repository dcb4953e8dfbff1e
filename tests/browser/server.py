"""A real server for the browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from groundup.language_model.model import LanguageModel
from groundup.serving.app import create_app
from groundup.serving.http_server import http_server
from groundup.serving.service import Service
from groundup.serving.settings import ServingSettings

PATIENCE = 20_000  # milliseconds; a busy machine is no failure


class Server:
    """An application behind a port of its own, in a thread of this process."""

    def __init__(self, language_model: LanguageModel, settings: ServingSettings) -> None:
        app = create_app(language_model, settings)
        self.service: Service = app.state.service
        self._server = http_server(app, settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def end(self) -> None:
        """As if it were killed: whoever is connected is cut off. (From Python 3.12 on uvicorn waits for them even when forced.)"""
        self._server.should_exit = self._server.force_exit = True
        for connection in list(self._server.server_state.connections):
            connection.loop.call_soon_threadsafe(connection.transport.abort)
        self._thread.join(20)


def wait_until(true: Callable[[], bool], seconds: float = PATIENCE / 1000) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)
