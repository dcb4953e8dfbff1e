"""OpenAI's own client, as it is, against a real port."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from tests.serving.conftest import RealServer, Serve

from groundup.language_model.model import LanguageModel


@pytest.fixture(scope="module")
def ai(server: RealServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def test_models(ai: openai.OpenAI) -> None:
    assert [model.id for model in ai.models.list()] == ["tiny"]
    assert ai.models.retrieve("tiny").owned_by == "groundup"


def test_a_model_with_a_slash_in_its_name(serve: Serve, letters: LanguageModel) -> None:
    http = serve(letters, name="ours/tiny")
    ai = openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none", http_client=http)
    assert ai.models.retrieve("ours/tiny").id == "ours/tiny"
    assert ai.completions.create(model="ours/tiny", prompt="a", max_tokens=1).model == "ours/tiny"


def test_completions(ai: openai.OpenAI) -> None:
    completion = ai.completions.create(
        model="tiny", prompt=["ab", "cd"], max_tokens=5, n=2, seed=1, logprobs=2, echo=True, stop=["z"], temperature=0.5
    )
    assert [choice.text[:2] for choice in completion.choices] == ["ab", "ab", "cd", "cd"]
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 4
    assert completion.choices[0].logprobs is not None
    stream = ai.completions.create(model="tiny", prompt="ab", max_tokens=5, seed=1, stream=True)
    text = "".join(chunk.choices[0].text for chunk in stream)
    assert text == ai.completions.create(model="tiny", prompt="ab", max_tokens=5, seed=1).choices[0].text


def test_chats(ai: openai.OpenAI) -> None:
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 8, "seed": 1}
    completion = ai.chat.completions.create(**asked, logprobs=True, top_logprobs=2)  # type: ignore[call-overload]
    assert completion.choices[0].message.role == "assistant"
    assert len(completion.choices[0].logprobs.content[0].top_logprobs) == 2
    options = {"include_usage": True}
    chunks = list(ai.chat.completions.create(**asked, stream=True, stream_options=options))  # type: ignore[call-overload]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == completion.choices[0].message.content
    assert chunks[-1].usage == completion.usage
    with ai.chat.completions.stream(**asked, logit_bias={"0": 100}) as stream:  # type: ignore[arg-type]
        assert stream.get_final_completion().choices[0].finish_reason == "stop"


def test_more_settings_go_in_as_extra_body(ai: openai.OpenAI) -> None:
    extra = {"top_k": 1, "min_p": 0.1, "repetition_penalty": 1.1}
    first, second = (
        ai.completions.create(model="tiny", prompt="ab", max_tokens=9, extra_body=extra).choices[0].text for _ in "12"
    )
    assert first == second  # top_k = 1 leaves no choice


def test_errors(ai: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        ai.completions.create(model="gpt-4", prompt="a")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        ai.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "a"}], n=100)
    assert (wrong.value.param, wrong.value.type) == ("n", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="there is no such field"):
        ai.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "a"}], response_format={"type": "json_object"}
        )


def test_a_stream_that_is_left_is_canceled(ai: openai.OpenAI, server: RealServer) -> None:
    stream = ai.completions.create(model="tiny", prompt="a", max_tokens=4000, logit_bias={"0": -100}, stream=True)
    next(iter(stream))
    stream.close()
    from tests.serving.conftest import wait_until

    wait_until(lambda: server.service.runner.num_open == 0)
