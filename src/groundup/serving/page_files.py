"""The web pages: files that are sent as they lie in `pages/`, a fixed list, with headers that let them use nothing but this server."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from fastapi import APIRouter, Request, Response

PAGES = {"/": "chat.html", "/inside": "inside.html"}
STUDY_PAGES = {"/": "compare.html"}
SUFFIXES = (".css", ".js", ".svg")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Nothing from elsewhere, no script or style within a page, no markup made from strings; nobody frames it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-cache",  # asked for anew each time, and answered in a few bytes where nothing has changed
}


def read_pages(pages: Mapping[str, str] = PAGES) -> dict[str, tuple[str, bytes]]:
    """Each address with its type and its bytes; `pages` says which file is which page."""
    folder = files("groundup.serving").joinpath("pages")
    names = dict(pages) | {
        f"/pages/{file.name}": file.name for file in folder.iterdir() if file.name.endswith(SUFFIXES)
    }
    return {path: (_type_of(name), folder.joinpath(name).read_bytes()) for path, name in sorted(names.items())}


def page_routes(pages: Mapping[str, str] = PAGES) -> APIRouter:
    """A route for each page and each of their files; none of them takes part of an address as a path."""
    router = APIRouter()
    for path, (kind, content) in read_pages(pages).items():
        router.add_api_route(path, _sender(kind, content), methods=["GET", "HEAD"], include_in_schema=False)
    return router


def _sender(kind: str, content: bytes) -> Callable[[Request], Awaitable[Response]]:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = HEADERS | {"ETag": tag}

    async def send(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return send


def _type_of(name: str) -> str:
    return TYPES[name[name.rindex(".") :]]
