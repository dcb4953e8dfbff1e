"""The page of a blind study, and what it asks: the next pair, a rating, one taken back. No answer says whose text is whose."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from groundup.evaluation.human.study import LONGEST_NAME, Rating, Shown, Study
from groundup.serving.api_error import ApiError, add_error_handlers
from groundup.serving.http_server import listen
from groundup.serving.keys import HostCheck
from groundup.serving.page_files import STUDY_PAGES, page_routes
from groundup.serving.settings import ServingSettings
from groundup.serving.size_limits import SizeLimits

HOST = "127.0.0.1"
Rater = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NextBody(_Body):
    """Who asks for the next pair, or takes a rating back."""

    rater: Rater


class RatingBody(_Body):
    """What a rater says of a pair; scores of the left and the right answer."""

    rater: Rater
    pair: Annotated[str, Field(max_length=64)]
    choice: Literal["left", "right", "tie"]
    scores: dict[str, Annotated[list[int], Field(min_length=2, max_length=2)]]


def create_comparing_app(study: Study) -> FastAPI:
    """The application that shows a study to its raters, on this machine."""
    app = FastAPI(title="Groundup: a blind study", docs_url=None, redoc_url=None, openapi_url=None)
    add_error_handlers(app)

    @app.get("/study")
    def about() -> dict[str, Any]:
        return {"criteria": study.criteria, "pairs": len(study.pairs())}

    @app.post("/next")
    def next_pair(body: NextBody) -> dict[str, Any]:
        rater = study.rater_name(body.rater)
        return _told(study, rater, study.next_for(rater))

    @app.post("/rating")
    def rating(body: RatingBody) -> dict[str, Any]:
        rater = study.rater_name(body.rater)
        study.rate(rater, study.named(body.pair, rater), body.choice, body.scores)
        return _told(study, rater, study.next_for(rater))

    @app.post("/undo")
    def undo(body: NextBody) -> dict[str, Any]:
        rater = study.rater_name(body.rater)
        taken_back = study.undo(rater)
        if taken_back is None:
            raise ApiError(400, "there is no rating of yours to take back")
        return _told(study, rater, study.show(taken_back.pair, rater), taken_back)

    app.include_router(page_routes(STUDY_PAGES))
    app.add_middleware(SizeLimits, max_head=16_384, max_body=65_536, seconds=10.0)
    app.add_middleware(HostCheck, host=HOST)
    return app


def _told(study: Study, rater: str, shown: Shown | None, given: Rating | None = None) -> dict[str, Any]:
    """What the page is told of a pair, and what this rater had said of it."""
    done = len(study.ratings(rater))
    if shown is None:
        return {"done": done, "shown": None}
    texts = {"prompt": shown.prompt, "left": shown.left.strip(), "right": shown.right.strip()}
    return {"done": done, "shown": {"pair": shown.name, **texts}, "given": given.as_given if given else None}


def serve_study(app: FastAPI, port: int) -> None:
    """Serve the page until Ctrl-C. Raises `MachineError` for a port that can't be listened at."""
    listening = listen(ServingSettings(name="study", host=HOST, port=port))
    where = f"http://{HOST}:{listening.getsockname()[1]}"
    print(f"groundup: every rating is kept at once, and Ctrl-C ends it; rate at {where}", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="none", lifespan="off")
    uvicorn.Server(config).run([listening])
