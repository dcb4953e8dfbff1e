"""Against a real port: heads and bodies that never end, names that are not ours, clients that leave."""

from __future__ import annotations

import json
import resource
import socket
import time
from pathlib import Path

import httpx
import pytest
from tests.serving.conftest import RealServer, wait_until

from groundup.errors import MachineError
from groundup.language_model.model import LanguageModel
from groundup.serving.http_server import listen, possible_connections
from groundup.serving.settings import ServingSettings

JSON = "Content-Type: application/json\r\n"


def _answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def _ask(server: RealServer, text: str) -> bytes:
    with server.connect() as connection:
        connection.sendall(text.encode("latin-1"))
        return _answer(connection)


def _first(connection: socket.socket) -> bytes:
    """An answer, whether the connection is closed after it or not."""
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(65536)
    return answer


@pytest.mark.parametrize("sent", ["", "POST /generate HT", "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Half: "])
def test_a_head_that_never_ends_is_closed(server: RealServer, sent: str) -> None:
    begun = time.monotonic()
    assert _ask(server, sent) == b""
    assert time.monotonic() - begun < 3


def test_a_head_byte_by_byte_is_closed_too(server: RealServer) -> None:
    with server.connect() as connection:
        for character in b"GET /health HTTP/1.1\r\nX-Slow: ":
            try:
                connection.sendall(bytes([character]))
            except ConnectionError:
                return
            time.sleep(0.03)
        assert _answer(connection) == b""


def test_the_second_head_of_a_connection_is_awaited_no_longer(server: RealServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b'{"status":"ok"}'):
            answer += connection.recv(65536)
        connection.sendall(b"GET /hea")
        assert _answer(connection) == b""


def test_eight_megabytes_of_header_are_refused(server: RealServer) -> None:
    with server.connect() as connection:
        try:
            connection.sendall(b"GET /health HTTP/1.1\r\nX-Long: ")
            for _ in range(128):
                connection.sendall(b"a" * 65536)
        except ConnectionError:
            return
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 431")
    assert "32,768 bytes" in json.loads(answer.split(b"\r\n\r\n")[1])["error"]["message"]


