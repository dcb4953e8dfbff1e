"""How large a request may be. Its whole body is read before anything looks at it, and only so much of it, in so much time."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundup.serving.api_error import ApiError

LINGER_SECONDS = 2.0


class SizeLimits:
    """Refuses heads (431) and bodies (413) that are too large, and bodies that are too slow (408)."""

    def __init__(self, app: ASGIApp, max_head: int, max_body: int, seconds: float) -> None:
        self.app, self.max_head, self.max_body, self.seconds = app, max_head, max_body, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        size = len(scope["raw_path"] or b"") + len(scope["query_string"])
        if size + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > self.max_head:
            return await refuse(head_too_large(self.max_head), scope, receive, send)
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            error = ApiError(408, f"the body took more than {self.seconds:g} s to arrive: send it at once")
            return await refuse(error, scope, receive, send)
        except ApiError as error:
            return await refuse(error, scope, receive, send)
        if body is None:
            return None  # nobody is there any more
        given = False

        async def receive_body() -> Message:
            nonlocal given
            if given:
                return await receive()  # which tells when the other side leaves
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return await self.app(scope, receive_body, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self.max_body:
                raise self._too_large()
        pieces, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            piece = message.get("body", b"")
            size += len(piece)
            if size > self.max_body:
                raise self._too_large()
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the body has more than {self.max_body:,} bytes, the most that is read here: send less")


def head_too_large(most: int) -> ApiError:
    """The answer to a head of more than so many bytes."""
    return ApiError(431, f"the head has more than {most:,} bytes, the most that is read here: send less")


async def refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, and close when the body has come to its end, or in a moment: who still sends would lose the answer."""
    response = error.response()
    response.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": error.status, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body", False):
                pass  # thrown away
    await send({"type": "http.response.body", "body": b""})
