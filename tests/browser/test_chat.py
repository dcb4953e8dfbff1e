"""The chat page in a real browser, before a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page, Request, Route, expect
from tests.browser.server import PATIENCE, Server, wait_until
from torch import Tensor

from groundup.generation.forward import last_logits
from groundup.language_model.model import LanguageModel
from groundup.model.transformer import KVCache
from groundup.serving.settings import ServingSettings

expect.set_options(timeout=PATIENCE)


@pytest.fixture
def chat(page: Page) -> Page:
    """The page, with short replies."""
    page.goto("/")
    page.fill("#max_tokens", "12")
    return page


def slow(language_model: LanguageModel) -> LanguageModel:
    """The same, at leisure and without an end: a reply that isn't done when something happens to it."""
    step = last_logits(language_model.model)
    ends = torch.tensor(language_model.chat_ids([{"role": "user", "content": "Go on"}])[1])

    def forward(ids: Tensor, cache: KVCache) -> Tensor:
        time.sleep(0.05)
        return step(ids, cache).index_fill(-1, ends, float("-inf"))

    other = LanguageModel(language_model.model, language_model.tokenizer)
    other.forward = forward
    return other


@pytest.fixture(scope="module")
def leisurely(talker: LanguageModel) -> Iterator[Server]:
    """A server whose replies are still being written when the test comes to them, however busy the machine."""
    server = Server(slow(talker), ServingSettings(name="talker", port=0))
    yield server
    server.end()


def open_at(page: Page, server: Server) -> None:
    """The page of another server, as one that has never been there; long replies."""
    page.goto(f"{server.url}/pages/icon.svg")
    page.evaluate("localStorage.clear()")
    page.goto(server.url)
    page.fill("#max_tokens", "4000")


def say(page: Page, text: str) -> None:
    page.fill("#input", text)
    page.press("#input", "Enter")


def replied(page: Page, count: int) -> None:
    """Wait until so many messages are there and none is being written."""
    expect(page.locator(".message")).to_have_count(count)
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)


def said(page: Page) -> list[str]:
    texts: list[str] = page.locator(".said").all_text_contents()
    return texts


def kept(page: Page) -> list[dict[str, Any]]:
    """The conversations that the browser keeps."""
    found: str = page.evaluate(
        "JSON.stringify(Object.keys(localStorage).filter(k => k.startsWith('groundup.chat.')).map(k => JSON.parse(localStorage[k])))"
    )
    values: list[dict[str, Any]] = json.loads(found)
    return values


def test_a_reply_comes_and_is_still_there_after_a_reload(chat: Page) -> None:
    say(chat, "Hello <b>you</b> **there**")
    replied(chat, 2)
    question, reply = said(chat)
    assert question == "Hello <b>you</b> **there**"
    assert reply.strip()
    expect(chat.locator(".facts")).to_contain_text("tokens · ")
    expect(chat.locator("#status")).to_contain_text("Reply: ")
    (conversation,) = kept(chat)
    assert conversation["title"] == "Hello <b>you</b> **there**"
    chat.reload()
    replied(chat, 2)
    assert said(chat) == [question, reply]
    expect(chat.locator("#model")).to_have_text("talker")


def test_it_is_shown_as_it_comes_and_stop_ends_it(page: Page, leisurely: Server) -> None:
    open_at(page, leisurely)
    say(page, "Go on")
    expect(page.locator("#stop")).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('.said')[1]?.textContent.length > 5")
    begun = page.locator(".said").nth(1).text_content() or ""
    page.wait_for_function(
        "before => document.querySelectorAll('.said')[1].textContent.length > before", arg=len(begun)
    )
    assert page.locator("#stop").is_visible()
    page.keyboard.press("Escape")
    replied(page, 2)
    expect(page.locator(".end")).to_have_text("You stopped it here.")
    expect(page.locator("#input")).to_be_focused()
    wait_until(lambda: leisurely.service.runner.num_open == 0)


def test_what_is_said_amid_a_reply_is_not_lost(page: Page, leisurely: Server) -> None:
    open_at(page, leisurely)
    say(page, "Go on")
    page.wait_for_function("() => document.querySelectorAll('.said')[1]?.textContent.length > 5")
    page.keyboard.press("Alt+n")
    say(page, "Something else")
    expect(page.locator("#toast")).to_have_text("A reply is being written: wait for it, or stop it.")
    expect(page.locator("#input")).to_have_value("Something else")
    page.keyboard.press("Escape")
    expect(page.locator("#send")).to_be_visible()


