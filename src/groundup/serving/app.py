"""The application: routes, and what every request passes before it reaches one.

    app = create_app(language_model, ServingSettings())

From the outside in: counted and logged, asked for by a name of this server, with a key, not too large.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from groundup.language_model.model import LanguageModel
from groundup.serving.about import about_routes
from groundup.serving.api_error import ErrorBody, add_error_handlers
from groundup.serving.chats import chat_routes
from groundup.serving.completions import completion_routes
from groundup.serving.guarding import Guard
from groundup.serving.inspecting import inspect_routes
from groundup.serving.keys import HostCheck, KeyCheck, read_keys
from groundup.serving.metrics import Metrics, RequestMetrics
from groundup.serving.page_files import page_routes, read_pages
from groundup.serving.runner import Writer
from groundup.serving.service import Service
from groundup.serving.settings import ServingSettings
from groundup.serving.size_limits import SizeLimits

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request can't be served as it is"},
    401: {"model": ErrorBody, "description": "A key is asked for"},
    403: {"model": ErrorBody, "description": "The server doesn't go by this name"},
    404: {"model": ErrorBody, "description": "There is no such model"},
    408: {"model": ErrorBody, "description": "The body took too long"},
    413: {"model": ErrorBody, "description": "The body is too large"},
    431: {"model": ErrorBody, "description": "The head is too large"},
    503: {"model": ErrorBody, "description": "Too many are waiting: come back after Retry-After seconds"},
}


def create_app(
    language_model: LanguageModel,
    settings: ServingSettings,
    guard: Guard | None = None,
    metrics: Metrics | None = None,
    engine: Writer | None = None,
) -> FastAPI:
    """The application that serves a model, by its own engine or by another. Its `state.service` is what the routes share."""
    keys = read_keys(settings.api_keys) if settings.api_keys else []
    service = Service(language_model, settings, guard, metrics or Metrics(), engine)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        service.runner.start()
        yield
        await service.runner.stop()
        service.prompts.close()

    app = FastAPI(
        title="Groundup",
        version=version("groundup"),
        description="A language model, in the terms of OpenAI's API.",
        lifespan=running,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # to an address that a Host header names
        responses=ERRORS,
    )
    app.state.service = service
    add_error_handlers(app)
    for routes in (about_routes(service), completion_routes(service), chat_routes(service)):
        app.include_router(routes)
    open_paths = add_pages(app, service)
    app.openapi = _without_422(app)  # type: ignore[method-assign]
    # The last one added is the outermost.
    app.add_middleware(
        SizeLimits,
        max_head=settings.max_header_bytes,
        max_body=settings.max_body_bytes,
        seconds=settings.body_seconds,
    )
    app.add_middleware(KeyCheck, keys=keys, open_paths=open_paths)
    app.add_middleware(HostCheck, host=settings.host)
    app.add_middleware(RequestMetrics, metrics=service.metrics)
    return app


def add_pages(app: FastAPI, service: Service) -> frozenset[str]:
    """The web pages and what they ask for. The paths of their files are open to everyone, as they hold nothing of the model."""
    app.include_router(inspect_routes(service))
    app.include_router(page_routes())
    return frozenset(read_pages())


def _without_422(app: FastAPI) -> Any:
    """The schema without the status that FastAPI answers by itself: here what isn't valid is 400."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        return schema

    return openapi
