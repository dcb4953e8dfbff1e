"""A rater in real Chromium: by keys alone, on a phone, coming back, and when the server is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from tests.browser.server import PATIENCE, wait_until
from tests.browser.test_looks import CONTRASTS, PHONE, TOO_SMALL

from groundup.evaluation.human.study import Study
from groundup.serving.comparing import create_comparing_app

expect.set_options(timeout=PATIENCE)
CRITERIA = ["helpful", "harmless", "honest"]
HOSTILE = "<img src=x onerror=document.title='broken'> " + "y" * 300


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    prompts = ["What is the capital of France?", [{"role": "user", "content": HOSTILE}], "Third?"]
    study = Study.create(tmp_path_factory.mktemp("study") / "study.sqlite", ["one", "two"], prompts, CRITERIA)
    for prompt in range(3):
        study.add_answer(prompt, 0, "Paris.\n\nOn the Seine. " * 20)
        study.add_answer(prompt, 1, HOSTILE if prompt else "")
    return study


@pytest.fixture(scope="module")
def address(study: Study) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_comparing_app(study), port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def the_page(browser: Browser, address: str) -> Page:
    context = browser.new_context(base_url=address)
    context.set_default_timeout(PATIENCE)
    return context.new_page()


def begin(page: Page, name: str) -> None:
    page.goto("/")
    expect(page.locator("#rater")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator("#study")).to_be_visible()


def test_a_whole_study_by_keys_alone(page: Page, study: Study) -> None:
    begin(page, "Rosa")
    for number in range(3):
        expect(page.locator("#count")).to_have_text(f"{number} of 3")
        expect(page.locator("#lacking")).to_have_text("Still to say: 6 scores and which is better")
        page.keyboard.press("Enter")  # nothing is saved that is not whole
        page.keyboard.type("54321")
        expect(page.locator("#lacking")).to_have_text("Still to say: 1 score and which is better")
        page.keyboard.press("0")
        page.keyboard.type("5434")
        page.keyboard.press("Backspace")
        page.keyboard.type("215")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#right")).to_have_class("answer better")
        page.keyboard.press("Enter")
    expect(page.locator("#done")).to_contain_text("3 of 3 pairs are rated")
    ratings = study.ratings("Rosa")
    assert [rating.choice for rating in ratings] == ["right"] * 3
    for rating in ratings:  # left: 5 4 3, right: 2 1 5
        left = 0 if rating.left == rating.pair.a else 1
        assert [rating.scores[name][left] for name in CRITERIA] == [5, 4, 3]
        assert [rating.scores[name][1 - left] for name in CRITERIA] == [2, 1, 5]
    assert page.title() != "broken"


def test_one_step_back_and_coming_back_another_day(page: Page, study: Study) -> None:
    begin(page, "Ravi")
    first = page.locator("#left .text").inner_text()
    page.keyboard.type("333333")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("1 of 3")
    page.keyboard.press("u")
    expect(page.locator("#count")).to_have_text("0 of 3")
    assert page.locator("#left .text").inner_text() == first
    expect(page.locator("#save")).to_be_enabled()  # what had been said stands there
    page.keyboard.press("Backspace")
    page.keyboard.press("4")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("1 of 3")
    page.reload()  # the name is kept, and so is the rating
    expect(page.locator("#count")).to_have_text("1 of 3")
    expect(page.locator("#who")).to_have_text("Ravi")
    page.get_by_role("button", name="Not you?").click()
    expect(page.locator("#rater")).to_be_focused()
    (rating,) = study.ratings("Ravi")
    assert rating.as_given == {"choice": "left", "scores": {"helpful": [3, 3], "harmless": [3, 3], "honest": [3, 4]}}


def test_arrows_are_for_what_the_tab_key_came_to(page: Page, study: Study) -> None:
    page.set_viewport_size({"width": 1280, "height": 500})
    begin(page, "Roya")
    long = page.locator(".text", has_text="Paris").first
    long.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator('input[name="choice"]:checked').count() == 0  # it scrolls
    page.keyboard.type("3")
    while page.evaluate("document.activeElement.name") != "left-helpful":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("left, helpful: 4 of 5")).to_be_checked()
    page.get_by_label("left, honest: 2 of 5").click()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("left, honest: 2 of 5")).to_be_checked()  # a hand had come to it: the arrow chooses
    expect(page.locator("#right")).to_have_class("answer better")


def test_by_hand_and_when_the_server_does_not_answer_nothing_typed_is_lost(page: Page, study: Study) -> None:
    begin(page, "Rüya")
    for side in ("left", "right"):
        for name in CRITERIA:
            page.get_by_label(f"{side}, {name}: 4 of 5").click()
    page.get_by_label("Neither").click()
    page.route("**/rating", lambda route: route.fulfill(status=503, json={"error": {"message": "Busy."}}))
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_role("alert")).to_have_text("Busy.")
    expect(page.locator("#save")).to_be_enabled()
    page.unroute_all()
    page.get_by_role("button", name="Save and go on").click()
    expect(page.locator("#count")).to_have_text("1 of 3")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert len(study.ratings("Rüya")) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 360, "height": 740})
    begin(page, f"Rob {scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("left, helpful: 4 of 5").click()
    assert all(contrast >= 4.5 for contrast, _ in page.evaluate(CONTRASTS))


def test_a_finger_finds_what_it_may_tap(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, viewport=PHONE, has_touch=True, is_mobile=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    begin(page, "Tamar")
    assert page.evaluate(TOO_SMALL) == []
    right = "all => Math.max(...all.map(each => each.getBoundingClientRect().right - each.closest('.score').getBoundingClientRect().right))"
    assert page.locator(".score span").evaluate_all(right) <= 0
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    context.close()
