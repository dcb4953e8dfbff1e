"""How the pages fit: narrow ones, dark ones, for those who see little contrast, use the keyboard, or want no movement."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.server import PATIENCE, Server

expect.set_options(timeout=PATIENCE)
PHONE = {"width": 360, "height": 740}
MARKDOWN = f"""# Title

- a list with a long_word_{"x" * 80}

```python
{"y = 1 + " * 40}1
```

| a | b |
|---|---|
| 1 | 2 |

> quoted `code` [link](https://a.example/)"""
VERSIONS = [{"content": MARKDOWN, "end": "It ended.", "facts": "3 tokens"}, {"content": "b", "end": "", "facts": ""}]
QUESTION, ANSWER = (
    {"role": "user", "content": "Question " + "z" * 200},
    {"role": "assistant", "shown": 0, "versions": VERSIONS},
)
TALK = {"id": "aa", "title": "A talk", "system": "", "changed": 1, "messages": [QUESTION, ANSWER]}

# What a finger may tap, and is less than 44 pixels wide or high: a range's whole height counts, tokens may be as narrow as their text.
TOO_SMALL = """() => [...document.querySelectorAll('button, a, input, textarea, select, .score span, .choice span')]
  .filter(each => each.checkVisibility({visibilityProperty: true}) && !each.closest('.skip, .said, .only-read'))
  .filter(each => each.offsetHeight < 44 || each.offsetWidth < (each.matches('.token') ? 32 : 44))
  .map(each => each.outerHTML.slice(0, 90))"""

# Every text with what lies behind it: (contrast after WCAG 2.2, §1.4.3, text), for what is visible and no picture.
CONTRASTS = """() => {
  const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
  const over = (color, under) => {
    pen.fillStyle = `rgb(${under.join(' ')})`; pen.fillRect(0, 0, 1, 1);
    pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = color => color.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = element => element ? over(getComputedStyle(element).backgroundColor, behind(element.parentElement)) : [255, 255, 255];
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
    const style = getComputedStyle(element);
    if (!text || !element.checkVisibility() || element.closest('.only-read, .skip, .space') || element.matches(':disabled')) continue;
    const back = behind(element), [one, other] = [light(over(style.color, back)), light(back)].sort((a, b) => b - a);
    found.push([(one + .05) / (other + .05), text]);
  }
  return found;
}"""


def with_talk(page: Page) -> None:
    """The chat page with a conversation in which there is some of everything."""
    page.goto("/pages/icon.svg")
    page.evaluate(
        "talk => { localStorage['groundup.chat.aa'] = talk; localStorage['groundup.current'] = '\"aa\"' }",
        json.dumps(TALK),
    )
    page.goto("/")
    expect(page.locator(".message")).to_have_count(2)


def with_text(page: Page) -> None:
    """The look-inside page with a text in it."""
    page.goto("/inside")
    expect(page.locator("#lens td").first).to_be_visible()


Show = Callable[[Page], None]
PAGES = pytest.mark.parametrize("show", [with_talk, with_text])


@PAGES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Page, show: Show, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    show(page)
    if show is with_text:  # every heat that there is
        page.locator("#strip .token, #lens td").evaluate_all(
            "all => all.forEach((each, i) => each.style.setProperty('--heat', (i % 21) / 20))"
        )
    found = page.evaluate(CONTRASTS)
    assert len(found) > 30
    assert [each for each in found if each[0] < 4.5] == []


@PAGES
def test_a_phone_scrolls_one_way_only(page: Page, show: Show) -> None:
    page.set_viewport_size(PHONE)
    show(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    over = """all => all.filter(each => each.checkVisibility() && !each.closest('.scroll, pre, .only-read, .skip')
      && each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"""
    assert page.locator("body *").evaluate_all(over) == []
    tiny = "all => all.filter(each => Math.min(each.offsetWidth, each.offsetHeight) < 24).map(each => each.outerHTML)"
    small = page.locator("button:visible, a.icon:visible").evaluate_all(tiny)
    assert small == []  # WCAG 2.2, §2.5.8


@pytest.fixture
def touched(browser: Browser, server: Server) -> Iterator[Page]:
    """A page on a phone that has no mouse."""
    context = browser.new_context(base_url=server.url, viewport=PHONE, has_touch=True, is_mobile=True)
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@PAGES
def test_a_finger_finds_what_it_may_tap(touched: Page, show: Show) -> None:
    show(touched)
    assert touched.evaluate(TOO_SMALL) == []
    for panel in ("conversations", "settings") if show is with_talk else ():
        touched.locator(f"#toggle-{panel}").tap()
        expect(touched.locator(f"#{panel}")).to_be_visible()
        assert touched.evaluate(TOO_SMALL) == []
        touched.keyboard.press("Escape")
    assert touched.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_panels_lie_over_a_phones_page_and_escape_closes_them(page: Page) -> None:
    page.set_viewport_size(PHONE)
    with_talk(page)
    expect(page.locator("#conversations, #settings").first).to_be_hidden()
    page.get_by_label("Settings", exact=True).first.click()
    expect(page.locator("#system")).to_be_focused()
    assert page.evaluate("document.getElementById('main').inert")
    page.keyboard.press("Escape")
    expect(page.locator("#settings")).to_be_hidden()
    expect(page.locator("#toggle-settings")).to_be_focused()
    page.locator("#toggle-conversations").click()
    expect(page.locator("#list .open")).to_have_text(["A talk"])
    page.locator("#list .open").click()
    expect(page.locator("#conversations")).to_be_hidden()
    assert not page.evaluate("document.getElementById('main').inert")


def test_colors_follow_the_system_until_one_is_chosen(page: Page) -> None:
    def darkness() -> str:
        color: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return color

    page.emulate_media(color_scheme="light")
    page.goto("/")
    light = darkness()
    page.emulate_media(color_scheme="dark")
    dark = darkness()
    assert light != dark
    page.locator("#theme").click()  # to light
    assert darkness() == light
    page.goto("/inside")
    assert darkness() == light
    page.locator("#theme").click()  # to dark
    page.emulate_media(color_scheme="light")
    assert darkness() == dark


@PAGES
def test_nothing_moves_for_those_who_want_it_so(page: Page, show: Show) -> None:
    page.emulate_media(reduced_motion="reduce")
    show(page)
    moves = """all => all.map(each => getComputedStyle(each)).filter(
      style => style.animationName !== 'none' || style.transitionDuration !== '0s').length"""
    assert page.locator("body *").evaluate_all(moves) == 0


@PAGES
def test_every_control_has_a_name(page: Page, show: Show) -> None:
    show(page)
    nameless = """all => all.filter(each => each.checkVisibility() && !(each.ariaLabel || each.textContent.trim()
      || each.labels?.length || document.querySelector(`[for="${each.id}"]`))).map(each => each.outerHTML)"""
    assert page.locator("button, a, input, textarea, [role=region], canvas[role=img]").evaluate_all(nameless) == []
    assert page.locator("h1").count() == 1
    ids = page.locator("[id]").evaluate_all("all => all.map(each => each.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [768, 1280])
def test_the_field_is_as_wide_as_what_is_said_and_nothing_lies_on_it(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    for talk in (False, True):
        with_talk(page) if talk else page.goto("/")
        for panel in page.locator(".side:visible").evaluate_all("all => all.map(each => each.id)"):
            page.locator(f"#toggle-{panel}").click()
        page.fill("#input", "a line\n" * 12)
        left, right = page.locator("#composer").evaluate(
            "e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]"
        )
        assert (left + right, right - left) == (width, min(width, 780))
        page.evaluate("document.getElementById('toast').hidden = document.getElementById('latest').hidden = false")
        above = page.locator("#above").bounding_box()
        box = page.locator(".box").bounding_box()
        assert above
        assert box
        assert above["y"] + above["height"] <= box["y"]


def test_where_nothing_hovers_every_conversation_shows_how_to_delete_it(touched: Page) -> None:
    with_talk(touched)
    touched.keyboard.press("Alt+n")
    touched.locator("#toggle-conversations").tap()
    expect(touched.locator("#list .icon")).to_have_css("opacity", "1")
