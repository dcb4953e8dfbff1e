"""One connection: uvicorn's HTTP/1.1 with limits to how long the other side may keep it, and refusals in OpenAI's shape."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import Any, ClassVar

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from groundup.serving.api_error import ApiError
from groundup.serving.metrics import Metrics, RequestMetrics
from groundup.serving.settings import ServingSettings
from groundup.serving.size_limits import LINGER_SECONDS, head_too_large, refuse

BUSY_SECONDS = 0.5  # for the head of a request that will be refused
UNREADABLE = "this is no HTTP/1.1 that can be read here: look at the request's first line and its headers"


class LimitedProtocol(H11Protocol):
    """A connection that is closed when a request's head isn't whole in time, from the first byte that is awaited, and when nothing of an
    answer is taken for so long. Who comes when `max_connections` are open gets 503."""

    settings: ClassVar[ServingSettings]
    metrics: ClassVar[Metrics]
    busy: ClassVar[RequestMetrics]
    """Answers whoever comes when too many are there."""

    _unreadable = False
    _head_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # writing pauses as long as anything is left to send
        seconds = self.settings.header_seconds
        if len(self.connections) > self.settings.max_connections:
            self.app, seconds = self.busy, min(seconds, BUSY_SECONDS)
        self._head_timer = self.loop.call_later(seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        if self._unreadable:  # it was refused; who still sends would lose the answer if nobody took the rest
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:  # a head is whole
            self._stop_head_timer()
        elif self._head_timer is None and (before is None or before.response_complete):
            self._head_timer = self.loop.call_later(self.settings.header_seconds, self._give_up)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_send_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_send_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """To what h11 can't read."""
        self._unreadable = True
        in_head = self.cycle is None or self.cycle.response_complete
        too_long = getattr(sys.exc_info()[1], "error_status_hint", 400) == 431
        error = head_too_large(self.settings.max_header_bytes) if in_head and too_long else ApiError(400, UNREADABLE)
        self.metrics.count_request("", "", error.status, 0.0)
        seconds = 0.0
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            seconds = LINGER_SECONDS
            response = error.response()
            response.headers["Connection"] = "close"
            head = h11.Response(status_code=error.status, headers=response.raw_headers)
            events = (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage())
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        if not in_head:  # whoever works at an answer is told that nobody is there any more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(seconds, self.transport.close)

    def _should_upgrade(self) -> bool:
        return False  # to nothing

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()

    def _watch_sending(self, before: float = math.inf) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent >= before:
            self.transport.abort()  # closing would wait for what is unsent
        else:
            self._send_timer = self.loop.call_later(self.settings.send_seconds, self._watch_sending, unsent)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None


def limited_protocol(settings: ServingSettings, metrics: Metrics) -> type[asyncio.Protocol]:
    """What uvicorn makes of each connection: `LimitedProtocol` with these limits, which counts what it refuses itself."""
    limits = {"settings": settings, "metrics": metrics, "busy": RequestMetrics(_busy, metrics)}
    return type("LimitedProtocol", (LimitedProtocol,), limits)


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of whoever comes when too many are there."""
    error = ApiError(503, "too many connections are open already: come back in a moment", code="overloaded")
    await refuse(error, scope, receive, send)
