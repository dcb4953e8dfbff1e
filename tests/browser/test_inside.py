"""The look-inside page in a real browser: what it shows is what the model has."""

from __future__ import annotations

import math
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Response, expect
from tests.browser.server import PATIENCE

from groundup.generation.settings import GenerationSettings
from groundup.language_model.look_inside import attention_weights, logit_lens, next_token, read, surprisals
from groundup.language_model.model import LanguageModel
from groundup.serving.inspecting import MAX_TOKENS

expect.set_options(timeout=PATIENCE)
TEXT = "To be, or naïve 日\nin the License"


@pytest.fixture
def inside(page: Page) -> Page:
    page.goto(f"/inside#{quote(TEXT)}")
    expect(page.locator("#results:not([aria-busy])")).to_be_visible()
    return page


def look(page: Page, text: str) -> None:
    """Type a text and wait until all of it is shown."""

    def is_last(answer: Response) -> bool:
        asked = answer.request.post_data_json or {}
        return asked.get("text") == text and "lens" in asked

    with page.expect_response(is_last):
        page.fill("#text", text)
    expect(page.locator("#results:not([aria-busy])")).to_be_visible()


def percent(text: str) -> float:
    return float(text.removesuffix(" %")) / 100 if text.endswith("%") else float(text)


def test_tokens_and_their_surprisal(inside: Page, talker: LanguageModel) -> None:
    reading = read(talker, TEXT)
    tokens = inside.locator("#strip .token")
    expect(tokens).to_have_count(len(reading.ids))
    bits = tokens.locator(".bits").all_text_contents()
    assert bits[0] == "start"
    expected = surprisals(reading)[1:]
    assert [float(each.removesuffix(" bits")) for each in bits[1:]] == pytest.approx(expected, abs=0.051)
    texts = tokens.locator(".text").all_text_contents()
    assert texts[0] == "<|endoftext|>"
    assert "↵" in texts
    assert "".join(texts[1:]).startswith("To·be,·or·na")
    assert re.search(r"‹e6( [0-9a-f]{2})*›", "".join(texts)), "a part of 日 is shown by its bytes"
    heats = tokens.evaluate_all("all => all.map(each => Number(each.style.getPropertyValue('--heat')))")
    assert heats[1:] == pytest.approx([min(1, each / 16) for each in expected if each is not None], abs=1e-3)
    facts = dict(zip(*(inside.locator(f"#facts {tag}").all_text_contents() for tag in ("dt", "dd")), strict=True))
    (score,) = talker.score([TEXT])
    assert facts["Tokens"] == str(score.num_tokens)
    assert float(facts["Bits of a byte"]) == pytest.approx(
        -score.log_likelihood / math.log(2) / score.num_bytes, abs=1e-3
    )


def test_what_comes_next_as_the_settings_move(inside: Page, talker: LanguageModel) -> None:
    reading, place = read(talker, TEXT), 4
    inside.locator("#strip .token").nth(place).click()
    for name, value in {"temperature": 0.7, "top_k": 12, "top_p": 0.9, "min_p": 0.02}.items():
        inside.fill(f"#{name}", str(value))
    settings = GenerationSettings(temperature=0.7, top_k=12, top_p=0.9, min_p=0.02)
    found = next_token(reading, place, settings, 14)
    facts = f"Uncertainty: {found.entropy_before:.2f} bits by the model, {found.entropy_after:.2f} bits as it is drawn."
    expect(inside.locator("#next-facts")).to_contain_text(facts)
    rows = inside.locator("#bars tr")
    expect(rows).to_have_count(14)
    numbers = rows.locator(".number").all_text_contents()
    before, after = list(map(percent, numbers[::2])), list(map(percent, numbers[1::2]))
    assert before == pytest.approx([one.before for one in found.candidates], rel=0.06, abs=6e-5)
    assert after == pytest.approx([one.after for one in found.candidates], rel=0.06, abs=6e-5)
    assert rows.locator(".before").count() == 14
    assert inside.locator("#bars tr:not(.dropped)").count() == min(14, found.num_kept)
    inside.fill("#temperature", "0")
    expect(inside.locator("#next-facts")).to_contain_text("One token can be drawn.")


