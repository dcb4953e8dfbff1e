"""What the server says of itself at /metrics, for Prometheus; and one line in the log for each request, without its text."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundup.serving.api_error import unexpected

logger = logging.getLogger("groundup.serving")

UNKNOWN_PATH = "other"
CLIENT_LEFT = 499  # as nginx counts who closed the connection before there was an answer
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The figures of one server, in a registry of their own. Times are in seconds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "groundup_requests", "Requests answered", ["method", "path", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "groundup_request_seconds", "From a request to the end of its answer", ["path"], registry=registry
        )
        self.prompt_tokens = Counter("groundup_prompt_tokens", "Tokens of prompts", registry=registry)
        self.new_tokens = Counter("groundup_new_tokens", "Tokens written", registry=registry)
        self.first_token = Histogram(
            "groundup_time_to_first_token_seconds",
            "From a request's place in the queue to its first token",
            buckets=LATENCIES,
            registry=registry,
        )
        self.between_tokens = Histogram(
            "groundup_inter_token_latency_seconds",
            "From one token of a text to the next",
            buckets=LATENCIES,
            registry=registry,
        )
        self.finished = Counter("groundup_texts", "Texts finished", ["finish"], registry=registry)
        self.guard = Counter(
            "groundup_guard_decisions", "What the guard decided", ["side", "check", "action"], registry=registry
        )

    def count_guard(self, side: str, check: str, action: str) -> None:
        """The guard decided something about what goes in (`input`) or comes out (`output`)."""
        self.guard.labels(side, check, action).inc()

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody asks."""
        Gauge(f"groundup_{name}", about, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """All of them as Prometheus reads them."""
        return generate_latest(self.registry)


class RequestMetrics:
    """Counts and logs each request by the route it took: a path that somebody made up is not repeated anywhere."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status, begun = CLIENT_LEFT, time.perf_counter()

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            try:
                await self.app(scope, receive, noting_send)
            except Exception as error:
                answer = unexpected(error)
                if status != CLIENT_LEFT:  # the answer has begun: all that is left is to cut it off
                    raise ConnectionAbortedError("an answer was cut off") from None
                await answer.response()(scope, receive, noting_send)
        finally:
            path = getattr(scope.get("route"), "path", UNKNOWN_PATH)  # none if it was refused on its way there
            method = scope["method"] if scope["method"] in METHODS else UNKNOWN_PATH
            seconds = time.perf_counter() - begun
            self.metrics.requests.labels(method, path, str(status)).inc()
            self.metrics.request_seconds.labels(path).observe(seconds)
            logger.info("%s %s %d %.3f s", method, path, status, seconds)