def test_another_reply_is_another_version_and_both_stay(chat: Page) -> None:
    say(chat, "Hello")
    replied(chat, 2)
    first = said(chat)[1]
    chat.get_by_label("Write another reply").click()
    expect(chat.locator(".versions")).to_contain_text("2/2")
    replied(chat, 2)
    second = said(chat)[1]
    assert second != first
    chat.get_by_label("The version before").click()
    expect(chat.locator(".versions")).to_contain_text("1/2")
    assert said(chat)[1] == first
    chat.reload()
    assert said(chat)[1] == first


def test_the_same_seed_writes_the_same(chat: Page) -> None:
    chat.fill("#seed", "7")
    say(chat, "Hello")
    replied(chat, 2)
    first = said(chat)[1]
    chat.get_by_label("Write another reply").click()
    expect(chat.locator(".versions")).to_contain_text("2/2")
    replied(chat, 2)
    assert said(chat)[1] == first


def test_an_edited_message_drops_what_followed_and_can_be_undone(chat: Page) -> None:
    for number, text in enumerate(("One", "Two"), start=1):
        say(chat, text)
        replied(chat, 2 * number)
    before = said(chat)
    chat.get_by_label("Edit").first.click()
    field = chat.get_by_label("Your message").first
    expect(field).to_be_focused()
    field.fill("Three")
    field.press("Enter")
    replied(chat, 2)
    assert said(chat)[0] == "Three"
    chat.get_by_role("button", name="Undo").click()
    replied(chat, 4)
    assert said(chat) == before
    assert [len(each["messages"]) for each in kept(chat)] == [4]


def test_an_edit_that_is_given_up_changes_nothing(chat: Page) -> None:
    say(chat, "One")
    replied(chat, 2)
    before = said(chat)
    chat.press("#input", "ArrowUp")  # in the empty field
    chat.keyboard.type(" more")
    chat.keyboard.press("Escape")
    assert said(chat) == before


def test_settings_reach_the_server(chat: Page) -> None:
    bodies: list[dict[str, Any]] = []

    def look(request: Request) -> None:
        if request.url.endswith("/v1/chat/completions"):
            bodies.append(request.post_data_json)

    chat.on("request", look)
    chat.fill("#system", "Be brief.")
    for name, value in {
        "temperature": "0.4",
        "top_k": "5",
        "top_p": "0.9",
        "min_p": "0.05",
        "repetition_penalty": "1.1",
    }.items():
        chat.fill(f"#{name}", value)
    chat.fill("#seed", "3")
    say(chat, "Hello")
    replied(chat, 2)
    say(chat, "And?")
    replied(chat, 4)
    first, second = bodies
    assert first["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "user"]
    settings = {"temperature": 0.4, "top_k": 5, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1, "seed": 3}
    assert {name: first[name] for name in settings} == settings
    assert first["max_completion_tokens"] == 12
    chat.reload()
    expect(chat.locator("#top_k")).to_have_value("5")
    expect(chat.locator("#system")).to_have_value("Be brief.")
    chat.get_by_role("button", name="Back to the defaults").click()
    expect(chat.locator("output[for=top_k]")).to_have_text("all")


def test_a_number_that_is_none_is_not_taken_and_that_is_said(chat: Page) -> None:
    for name, wrong, least in (
        ("seed", "-5", 0),
        ("seed", "1.5", 0),
        ("seed", "9007199254740993", 0),
        ("max_tokens", "0", 1),
    ):
        chat.fill(f"#{name}", wrong)
        expect(chat.locator(f"#{name}-help")).to_have_text(f"Not taken: write a whole number from {least} on.")
        expect(chat.locator(f"#{name}")).to_have_attribute("aria-invalid", "true")
    chat.get_by_role("button", name="Back to the defaults").click()
    expect(chat.locator("[aria-invalid=true]")).to_have_count(0)
    chat.fill("#max_tokens", "1000000000")
    say(chat, "Hello")
    expect(chat.locator("#notice")).to_contain_text("1,000,000,000 tokens are more than the 4,096 that are given here.")


def test_conversations_are_kept_changed_and_deleted(chat: Page) -> None:
    for text in ("First talk", "Second talk"):
        chat.keyboard.press("Alt+n")
        say(chat, text)
        replied(chat, 2)
    names = chat.locator("#list .open")
    expect(names).to_have_text(["Second talk", "First talk"])
    names.nth(1).click()
    assert said(chat)[0] == "First talk"
    expect(names.nth(1)).to_have_attribute("aria-current", "true")
    chat.get_by_label("Delete: First talk").click()
    expect(names).to_have_text(["Second talk"])
    expect(chat.locator(".welcome")).to_be_visible()
    assert [each["title"] for each in kept(chat)] == ["Second talk"]
    chat.get_by_role("button", name="Undo").click()
    assert said(chat)[0] == "First talk"
    assert len(kept(chat)) == 2


def test_a_second_tab_sees_what_the_first_said(chat: Page) -> None:
    other = chat.context.new_page()
    other.goto("/")
    say(chat, "From the first")
    replied(chat, 2)
    expect(other.locator("#list .open")).to_have_text(["From the first"])


def test_two_tabs_that_go_on_with_one_conversation_lose_nothing(page: Page, leisurely: Server) -> None:
    open_at(page, leisurely)
    say(page, "From the first")
    page.wait_for_function("() => document.querySelectorAll('.said')[1]?.textContent.length > 5")
    other = page.context.new_page()
    other.goto(leisurely.url)
    other.fill("#max_tokens", "5")
    say(other, "From the second")
    expect(page.locator("#toast")).to_contain_text("Another tab went on with this conversation.")
    page.keyboard.press("Escape")
    replied(page, 2)
    expect(other.locator(".facts")).to_be_visible()
    users = [[each["content"] for each in talk["messages"] if each["role"] == "user"] for talk in kept(page)]
    assert sorted(users) == [["From the first"], ["From the first", "From the second"]]


def test_what_is_damaged_in_the_store_is_left_alone(page: Page) -> None:
    empty = {"title": "", "system": "", "messages": [{"role": "assistant", "versions": [], "shown": 0}]}
    damaged = {"aa": "not JSON", "bb": json.dumps({"id": "bb"}), "cc": json.dumps({"id": "cc", **empty}), "dd": "null"}
    page.evaluate("all => { for (const name in all) localStorage['groundup.chat.' + name] = all[name] }", damaged)
    page.evaluate("() => { localStorage['groundup.current'] = '\"bb\"'; localStorage['groundup.settings'] = '[]' }")
    page.goto("/")
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator("#list li")).to_have_count(0)


