"""Two tiny models to serve, one of characters and one that was taught to converse, as far as its template goes."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from groundup.language_model.model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.serving.app import create_app
from groundup.serving.http_server import http_server
from groundup.serving.service import Service
from groundup.serving.settings import ServingSettings
from groundup.tokens.character import train_character_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,:;!?'\n0123456789é"
HOST = "http://127.0.0.1:8000"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

Serve = Callable[..., TestClient]


@pytest.fixture(scope="session")
def letters() -> LanguageModel:
    """A model of characters with random weights and a context of 64."""
    tokenizer = train_character_tokenizer([LETTERS], byte_fallback=False)
    torch.manual_seed(0)
    shape = {"vocab_size": tokenizer.vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 64}
    return LanguageModel(Transformer(preset_config("qwen3", **shape)).eval(), tokenizer)


@pytest.fixture(scope="session")
def talker(tiny_base: Path) -> LanguageModel:
    """A model of byte pairs with random weights, a context of 128, and a chat template whose marks are special tokens."""
    base = LanguageModel.load(tiny_base, device="cpu")
    tokenizer = base.tokenizer.with_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer = tokenizer.with_config({**tokenizer.config, "chat_template": TEMPLATE})
    torch.manual_seed(0)
    shape = {"vocab_size": tokenizer.vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 128}
    return LanguageModel(Transformer(preset_config("gpt2", **shape)).eval(), tokenizer)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a model in this process, with these settings."""
    clients: list[TestClient] = []

    def start(language_model: LanguageModel, **settings: object) -> TestClient:
        guard = settings.pop("guard", None)
        app = create_app(language_model, ServingSettings(**{"name": "tiny", **settings}), guard)  # type: ignore[arg-type]
        clients.append(TestClient(app, base_url=HOST))
        return clients[-1].__enter__()

    yield start
    for client in clients:
        client.__exit__()


@pytest.fixture(scope="session")
def client(letters: LanguageModel) -> Iterator[TestClient]:
    """The model of characters, served with the usual settings."""
    with TestClient(create_app(letters, ServingSettings(name="tiny")), base_url=HOST) as client:
        yield client


@pytest.fixture(scope="session")
def chat_client(talker: LanguageModel) -> Iterator[TestClient]:
    """The model that talks, served with the usual settings."""
    with TestClient(create_app(talker, ServingSettings(name="talker")), base_url=HOST) as client:
        yield client


class RealServer:
    """The model of characters behind a real port, in a thread of this process."""

    def __init__(self, language_model: LanguageModel, settings: ServingSettings) -> None:
        app = create_app(language_model, settings)
        self.service: Service = app.state.service
        self._server = http_server(app, settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    @property
    def num_connections(self) -> int:
        """Those that are open."""
        return len(self._server.server_state.connections)

    def send_in_small_pieces(self) -> None:
        """Let nobody's answer lie in the system's own buffers."""
        self._server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def drain(self) -> None:
        """What SIGTERM does."""
        self._server.handle_exit(signal.SIGTERM, None)

    def end(self) -> None:
        """Stop it."""
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def ends_by_itself(self) -> bool:
        """Whether it ends in a moment."""
        self._thread.join(20)
        return not self._thread.is_alive()


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def server(letters: LanguageModel) -> Iterator[RealServer]:
    """A real server with short patience."""
    settings = ServingSettings(name="tiny", port=0, header_seconds=0.3, body_seconds=0.3, max_body_bytes=100_000)
    server = RealServer(letters, settings)
    yield server
    server.end()
