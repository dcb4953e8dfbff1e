"""The routes that answer at once: what is served, how it is, and what its tokens are."""

from __future__ import annotations

from fastapi import APIRouter, Response

from groundup.serving.answers import Detokenized, ModelCard, ModelList, Status, Tokenized
from groundup.serving.api_error import not_ready
from groundup.serving.requests import DetokenizeBody, TokenizeBody
from groundup.serving.service import Service

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def about_routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter()
    card = ModelCard(id=service.name, created=service.created, max_model_len=service.context)

    @router.head("/health", include_in_schema=False)  # how some balancers ask
    @router.get("/health")
    async def health() -> Status:
        """Whether the server is there at all."""
        return Status()

    @router.head("/ready", include_in_schema=False)
    @router.get("/ready")
    async def ready() -> Status:
        """Whether a request would be served now: not while the server is ending."""
        if not service.runner.ready:
            raise not_ready()
        return Status()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {PROMETHEUS: {}}}})
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.text(), media_type=PROMETHEUS)

    @router.get("/v1/models")
    async def models() -> ModelList:
        """The model that is served."""
        return ModelList(data=[card])

    @router.get("/v1/models/{model:path}")  # a name may have slashes
    async def model(model: str) -> ModelCard:
        """What is known of it."""
        service.check_model(model)
        return card

    @router.post("/tokenize")
    async def tokenize(body: TokenizeBody) -> Tokenized:
        """A text's tokens."""
        service.check_model(body.model)
        ids = await service.prompts.plain_ids(body.prompt)
        return Tokenized(tokens=ids, count=len(ids), max_model_len=service.context)

    @router.post("/detokenize")
    async def detokenize(body: DetokenizeBody) -> Detokenized:
        """The text of tokens."""
        service.check_model(body.model)
        return Detokenized(prompt=await service.prompts.of_tokens(body.tokens))

    return router