def test_a_full_store_is_said_and_the_talk_goes_on(chat: Page) -> None:
    chat.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') } }"
    )
    say(chat, "Hello")
    replied(chat, 2)
    expect(chat.locator("#notice")).to_contain_text("This browser keeps nothing more")
    say(chat, "Again")
    replied(chat, 4)


def test_a_busy_server_is_said_and_asked_again(chat: Page) -> None:
    busy = {"error": {"message": "too many are waiting", "type": "overloaded_error", "param": None, "code": None}}

    def answer(route: Route) -> None:
        route.fulfill(status=503, headers={"Retry-After": "1"}, json=busy)

    chat.route("**/v1/chat/completions", answer)
    say(chat, "Hello")
    expect(chat.locator("#notice")).to_contain_text("The server is busy; try again in a moment. It says: in 1 s.")
    replied(chat, 1)
    chat.unroute("**/v1/chat/completions")
    chat.get_by_role("button", name="Try again").click()
    replied(chat, 2)
    expect(chat.locator("#notice")).to_be_empty()


@pytest.mark.parametrize(
    ("stream", "shown", "told"),
    [
        (
            'data: {"choices":[{"index":0,"delta":{"content":"Half a"}}]}\n\n',
            ["Hello", "Half a"],
            "The connection broke off",
        ),
        ('data: {"error":{"message":"the engine failed"}}\n\n', ["Hello"], "The engine failed."),
        ("", ["Hello"], "The connection broke off before the reply was complete."),
    ],
)
def test_a_stream_that_breaks_off_keeps_what_came(chat: Page, stream: str, shown: list[str], told: str) -> None:
    chat.route("**/v1/chat/completions", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    say(chat, "Hello")
    expect(chat.locator("#notice")).to_contain_text(told)
    assert said(chat) == shown


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("<html>a page of something else</html>", "The connection broke off"),
        ("data: {oops\n\n", "What answered is not understood here"),
        ("data: null\n\n", "What answered is not understood here"),
    ],
)
def test_an_answer_that_is_none_is_said(chat: Page, answer: str, told: str) -> None:
    chat.route("**/v1/chat/completions", lambda route: route.fulfill(body=answer))
    say(chat, "Hello")
    expect(chat.locator("#notice")).to_contain_text(told)
    replied(chat, 1)


