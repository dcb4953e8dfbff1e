"""How a run's report fits."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from groundup.report.pages import read_template

HELD_OUT = ", ".join(f"notes {number}.txt" for number in range(40))
TABLES = f"""<main><section><div class="columns">
<table><tbody><tr><th scope="row">documents</th><td>62</td></tr></tbody></table>
<table><tbody><tr><th scope="row">tokenizer</th><td>bpe</td></tr><tr><th scope="row">held out</th><td>{HELD_OUT}</td></tr></tbody></table>
</div></section></main>"""
LINES = """() => [...document.querySelectorAll('th')].map(each => {
  const words = document.createRange();
  words.selectNodeContents(each);
  return words.getClientRects().length;
})"""


@pytest.mark.parametrize("width", [1280, 390])
def test_a_long_list_of_what_is_held_out_breaks_no_word_beside_it(browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(f"<style>{read_template('report.css')}</style>{TABLES}")
    documents, tokenizer, _ = page.evaluate(LINES)
    assert (documents, tokenizer) == (1, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
