"""Real Chromium on the pages of a real server, which serves a tiny model with random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright
from tests.browser.server import PATIENCE, Server

from groundup.language_model.model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.serving.settings import ServingSettings

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
OF_AN_ANSWER = (  # what the browser says of any 4xx, and of a server that is gone
    "Failed to load resource: the server responded with a status of",
    "Failed to load resource: net::ERR_INCOMPLETE_CHUNKED_ENCODING",
)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def talker(tiny_base: Path) -> LanguageModel:
    """A model of byte pairs that takes conversations; its weights are random, so it talks gibberish."""
    tokenizer = LanguageModel.load(tiny_base, device="cpu").tokenizer.with_special_tokens(
        ["<|im_start|>", "<|im_end|>"]
    )
    tokenizer = tokenizer.with_config({**tokenizer.config, "chat_template": TEMPLATE})
    shape = {"vocab_size": tokenizer.vocab_size, "d_model": 16, "num_layers": 3, "num_heads": 4, "max_seq_len": 256}
    model = Transformer(preset_config("gpt2", **shape))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3, generator=generator)
    return LanguageModel(model.eval(), tokenizer)


@pytest.fixture(scope="session")
def server(talker: LanguageModel) -> Iterator[Server]:
    server = Server(talker, ServingSettings(name="talker", port=0))
    yield server
    server.end()


@pytest.fixture(scope="module")  # while Playwright is there, no other test of this process may run an event loop
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "there is no Chromium: apt-get install --no-install-recommends chromium fonts-dejavu-core"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def the_page(browser: Browser, server: Server) -> Page:
    """One for all tests: a new one would take each of them a second."""
    context = browser.new_context(base_url=server.url)
    context.set_default_timeout(PATIENCE)
    return context.new_page()


@pytest.fixture
def page(the_page: Page) -> Iterator[Page]:
    """A page that has never been here. Whatever it complains of fails the test: errors, and what the policy forbids."""
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(OF_AN_ANSWER):
            wrong.append(message.text)

    def fail(error: Error) -> None:
        wrong.append(str(error))

    the_page.set_viewport_size({"width": 1280, "height": 800})
    the_page.goto("/pages/icon.svg")
    the_page.evaluate("localStorage.clear()")
    the_page.on("console", hear)
    the_page.on("pageerror", fail)
    yield the_page
    the_page.remove_listener("console", hear)
    the_page.remove_listener("pageerror", fail)
    the_page.unroute_all()
    the_page.emulate_media(color_scheme=None, reduced_motion=None)
    for other in the_page.context.pages[1:]:
        other.close()
    assert wrong == []