def test_a_server_that_is_gone_amid_a_reply_is_said(page: Page, talker: LanguageModel) -> None:
    dying = Server(slow(talker), ServingSettings(name="dying", port=0))
    page.goto(dying.url)
    page.fill("#max_tokens", "4000")
    say(page, "Go on")
    page.wait_for_function("() => document.querySelectorAll('.said')[1]?.textContent.length > 5")
    dying.end()
    expect(page.locator("#notice")).to_contain_text("The connection broke off before the reply was complete.")
    expect(page.locator(".end")).to_have_text("It broke off here.")


@pytest.mark.parametrize(
    ("finish", "told"),
    [("content_filter", "The server's guard ended it here."), ("stop", "The model said nothing.")],
)
def test_a_reply_without_a_word_says_why(chat: Page, finish: str, told: str) -> None:
    last = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chat.route("**/v1/chat/completions", lambda route: route.fulfill(body=f"data: {last}\n\ndata: [DONE]\n\n"))
    say(chat, "Hello")
    replied(chat, 2)
    expect(chat.locator(".end")).to_have_text(told)


def test_a_text_that_the_guard_refuses_can_be_changed(chat: Page) -> None:
    refused = {"error": {"message": "refused", "type": "invalid_request_error", "code": "content_filter"}}
    chat.route("**/v1/chat/completions", lambda route: route.fulfill(status=400, json=refused))
    say(chat, "A bad word")
    expect(chat.locator("#notice")).to_contain_text("The server's guard refused this text")
    chat.unroute("**/v1/chat/completions")
    chat.get_by_role("button", name="Change it").click()
    chat.keyboard.press("Control+a")
    chat.keyboard.type("A good word")
    chat.keyboard.press("Enter")
    replied(chat, 2)
    assert said(chat)[0] == "A good word"


def test_an_error_of_the_server_is_told_in_its_words(chat: Page, server: Server) -> None:
    say(chat, "far too long for its context " * 60)
    expect(chat.locator("#notice")).to_contain_text("The model's context is full. It comes to ")
    replied(chat, 1)
    chat.get_by_role("button", name="New chat").last.click()
    expect(chat.locator(".welcome")).to_be_visible()
    expect(chat.locator("#notice")).to_be_empty()


@pytest.fixture
def locked(talker: LanguageModel, tmp_path: Path) -> Iterator[Server]:
    keys = tmp_path / "keys"
    keys.write_text("secret-key\n")
    server = Server(talker, ServingSettings(name="locked", port=0, api_keys=str(keys)))
    yield server
    server.end()


def test_a_key_is_asked_for_and_kept(browser: Browser, locked: Server) -> None:
    context = browser.new_context(base_url=locked.url)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto("/")
    page.fill("#max_tokens", "5")
    say(page, "Hello")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#notice")).to_contain_text("This server asks for a key. Write one into the settings.")
    page.get_by_role("button", name="Try again").click()
    for wrong in ("another-key", "schlüssel"):
        page.fill("#asked-key", wrong)
        page.press("#asked-key", "Enter")
        expect(page.get_by_role("dialog", name="The server does not know this key.")).to_be_visible()
    page.fill("#asked-key", "secret-key")
    page.press("#asked-key", "Enter")
    replied(page, 2)
    expect(page.locator("#model")).to_have_text("locked")
    page.goto("/inside")
    expect(page.locator("#lens td").first).to_be_visible()
    context.close()


def test_the_keyboard_is_enough(page: Page) -> None:
    """Enter sends, Shift+Enter doesn't, and each control can be reached and has a name and a visible focus."""
    page.goto("/")
    page.fill("#max_tokens", "5")
    page.focus("#input")
    page.keyboard.type("One")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Two")
    page.keyboard.press("Enter")
    replied(page, 2)
    assert said(page)[0] == "One\nTwo"
    reached = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.ariaLabel || document.activeElement.id || document.activeElement.textContent"
            )
        )
    assert {
        "Copy",
        "Edit",
        "Write another reply",
        "Look inside this text",
        "new",
        "input",
        "send",
        "system",
        "temperature",
        "Colors: Auto; change them",
    } <= reached


def test_a_text_of_the_chat_is_looked_into(chat: Page) -> None:
    say(chat, "Größe & 100 % #1")
    replied(chat, 2)
    chat.get_by_label("Look inside this text").first.click()
    expect(chat.locator("#text")).to_have_value("Größe & 100 % #1")
    expect(chat.locator("#strip .token").first).to_be_visible()
