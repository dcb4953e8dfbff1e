"""What is refused, and how: each a 4xx in OpenAI's shape that names the field; and the next request is served."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from starlette.testclient import TestClient

HEADERS = {"Content-Type": "application/json"}


def _error(answer: Any, status: int = 400) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error: dict[str, str] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def _refused(client: TestClient, path: str, body: object, status: int = 400) -> dict[str, str]:
    error = _error(client.post(path, content=json.dumps(body), headers=HEADERS), status)
    assert client.post("/generate", json={"prompt": "a", "max_length": 1}).status_code == 200
    return error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 90_000,
        b'{"prompt":' * 50_000,
        b"1" * 5000,
        b'{"prompt": "a"} {}',
    ],
)
def test_bodies_that_are_no_object(client: TestClient, body: bytes) -> None:
    error = _error(client.post("/generate", content=body, headers=HEADERS))
    assert "Content-Type: application/json" in error["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_of_another_page_could_send(client: TestClient, kind: str) -> None:
    """A browser sends these across origins without asking first."""
    _error(client.post("/generate", content=b'{"prompt": "a"}', headers={"Content-Type": kind}))


@pytest.mark.parametrize("value", [None, 1, True, {}, ["a"], {"text": "a"}])
def test_prompts_that_are_no_text(client: TestClient, value: object) -> None:
    error = _refused(client, "/generate", {"prompt": value})
    assert (error["param"], error["message"]) == ("prompt", "prompt: this should be a text")


@pytest.mark.parametrize("value", [0, -1, 10**9, 10**30, 1.5, "5", None, True])
def test_lengths_that_cannot_be(client: TestClient, value: object) -> None:
    assert _refused(client, "/generate", {"prompt": "a", "max_length": value})["param"] == "max_length"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/generate", {"prompt": "\ud800"}, "prompt"),
        ("/tokenize", {"prompt": "a\udfff"}, "prompt"),
        ("/v1/completions", {"prompt": "a", "stop": "\ud800"}, "stop"),
        ("/v1/completions", {"prompt": "a", "stop": ["\ud800"]}, "stop"),
        ("/v1/completions", {"prompt": ["a", "\ud800"]}, "prompt"),
        ("/v1/completions", {"prompt": "a", "model": "\ud800"}, "model"),
        ("/v1/completions", {"prompt": "a", "user": "\ud800"}, "user"),
        ("/v1/completions", {"prompt": "a", "logit_bias": {"\ud800": 1}}, "logit_bias"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "\ud800"}]}, "messages.0.content"),
        ("/v1/chat/completions", {"messages": [{"role": "\ud800", "content": "a"}]}, "messages.0.role"),
    ],
)
def test_half_characters(client: TestClient, path: str, body: object, param: str) -> None:
    assert _refused(client, path, body)["param"].startswith(param.split(".")[0])


def test_half_a_character_in_a_name(client: TestClient) -> None:
    assert "no valid Unicode" in _refused(client, "/v1/completions", {"prompt": "a", "\ud800": 1})["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 0), ("n", 17), ("n", 10**9), ("n", -1), ("n", 1.0),
        ("best_of", 10**9), ("best_of", 2),
        ("max_tokens", 10**9), ("max_tokens", -1), ("max_tokens", 4097), ("max_completion_tokens", 0), ("max_tokens", 0),
        ("logprobs", 21), ("logprobs", -1), ("logprobs", 10**9), ("logprobs", True),
        ("temperature", -0.1), ("temperature", 2.1), ("temperature", math.nan), ("temperature", math.inf), ("temperature", "hot"),
        ("top_p", 0), ("top_p", 1.1), ("top_p", math.nan), ("min_p", -0.1), ("min_p", 1.1),
        ("top_k", -2), ("top_k", 2**40), ("repetition_penalty", 0), ("repetition_penalty", 1e30), ("repetition_penalty", -math.inf),
        ("presence_penalty", 2.1), ("frequency_penalty", -2.1), ("presence_penalty", 1e308), ("frequency_penalty", math.nan),
        ("seed", 2**63), ("seed", 1.5), ("seed", "1"),
        ("stop", ""), ("stop", ["a"] * 17), ("stop", "a" * 201), ("stop", ["a", ""]), ("stop", [1]), ("stop", {}),
        ("logit_bias", {"a": 1}), ("logit_bias", {"-1": 1}), ("logit_bias", {"70000": 1}), ("logit_bias", {"1": 101}),
        ("logit_bias", {"1": math.nan}), ("logit_bias", {str(number): 1 for number in range(301)}), ("logit_bias", [1]),
        ("stream", "yes"), ("stream_options", {"include_usage": 1}), ("stream_options", {"more": True}), ("overflow", "wrap"),
        ("echo", 1), ("suffix", "b"), ("model", 1), ("user", "a" * 1001),
        ("prompt", []), ("prompt", [[]]), ("prompt", [["a"]]), ("prompt", [1, "a"]), ("prompt", [-1]), ("prompt", [70_000]),
        ("prompt", [2**31]),
        ("prompt", [1.0]), ("prompt", ["a"] * 17), ("prompt", [[1]] * 17), ("prompt", None), ("prompt", "a" * 65), ("prompt", [1] * 65),
        ("prompt", "a" * 131_073),
    ],
)  # fmt: skip
def test_fields_out_of_bounds(client: TestClient, field: str, value: object) -> None:
    error = _refused(client, "/v1/completions", {"prompt": "a", field: value})
    assert str(error["param"]).split(".")[0] == field, error
    assert len(error["message"]) < 300


@pytest.mark.parametrize(
    "field",
    [
        "chat_template", "chat_template_kwargs", "add_generation_prompt", "tools", "tool_choice", "functions", "response_format",
        "guided_json", "guided_regex", "structured_outputs", "extra_body", "lora_path", "model_path", "image_url", "n_discard",
        "prompt_logprobs", "min_tokens", "__class__",
    ],
)  # fmt: skip
def test_fields_that_reach_into_the_server_are_not_there(client: TestClient, field: str) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], field: {"tokenize": True, "pattern": "(a+)+$"}}
    error = _refused(client, "/v1/chat/completions", body)
    assert (error["param"], error["code"]) == (field, "unknown_parameter")


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (None, "messages"),
        ([], "messages"),
        ("hello", "messages"),
        ([{}], "messages.0.role"),
        ([{"role": "user"}], "messages.0.content"),
        ([{"role": "tool", "content": "a"}], "messages.0.role"),
        ([{"role": "user", "content": None}], "messages"),
        ([{"role": "user", "content": []}], "messages"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://10.0.0.1/"}}]}], "messages"),
        ([{"role": "user", "content": "a", "tool_calls": []}], "messages.0.tool_calls"),
        ([{"role": "user", "content": "a"}] * 1001, "messages"),
        ([{"role": "user", "content": "a" * 300}], "messages"),
        ([{"role": "assistant", "content": "a"}], None),
    ],
)
def test_messages_that_are_none(client: TestClient, messages: object, param: str | None) -> None:
    error = _refused(client, "/v1/chat/completions", {"messages": messages})
    assert param is None or str(error["param"]).startswith(param), error


def test_too_many_texts_in_all(client: TestClient) -> None:
    assert _refused(client, "/v1/completions", {"prompt": ["a"] * 9, "n": 2})["param"] == "n"


def test_likeliest_tokens_without_log_probabilities(client: TestClient) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}
    assert _refused(client, "/v1/chat/completions", body)["param"] == "top_logprobs"


def test_another_model(client: TestClient) -> None:
    error = _refused(client, "/v1/completions", {"prompt": "a", "model": "gpt-4"}, 404)
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    for path in ("/v1/models/gpt-4", "/v1/models/..%2f..%2fetc%2fpasswd"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "text", ["a" * 400_000, "\u0301" * 200_000, " " * 400_000, "<|endoftext|>" * 30_000, "\U0001f600" * 100_000]
)
def test_long_hostile_texts(client: TestClient, chat_client: TestClient, text: str) -> None:
    for asked, body in (
        (client.post("/generate", json={"prompt": text}), "prompt"),
        (chat_client.post("/tokenize", json={"prompt": text}), "prompt"),
        (chat_client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": text}]}), "messages"),
    ):
        assert asked.status_code in (400, 413) or asked.request.url.path == "/tokenize"
        if asked.status_code == 400:
            assert _error(asked)["param"] == body


def test_what_was_sent_is_in_no_answer_and_no_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    secret = "my-password-is-swordfish"
    with caplog.at_level("DEBUG"):
        answers = [
            client.post("/generate", json={"prompt": secret, "max_length": "x"}),
            client.post("/generate", json={"prompt": [secret]}),
            client.post("/v1/completions", json={"prompt": "a", "stop": secret * 20}),
            client.post("/v1/completions", json={"prompt": "a", "model": secret}),
            client.post("/v1/chat/completions", json={"messages": [{"role": secret, "content": secret}]}),
            client.post("/v1/chat/completions", json={"messages": [{"role": "assistant", "content": secret}]}),
            client.get(f"/{secret}"),
            client.get(f"/health?{secret}"),
        ]
    assert all(secret not in answer.text for answer in answers)
    client.post("/generate", json={"prompt": "swordfish", "max_length": 2})
    logged = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert "swordfish" not in logged
    assert "POST /generate 400" in logged
