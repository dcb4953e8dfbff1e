"""What the server says of itself at /metrics, for Prometheus; and one line in the log for each request, without its text."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundup.serving.api_error import not_ready, unexpected

logger = logging.getLogger("groundup.serving")

UNKNOWN = "other"
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

    def count_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """A request was answered; what isn't a method or a route of ours is `other`. A line in the log says so, too."""
        method, path = method if method in METHODS else UNKNOWN, path or UNKNOWN
        self.requests.labels(method, path, str(status)).inc()
        self.request_seconds.labels(path).observe(seconds)
        logger.info("%s %s %d %.3f s", method, path, status, seconds)

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
            await self.app(scope, receive, noting_send)
        except (Exception, asyncio.CancelledError) as error:
            # One that is canceled is one too many for the time in which the server ends. Where an answer has begun, it is cut off.
            answer = unexpected(error) if isinstance(error, Exception) else not_ready()
            if status == CLIENT_LEFT:
                await answer.response()(scope, receive, noting_send)
        finally:
            path = getattr(scope.get("route"), "path", "")  # none if it was refused on its way there
            self.metrics.count_request(scope["method"], path, status, time.perf_counter() - begun)