def test_many_headers_are_refused(server: RealServer) -> None:
    headers = "".join(f"X-{number}: {number}\r\n" for number in range(5000))
    answer = _ask(server, f"GET /health HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\xc8\x01",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a" * 100_000,
    ],
)
def test_what_is_no_http_is_refused_in_the_same_shape(
    server: RealServer, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connect() as connection, caplog.at_level("INFO", "groundup.serving"):
        connection.sendall(sent)
        answer = connection.recv(65536)
        wait_until(lambda: " 400 " in caplog.text)
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["message"].startswith("this is no HTTP/1.1")
    assert "bug" not in caplog.text


def test_an_upgrade_is_not_made(server: RealServer) -> None:
    answer = _ask(
        server, "GET /health HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: close, upgrade\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_balancer_may_ask_for_the_head_alone(server: RealServer, path: str) -> None:
    answer = httpx.head(f"{server.url}{path}")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_slash_too_many_leads_nowhere(server: RealServer) -> None:
    """A redirect would name the host that the request names."""
    assert httpx.get(f"{server.url}/health/").status_code == 404


def test_what_cannot_be_read_behind_an_answer_is_no_bug(
    letters: LanguageModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "keys").write_text("a-key", encoding="utf-8")
    server = RealServer(letters, ServingSettings(name="tiny", port=0, api_keys=str(tmp_path / "keys")))
    request = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(request + b"1\r\n{\r\n")
        answer = connection.recv(65536)
        connection.sendall(b"zz\r\n")
        assert (answer + _answer(connection)).count(b"HTTP/1.1 401") == 1
    with server.connect() as connection:
        connection.sendall(request + b"zz\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    server.end()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_too_many_connections(letters: LanguageModel) -> None:
    server = RealServer(letters, ServingSettings(name="tiny", port=0, max_connections=2))
    with server.connect() as first, server.connect():
        refused = httpx.post(f"{server.url}/generate", content=b"x" * 300_000)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["error"]["code"] == "overloaded"
        assert refused.headers["Connection"] == "close"
        with server.connect() as third:
            begun = time.monotonic()
            assert _answer(third) == b""  # who sends nothing is not waited for
            assert time.monotonic() - begun < 2
        first.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
    wait_until(lambda: server.num_connections == 0)
    figures = httpx.get(f"{server.url}/metrics").text
    assert 'groundup_requests_total{method="POST",path="other",status="503"} 1.0' in figures
    server.end()


def _stall(server: RealServer, body: dict[str, object]) -> socket.socket:
    """Someone who asks for a stream and reads nothing of it."""
    server.send_in_small_pieces()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    text = json.dumps(body)
    connection.sendall(
        f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {len(text)}\r\n\r\n{text}".encode()
    )
    return connection


@pytest.mark.parametrize("stream", [True, False])
def test_who_reads_nothing_loses_the_connection(letters: LanguageModel, stream: bool) -> None:
    server = RealServer(letters, ServingSettings(name="tiny", port=0, send_seconds=0.1))
    body = {"prompt": "a", "max_tokens": 30, "n": 16, "logprobs": 20, "stream": stream, "logit_bias": {"0": -100}}
    with _stall(server, body):
        wait_until(lambda: server.num_connections == 1)
        wait_until(lambda: server.num_connections == 0, seconds=5)
        wait_until(lambda: server.service.runner.num_open == 0, seconds=5)
    server.end()


def test_who_hardly_reads_holds_no_slot_for_ever(letters: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundup.serving.service.SECONDS_TO_SEND", 0.1)
    server = RealServer(letters, ServingSettings(name="tiny", port=0, request_seconds=0.1, drain_seconds=0.1))
    with _stall(server, {"prompt": "a", "max_tokens": 4000, "n": 16, "stream": True, "logit_bias": {"0": -100}}):
        wait_until(lambda: server.service.runner.engine.num_running == 16)
        wait_until(lambda: server.service.runner.num_open == server.service.runner.engine.num_running == 0, seconds=5)
        figures = server.service.metrics.text().decode()
        assert 'groundup_texts_total{finish="canceled"} 16.0' in figures
    server.end()


def test_a_body_that_never_ends(server: RealServer) -> None:
    with server.connect() as connection:
        connection.sendall(
            f"POST /generate HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 100\r\n\r\n{{".encode()
        )
        answer = _first(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"invalid_request_error" in answer


@pytest.mark.parametrize("length", ["100001", "99999999999999999999999999"])
def test_a_body_that_says_it_is_too_large(server: RealServer, length: str) -> None:
    with server.connect() as connection:
        connection.sendall(
            f"POST /generate HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {length}\r\n\r\n".encode()
        )
        answer = _first(connection)
    assert answer.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))


def test_who_sends_too_large_a_body_is_answered_at_once_and_may_send_it(server: RealServer) -> None:
    with server.connect() as connection:
        head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 200000\r\n\r\n"
        begun = time.monotonic()
        connection.sendall(head.encode())
        assert _first(connection).startswith(b"HTTP/1.1 413")
        assert time.monotonic() - begun < 0.4
        for _ in range(4):
            connection.sendall(b" " * 50_000)
            time.sleep(0.02)
        assert connection.recv(65536) == b""  # closed in order, not reset
        assert time.monotonic() - begun < 1.5


def test_a_body_that_is_too_large_without_saying_so(server: RealServer) -> None:
    def pieces() -> object:
        yield from (b" " * 10_000 for _ in range(20))

    answer = httpx.post(f"{server.url}/generate", content=pieces(), headers={"Content-Type": "application/json"})  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert "100,000 bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "x/health?", "", "localhost:80:80", "[::1"],
)
def test_a_host_that_is_not_ours(server: RealServer, host: str) -> None:
    answer = _ask(server, f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), answer


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_a_host_that_is_ours(server: RealServer, host: str) -> None:
    answer = _ask(server, f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


def test_who_leaves_frees_the_slot(server: RealServer) -> None:
    body = json.dumps({"prompt": "a", "max_tokens": 4000, "stream": True, "logit_bias": {"0": -100}})
    for _ in range(3):
        with server.connect() as connection:
            connection.sendall(
                f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            assert b"data:" in connection.recv(65536) + connection.recv(65536)
    wait_until(lambda: server.service.runner.num_open == 0)
    wait_until(lambda: server.service.runner.engine.num_running == 0)


def test_two_hundred_who_leave_and_then_one_is_answered(server: RealServer) -> None:
    body = json.dumps({"prompt": "a", "max_tokens": 4000, "logit_bias": {"0": -100}})
    request = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {len(body)}\r\n\r\n{body}"
    connections = []
    for _ in range(200):
        connections.append(server.connect())
        connections[-1].sendall(request.encode())
    wait_until(lambda: server.service.runner.num_open > 10)
    for connection in connections:
        connection.close()
    begun = time.monotonic()
    wait_until(lambda: server.service.runner.num_open == 0, seconds=5)
    answer = httpx.post(f"{server.url}/generate", json={"prompt": "a", "max_length": 5}, timeout=5)
    assert answer.status_code == 200
    assert time.monotonic() - begun < 5


def test_draining_answers_what_is_there_and_takes_nothing_more(letters: LanguageModel) -> None:
    server = RealServer(letters, ServingSettings(name="tiny", port=0))
    body = {"prompt": "a", "max_tokens": 300, "stream": True, "logit_bias": {"0": -100}}
    with (
        httpx.Client(base_url=server.url) as kept,
        httpx.stream("POST", f"{server.url}/v1/completions", json=body) as stream,
    ):
        lines = stream.iter_lines()
        next(lines)
        assert kept.get("/ready").status_code == 200
        server.service.runner.draining = True  # as soon as the signal comes, before connections are closed
        refused = kept.post("/generate", json={"prompt": "a"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert kept.get("/ready").status_code == 503
        assert kept.get("/health").status_code == 200
        server.drain()
        pieces = [line for line in lines if line]
    assert pieces[-1] == "data: [DONE]"
    assert json.loads(pieces[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
    assert server.ends_by_itself()


@pytest.mark.parametrize("stream", [True, False])
def test_who_is_not_done_when_the_server_ends_is_told(letters: LanguageModel, stream: bool) -> None:
    server = RealServer(letters, ServingSettings(name="tiny", port=0, drain_seconds=0.1))
    body = {"prompt": "a", "max_tokens": 4000, "n": 16, "stream": stream, "logit_bias": {"0": -100}}
    text = json.dumps(body)
    with server.connect() as connection:
        connection.sendall(
            f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {len(text)}\r\n\r\n{text}".encode()
        )
        wait_until(lambda: server.service.runner.engine.num_running == 16)
        server.drain()
        answer = _answer(connection)
    assert answer.startswith(b"HTTP/1.1 200" if stream else b"HTTP/1.1 503")
    assert b"not_ready" in answer
    assert b"[DONE]" not in answer
    assert server.ends_by_itself()


def test_a_port_that_is_taken_is_named(server: RealServer) -> None:
    settings = ServingSettings(port=server.port)
    taken = rf"127.0.0.1, port {server.port}: nobody can listen there \(Address already in use\); name a free one with --port"
    with pytest.raises(MachineError, match=taken):
        listen(settings)


@pytest.mark.parametrize("host", ["host.invalid", "a b", "é" * 80, "[::1]"], ids=range(4))
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(MachineError, match=r"nobody can listen there \(this machine has no such name\)"):
        listen(ServingSettings(host=host, api_keys="keys", port=0))


def test_as_many_connections_as_the_system_lets_be(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: raised.append(limits))
    for limits, possible in (
        ((1024, 524288), 1024),
        ((256, resource.RLIM_INFINITY), 1024),
        ((256, 1000), 872),
        ((64, 64), 1),
        ((1152, 1152), 1024),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda what, limits=limits: limits)
        assert possible_connections(1024) == possible
    assert raised == [(1152, 524288), (1152, resource.RLIM_INFINITY), (1000, 1000)]