def test_a_candidate_goes_behind_the_text(inside: Page) -> None:
    look(inside, "the Licen")
    button = inside.get_by_role("button", name="to the text").first
    added = (button.get_attribute("aria-label") or "").removeprefix("Add “").removesuffix("” to the text")
    button.click()
    expect(inside.locator("#text")).to_have_value("the Licen" + added.replace("↵", "\n"))


def test_attention_by_layer_and_head(inside: Page, talker: LanguageModel) -> None:
    reading, place = read(talker, TEXT), 6
    inside.fill("#layer", "3")
    expect(inside.locator("#layer-shown")).to_have_text("3 of 3")
    expect(inside.locator("#map-reads")).to_have_text("In the mean of all heads of layer 3.")
    inside.get_by_role("button", name="Head 2").click()
    inside.locator("#strip .token").nth(place).click()
    expect(inside.locator("#map-reads")).to_have_text("In layer 3, head 2.")
    weights = attention_weights(reading, 2)[1, place, : place + 1]
    shown = [percent(each) for each in inside.locator("#looks li > span:last-child").all_text_contents()]
    assert (
        shown[::2]
        == pytest.approx(weights.sort(descending=True).values[: len(shown) // 2].tolist(), rel=0.06, abs=6e-5)
        or shown
    )
    expect(inside.locator("#heads .head")).to_have_count(5)
    # The darker a cell of the large map, the more it was looked at.
    darkness = """([query, size]) => {
      const canvas = document.getElementById('canvas'), cell = canvas.width / size;
      const pen = new OffscreenCanvas(canvas.width, canvas.width).getContext('2d', {willReadFrequently: true});
      pen.drawImage(canvas, 0, 0);
      return Array.from({length: query + 1}, (_, key) => {
        const [r, g, b] = pen.getImageData((key + .5) * cell, (query + .5) * cell, 1, 1).data;
        return 765 - r - g - b;
      });
    }"""
    found = inside.evaluate(darkness, [place, len(reading.ids)])
    assert sorted(range(place + 1), key=found.__getitem__) == weights.argsort().tolist()
    box = inside.locator("#canvas").bounding_box()
    assert box is not None
    cell = box["width"] / len(reading.ids)
    inside.locator("#canvas").click(position={"x": cell * 1.5, "y": cell * 3.5})
    expect(inside.locator("#strip .token").nth(3)).to_have_attribute("aria-pressed", "true")


def test_the_logit_lens(inside: Page, talker: LanguageModel) -> None:
    reading = read(talker, TEXT)
    first = max(0, len(reading.ids) - 24)  # the window's
    lens = logit_lens(reading, first, 24)
    rows = inside.locator("#lens tbody tr")
    expect(rows).to_have_count(4)
    assert rows.locator("th").all_text_contents() == ["3", "2", "1", "start"]
    for row, guesses in zip(range(4), reversed(lens), strict=True):
        cells = rows.nth(row).locator("td")
        expect(cells).to_have_count(min(24, len(reading.ids)))
        heats = cells.evaluate_all("all => all.map(each => Number(each.style.getPropertyValue('--heat')))")
        assert heats == pytest.approx([guess.likeliest[0][1] for guess in guesses], abs=1e-3)
        right = cells.evaluate_all("all => all.map(each => each.classList.contains('right-one'))")
        assert right == [guess.next_rank == 1 for guess in guesses]
    rows.nth(0).locator("td").nth(0).focus()
    inside.keyboard.press("ArrowRight")
    inside.keyboard.press("ArrowDown")
    guess = lens[2][1]
    reads = inside.locator("#lens-reads")
    expect(reads).to_contain_text("After layer 2, behind “")
    expect(reads).to_contain_text(f"which follows, is number {guess.next_rank} with ")


def test_the_newest_text_is_shown(inside: Page) -> None:
    """However fast one types, and whichever answer comes last."""
    inside.click("#text")
    inside.keyboard.press("Control+A")
    for letter in "of this License":
        inside.keyboard.type(letter)
    look(inside, "of this License shall")
    texts = inside.locator("#strip .text").all_text_contents()
    assert "".join(texts[1:]) == "of·this·License·shall"


def test_arrow_keys_move_between_tokens(inside: Page) -> None:
    tokens = inside.locator("#strip .token")
    tokens.nth(2).focus()
    inside.keyboard.press("ArrowRight")
    inside.keyboard.press("ArrowRight")
    expect(tokens.nth(4)).to_be_focused()
    inside.keyboard.press("Enter")
    expect(tokens.nth(4)).to_have_attribute("aria-pressed", "true")
    inside.keyboard.press("Home")
    expect(tokens.nth(0)).to_be_focused()
    assert tokens.evaluate_all("all => all.filter(each => each.tabIndex === 0).length") == 1


def test_what_cannot_be_looked_at_is_said_and_the_next_text_is_shown(inside: Page) -> None:
    inside.fill("#text", "word " * MAX_TOKENS)
    expect(inside.locator("#notice")).to_contain_text(f"{MAX_TOKENS} can be looked at: shorten it")
    look(inside, "word")
    expect(inside.locator("#notice")).to_be_empty()


def test_an_empty_text_is_what_the_model_begins_with(inside: Page) -> None:
    look(inside, "")
    expect(inside.locator("#strip .token")).to_have_count(1)
    expect(inside.locator("#next-where")).to_contain_text("special token <|endoftext|>")
    expect(inside.locator("#facts dd").first).to_have_text("0")


def test_the_text_is_that_of_the_address(page: Page) -> None:
    page.goto("/inside#Gr%C3%B6%C3%9Fe%20%26%20%3Cb%3E")
    expect(page.locator("#text")).to_have_value("Größe & <b>")
    page.goto("about:blank")
    page.goto("/inside#%E0%A4%A")  # no valid one
    expect(page.locator("#strip .token").first).to_be_visible()


def test_what_cannot_be_seen_is_spelled_out(page: Page) -> None:
    page.goto("/inside")
    texts = {
        " a  b": "·a··b", "\n\n\t": "↵↵⇥", "\r": "‹0d›", "\x00\x1b\x7f": "‹00›‹1b›‹7f›", "\xa0\u3000": "‹a0›‹3000›", "\u202e": "‹202e›",
        "\ufe0f": "‹fe0f›", "\u200d": "‹200d›", "👩\u200d👧": "👩\u200d👧", "\ufffd": "\ufffd", "": "‹nothing›",
    }  # fmt: skip
    spell = """async tokens => {
      const { spelled } = await import('/pages/spell.js');
      return tokens.map(token => spelled(token).map(part => part.textContent ?? part).join(''));
    }"""
    tokens = [{"text": text, "bytes": list(text.encode())} for text in texts]
    assert page.evaluate(spell, tokens) == list(texts.values())
    assert page.evaluate(spell, [{"text": "\ufffd", "bytes": [0x20, 0xF0, 0x9F]}]) == ["‹20 f0 9f›"]


def test_of_a_long_text_what_is_chosen_can_be_seen(page: Page) -> None:
    page.set_viewport_size({"width": 700, "height": 800})
    page.goto("/inside")
    look(page, "in the License " * 12)
    last = page.locator("#strip .token").count() - 1
    inside_of = """(element, box) => {
      const [one, all] = [element.getBoundingClientRect(), document.querySelector(box).getBoundingClientRect()];
      return one.left >= all.left - 1 && one.right <= all.right + 1 && one.top >= all.top - 1 && one.bottom <= all.bottom + 1;
    }"""
    for place in (last, 0, last // 2):
        page.locator("#strip .token").nth(place).click()
        expect(page.locator("#lens thead .chosen")).to_have_count(1)
        expect(page.locator("#map .rows .chosen")).to_have_count(1)
        assert page.locator("#map .rows .chosen").evaluate(inside_of, "#map-scroll")
        page.wait_for_function(
            f"() => ({inside_of})(document.querySelector('#lens thead .chosen'), '.lens-box .scroll')"
        )
