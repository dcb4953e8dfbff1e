"""What goes wrong, in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`, and never what was sent."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from groundup.config import PLAIN_WORDS
from groundup.errors import GroundupError

logger = logging.getLogger("groundup.serving")

TYPES = {401: "authentication_error", 403: "permission_error", 500: "server_error", 503: "overloaded_error"}
PLAIN_MESSAGES = {
    404: "there is no such address; GET /openapi.json lists them",
    405: "this address takes another method; GET /openapi.json tells which",
}
NOT_JSON = "the body is not JSON: send an object, with the header Content-Type: application/json"
NO_OBJECT = "the body is not a JSON object: send one, with the header Content-Type: application/json"
RETRY_SECONDS = 1
TECHNICAL = re.compile("^(?:Input|String|List|Dictionary) | after validation")  # of pydantic's sentences


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    """One sentence: the thing, and what to do."""
    type: str
    param: str | None
    """Which part of the request it is about."""
    code: str | None


class ErrorBody(BaseModel):
    """The body of every answer that is not 2xx."""

    error: ErrorDetail


class ApiError(Exception):
    """A request that is not answered as asked: a status, a sentence, and OpenAI's `param` and `code`."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        kind = TYPES.get(self.status, "invalid_request_error")
        detail = ErrorDetail(message=self.message, type=kind, param=self.param, code=self.code)
        return ErrorBody(error=detail).model_dump()

    @property
    def headers(self) -> dict[str, str]:
        """When to come back, or how to say who asks."""
        if self.status == 503:
            return {"Retry-After": str(RETRY_SECONDS)}
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body, self.status, self.headers)


def add_error_handlers(app: FastAPI) -> None:
    """Answer everything that goes wrong in one shape."""

    def handler(answer: Callable[[Any], ApiError]) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
        async def handle(request: Request, error: Exception) -> JSONResponse:
            return answer(error).response()

        return handle

    app.add_exception_handler(ApiError, handler(lambda error: error))
    app.add_exception_handler(RequestValidationError, handler(_invalid))
    app.add_exception_handler(HTTPException, handler(_of_status))
    app.add_exception_handler(GroundupError, handler(lambda error: ApiError(400, str(error))))


def unexpected(error: BaseException) -> ApiError:
    """A bug of ours: where it happened is logged, without the error's own text, which may hold a prompt."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s; a bug, please report it\n%s", type(error).__name__, where)
    return ApiError(500, "something went wrong in the server; its log says where", code="internal_error")


def not_ready() -> ApiError:
    """What a server answers that is starting or ending."""
    return ApiError(503, "the server is starting or ending: ask another, or come back soon", code="not_ready")


def _of_status(error: HTTPException) -> ApiError:
    if error.status_code == 400:  # FastAPI's, for a body that json can't read, however it fails
        return ApiError(400, NOT_JSON)
    return ApiError(error.status_code, PLAIN_MESSAGES.get(error.status_code, str(error.detail)))


def _invalid(error: RequestValidationError) -> ApiError:
    """The first thing that is wrong, by its name; not its value, which may be long, or no valid text."""
    problems = error.errors()
    problem, place = problems[0], _place(problems[0])
    if problem["type"] == "json_invalid":
        return ApiError(400, NOT_JSON)
    if problem["type"] == "string_unicode":
        where = place or "a field's name"
        return ApiError(
            400, f"{where}: this is no valid Unicode: remove half characters", place or None, "invalid_value"
        )
    if not place:
        return ApiError(400, NO_OBJECT)
    if problem["type"] == "extra_forbidden":
        known = "there is no such field here; remove it, GET /openapi.json lists what is known"
        return ApiError(400, f"{place}: {known}", place, "unknown_parameter")
    if problem["type"] == "value_error":
        return ApiError(400, f"{place}: {problem['msg'].removeprefix('Value error, ')}", place, "invalid_value")
    if len(problems) > 1 and any(_is_type_name(str(part)) for part in problem["loc"]):  # each of its forms was tried
        top = place.split(".")[0]
        return ApiError(400, f"{top}: this has none of the forms that it may have: GET /openapi.json shows them", top)
    advice = TECHNICAL.sub("", problem["msg"])
    for technical, plain in PLAIN_WORDS.items():
        advice = advice.replace(technical, plain)
    missing = problem["type"] == "missing"
    return ApiError(400, f"{place}: this {advice}", place, "missing" if missing else "invalid_value")


def _place(problem: Any) -> str:
    """The dotted name of the field that a problem is about, cut, and with half characters replaced."""
    parts = [str(part) for part in problem["loc"][1:] if not _is_type_name(str(part))]
    return ".".join(parts).encode("utf-8", "replace").decode("utf-8")[:100]


def _is_type_name(part: str) -> bool:
    """Pydantic names the branch of a union that it tried, such as `list[int]`; people did not write that."""
    return part in ("str", "int", "float", "bool") or "[" in part
