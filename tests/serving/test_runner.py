"""The queue, and what becomes of it when things go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.serving.conftest import HOST

from groundup.errors import GenerationError
from groundup.language_model.model import LanguageModel
from groundup.language_model.text_engine import Piece, TextEngine
from groundup.serving.app import create_app
from groundup.serving.metrics import Metrics, RequestMetrics
from groundup.serving.service import Service
from groundup.serving.settings import ServingSettings

LONG = {"prompt": "a", "max_tokens": 4000, "logit_bias": {"0": -100}}
SHORT = {"prompt": "a", "max_tokens": 2}


def _with_server(
    language_model: LanguageModel,
    test: Callable[[httpx.AsyncClient, Service], Any],
    engine: TextEngine | None = None,
    **settings: object,
) -> None:
    async def run() -> None:
        app = create_app(language_model, ServingSettings(name="tiny", **settings), engine=engine)  # type: ignore[arg-type]
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=HOST, timeout=20) as client:
                await test(client, app.state.service)

    asyncio.run(run())


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


def test_who_comes_when_all_places_are_taken_is_told_to_come_back(letters: LanguageModel) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        running = [asyncio.create_task(client.post("/v1/completions", json=LONG)) for _ in range(3)]
        await _until(lambda: service.runner.num_open == 3)
        for path, body in (("/v1/completions", SHORT), ("/generate", {"prompt": "a"})):
            refused = await client.post(path, json=body)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert refused.json()["error"]["code"] == "overloaded"
        assert (await client.get("/ready")).status_code == 200
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await _until(lambda: not service.runner.engine.busy)
        assert (await client.post("/v1/completions", json=SHORT)).status_code == 200
        assert service.runner.num_open == 0

    _with_server(letters, test, num_slots=1, max_waiting=2)


def test_several_texts_take_as_many_places(letters: LanguageModel) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        assert (await client.post("/v1/completions", json={**SHORT, "n": 5})).status_code == 503
        assert (await client.post("/v1/completions", json={**SHORT, "n": 4})).status_code == 200
        assert service.runner.num_open == 0

    _with_server(letters, test, num_slots=2, max_waiting=2)


def test_places_come_back_from_requests_that_were_refused(letters: LanguageModel) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        for _ in range(5):
            for body in ({"prompt": "a" * 100}, {"prompt": [70_000]}, {"prompt": "a", "max_tokens": 0}):
                for stream in (True, False):
                    answer = await client.post("/v1/completions", json={**body, "stream": stream})
                    assert answer.status_code == 400
            answer = await client.post(
                "/v1/chat/completions", json={"messages": [{"role": "assistant", "content": "a"}]}
            )
            assert answer.status_code == 400
        assert service.runner.num_open == 0

    _with_server(letters, test, num_slots=1, max_waiting=0)


def test_a_text_ends_when_its_time_is_over(letters: LanguageModel) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        answers = await asyncio.gather(*(client.post("/v1/completions", json=LONG) for _ in range(2)))
        assert [answer.json()["choices"][0]["finish_reason"] for answer in answers if answer.json()["choices"]]
        for answer in answers:
            assert answer.status_code == 200
            assert [choice["finish_reason"] for choice in answer.json()["choices"]] == ["length"]
        await _until(lambda: not service.runner.engine.busy)

    _with_server(letters, test, num_slots=1, request_seconds=0.1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("error", [GenerationError("the scores are not numbers"), ZeroDivisionError("to be or not")])
def test_a_step_that_fails_ends_its_texts_and_no_other(letters: LanguageModel, error: Exception, stream: bool) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        step, failures = service.runner.engine.step, [error]

        def failing_step() -> Any:
            pieces = step()
            if failures and service.runner.engine.num_running == 2:
                raise failures.pop()
            return pieces

        service.runner.engine.step = failing_step  # type: ignore[method-assign]
        body = {**LONG, "stream": stream}
        answers = await asyncio.gather(*(client.post("/v1/completions", json=body) for _ in range(2)))
        for answer in answers:
            assert answer.status_code == (200 if stream else 500)
            assert '"type": "server_error"' in answer.text or '"type":"server_error"' in answer.text
            assert "[DONE]" not in answer.text
            assert "to be or not" not in answer.text
        assert (await client.get("/ready")).status_code == 200
        assert (await client.post("/v1/completions", json=SHORT)).status_code == 200
        assert service.runner.num_open == 0

    _with_server(letters, test)


def test_texts_that_wait_while_a_step_fails_are_written_after(letters: LanguageModel) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        engine = service.runner.engine.engine  # type: ignore[attr-defined]
        forward, failures = engine._forward, [MemoryError("to be or not")]

        def failing(*arguments: Any) -> Any:
            if failures and engine.num_waiting:
                raise failures.pop()
            return forward(*arguments)

        engine._forward = failing
        first = asyncio.create_task(client.post("/v1/completions", json=LONG))
        await _until(lambda: engine.num_running == 1)
        waited = await client.post("/v1/completions", json=SHORT)
        assert (await first).status_code == 500
        assert waited.status_code == 200
        assert service.runner.num_open == 0

    _with_server(letters, test, num_slots=1)


def test_an_engine_is_stepped_until_it_has_nothing_to_do(letters: LanguageModel) -> None:
    """One may have something to put away after a text's last piece, as llama.cpp's threads."""

    class Lingering(TextEngine):
        left = 3

        @property
        def busy(self) -> bool:
            return super().busy or self.left > 0

        def step(self) -> list[Piece]:
            self.left -= not super().busy
            return super().step()

    async def test(client: httpx.AsyncClient, service: Service) -> None:
        assert (await client.post("/v1/completions", json=SHORT)).status_code == 200
        await _until(lambda: not service.runner.engine.busy)

    _with_server(letters, test, Lingering(letters, 1))


def test_a_command_that_fails_takes_no_other_with_it(letters: LanguageModel) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        done = asyncio.Event()
        for command in (lambda: 1 / 0, lambda: service.runner._on_loop(done.set)):
            service.runner.command(command)  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            await done.wait()

    _with_server(letters, test)


def test_an_engine_that_fails_to_let_go_does_not_end_the_thread(letters: LanguageModel) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        cancel, failures = service.runner.engine.cancel, [ZeroDivisionError()]

        def failing_cancel(ticket: int) -> None:
            cancel(ticket)
            if failures:
                raise failures.pop()

        service.runner.engine.cancel = failing_cancel  # type: ignore[method-assign]
        left = asyncio.create_task(client.post("/v1/completions", json=LONG))
        await _until(lambda: service.runner.engine.num_running == 1)
        left.cancel()
        await _until(lambda: not failures)
        assert (await client.post("/v1/completions", json=SHORT)).status_code == 200
        assert service.runner.num_open == 0

    _with_server(letters, test)


def test_a_bug_in_a_route_is_told_without_its_text(letters: LanguageModel, caplog: pytest.LogCaptureFixture) -> None:
    async def test(client: httpx.AsyncClient, service: Service) -> None:
        def broken(text: str) -> list[int]:
            raise KeyError(text)

        service.prompts.tokenizer = type("Broken", (), {"encode": staticmethod(broken), "end_id": 0})()
        answer = await client.post("/generate", json={"prompt": "swordfish"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
        assert service.runner.num_open == 0

    _with_server(letters, test)
    assert "KeyError; a bug, please report it" in caplog.text
    assert "in broken" in caplog.text
    assert "swordfish" not in caplog.text


@pytest.mark.parametrize("begun", [False, True])
def test_what_still_runs_when_the_server_ends_is_told_so(
    letters: LanguageModel, caplog: pytest.LogCaptureFixture, begun: bool
) -> None:
    """Uvicorn cancels it."""
    sent: list[Any] = []

    async def never(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        app = RequestMetrics(never, Metrics())
        asked = asyncio.create_task(app({"type": "http", "method": "GET"}, never, send))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        asked.cancel()
        await asked

    asyncio.run(run())
    assert [message.get("status") for message in sent] == ([200] if begun else [503, None])
    assert "bug" not in caplog.text


def test_tokens_are_made_off_the_event_loop(letters: LanguageModel) -> None:
    import threading

    async def test(client: httpx.AsyncClient, service: Service) -> None:
        inside, go_on = threading.Event(), threading.Event()
        encode = service.prompts.tokenizer.encode

        class Slow:
            end_id = 0

            def encode(self, text: str) -> list[int]:
                inside.set()
                assert go_on.wait(20)
                return encode(text)

        service.prompts.tokenizer = Slow()  # type: ignore[assignment]
        waiting = asyncio.create_task(client.post("/generate", json={"prompt": "a", "max_length": 1}))
        await _until(inside.is_set)
        assert (await client.get("/health")).status_code == 200
        assert service.runner.num_open == 1  # its place was taken before
        go_on.set()
        assert (await waiting).status_code == 200

    _with_server(letters, test)


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize"])
def test_who_asks_for_tokens_only_does_not_keep_the_others_waiting(letters: LanguageModel, path: str) -> None:
    import threading

    async def test(client: httpx.AsyncClient, service: Service) -> None:
        go_on = threading.Event()

        class Slow:
            def encode(self, text: str) -> list[int]:
                assert go_on.wait(20)
                return []

            def decode(self, ids: list[int]) -> str:
                assert go_on.wait(20)
                return ""

        service.prompts.tokenizer = Slow()  # type: ignore[assignment]
        body = {"prompt": "a"} if path == "/tokenize" else {"tokens": [1]}
        asked = [asyncio.create_task(client.post(path, json=body)) for _ in range(20)]
        refused, waiting = await asyncio.wait(asked, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        go_on.set()
        answers = [*(each.result() for each in refused), *await asyncio.gather(*waiting)]
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] * 16 + [503] * 4
        assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 503} == {"1"}
        assert (await client.post(path, json=body)).status_code == 200

    _with_server(letters, test)
