"""Requests made up from the OpenAPI schema, valid and not, against a real port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.serving.conftest import RealServer

from groundup.language_model.model import LanguageModel
from groundup.serving.settings import ServingSettings

FEW = settings(
    max_examples=6, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None, database=None
)


@pytest.fixture(scope="module")
def schema(letters: LanguageModel) -> Iterator[Any]:
    server = RealServer(letters, ServingSettings(name="tiny", port=0, max_new_tokens=8))
    yield schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    server.end()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_made_up_requests(schema: Any, mode: GenerationMode) -> None:
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) >= 10
    if mode is GenerationMode.NEGATIVE:
        operations = [each for each in operations if each.body]  # a GET without fields can't be asked wrongly
    for operation in operations:

        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            # What a valid request may ask for depends on the model as well: its vocabulary, its context.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_a_stream_is_in_it_too(schema: Any, path: str) -> None:
    asked = {"prompt": "a"} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "a"}]}
    answer = schema[path]["POST"].Case(body={**asked, "max_tokens": 2, "stream": True}).call_and_validate()
    assert answer.headers["content-type"] == ["text/event-stream; charset=utf-8"]
