"""Markdown as the chat page shows it, against markdown-it-py; and hostile text, which is neither markup nor slow."""

from __future__ import annotations

import random
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Page

REFERENCE = MarkdownIt("commonmark", {"breaks": True, "html": False}).enable(["table", "strikethrough"])
SHOW = """async texts => {
  const { showMarkdown } = await import('/pages/markdown.js');
  return texts.map(text => { const made = document.createElement('div'); showMarkdown(made, text); return made.innerHTML; });
}"""
TIMES = """async texts => {
  const { showMarkdown } = await import('/pages/markdown.js');
  return texts.map(text => {
    const start = performance.now();
    showMarkdown(document.createElement('div'), text);
    return performance.now() - start;
  });
}"""
SHOW_HERE = """async text => {
  const { showMarkdown } = await import('/pages/markdown.js');
  showMarkdown(document.getElementById('messages'), text);
}"""

CASES = [
    "Plain text\nof two lines\n\nand another paragraph.",
    "# One\n## Two ##\n###### Six\n####### not seven\n#not one",
    "*a* **b** ***c*** _d_ __e__ ~~f~~ *a **b** c* **a *b* c** snake_case_name 2*3*4 * not *",
    "`code` ``a ` b`` `` ` `` `unclosed",
    "*a `*` b* \\*not\\* \\` line\\\nbreak  \nand another",
    "- a\n- b\n  - c\n    - d\n- e",
    "- a\n\n- b\n\n  more of b\n- c",
    "1. a\n2. b\n   1. c\n3. d",
    "7) a\n8) b\n\ntext",
    "- a\n+ b\n* c",
    "- a\nlazy\n- b\n\n\nafter",
    "text\n- a list interrupts\n1. so does one\n\ntext\n2. but not a two",
    "- ```\n  code\n  ```\n- > quoted\n\n- 1. x",
    "-\n- a\n-",
    "> quoted\n> *more*\n>\n> > deeper\n\nout",
    "> - a\n> - b\n>\n> ```\n> code\n> ```",
    "```python\ndef f():\n    return '<b>'\n\n# not a heading\n```\nafter",
    "~~~\n```\n~~~\n````\n```\n````\n```\nnever closed\n",
    "---\n***\n_ _ _\n- - -\n--",
    "| a | b | c |\n|:--|:-:|--:|\n| 1 | **2** | 3 |\n| `x` | y \\| z |\n\nafter",
    "a | b\n--|--\n1 | 2\n- list",
    "| not | a table |\n| 1 | 2 |",
    "[a](https://a.example/b?c=d&e=f) [b](<https://b.example/x> \"title\") [*c* `d`](https://c.example/(x)) <https://d.example/>",
    "[not a link] [nor] (this) [a](b c) ]( [",
    "[outer [inner](https://a.example/) x](b)",
    "*[a*](https://a.example/) **[b](https://b.example/)**",
    "<b>no markup</b> <script>alert(1)</script> <!-- x --> a < b > c & d",
    "line one\r\nline two\r\n\r\nafter",
]  # fmt: skip


class Normal(HTMLParser):
    """HTML as a line: names of tags, addresses of links, text; without the chat page's own frames around code and tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._ends: list[str] = []
        self._left_out = 0
        self._in_code = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("br", "hr"):
            self.parts.append(f"<{tag}>")
            return
        if self._left_out or given.get("class") == "code-head":
            self._left_out += 1
        tag = f"h{given['data-level']}" if "data-level" in given else tag
        shown = tag not in ("div", "span", "tbody", "thead")
        self._ends.append(tag if shown else "")
        self._in_code += tag == "pre"
        if shown and not self._left_out:
            self.parts.append(f"<{tag} {given.get('href')}>" if tag == "a" else f"<{tag}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        end = self._ends.pop()
        self._in_code -= end == "pre"
        if end and not self._left_out:
            self.parts.append(f"</{end}>")
        if self._left_out:
            self._left_out -= 1

    def handle_data(self, data: str) -> None:
        if not self._left_out:
            self.parts.append(data.rstrip("\n") if self._in_code else data.replace("\n", ""))

    def __str__(self) -> str:
        return "".join(self.parts).strip()


@pytest.fixture(scope="module")
def shown(the_page: Page) -> Page:
    the_page.goto("/")
    return the_page


def test_it_is_what_the_reference_makes(shown: Page) -> None:
    for text, html in zip(CASES, shown.evaluate(SHOW, CASES), strict=True):
        assert str(Normal(html)) == str(Normal(REFERENCE.render(text))), text


def test_emphasis_is_commonmarks_whatever_the_marks(shown: Page) -> None:
    """Many short rows of marks, letters, spaces and signs."""
    draw = random.Random(0)
    texts = ["x" + "".join(draw.choices("**__*_ab .`~", k=draw.randint(2, 14))) for _ in range(1500)]
    texts = [text for text in texts if "~" not in text or "~~~" not in text]
    for text, html in zip(texts, shown.evaluate(SHOW, texts), strict=True):
        expected = str(Normal(REFERENCE.render(text)))
        assert str(Normal(html)) == expected, text


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://a.example/x_y_z. And (https://b.example/(c)), ok", ["https://a.example/x_y_z", "https://b.example/(c)"]),
        ("[https://a.example](https://a.example) nothttps://b.example", ["https://a.example/"]),
        ("<mailto:a@b.example>", ["mailto:a@b.example"]),
        ("[x](javascript:alert(1)) [x](JaVaScRiPt:alert(1)) [x](data:text/html,x) [x](//evil.example) [x](file:///etc)", []),
        ("[x](java\tscript:alert(1)) [x](\x01javascript:alert(1)) <javascript:alert(1)> [x](vbscript:x)", []),
        ("![an image](https://a.example/x.png)", ["https://a.example/x.png"]),
    ],
)  # fmt: skip
def test_links_lead_to_the_web_only_and_tell_it_nothing(shown: Page, text: str, links: list[str]) -> None:
    shown.evaluate(SHOW_HERE, text)
    made = shown.locator("#messages a")
    assert [each.get_attribute("href") for each in made.all()] == links
    assert {each.get_attribute("rel") for each in made.all()} <= {"noopener noreferrer nofollow"}
    assert shown.locator("#messages img, #messages script").count() == 0


def test_hostile_text_is_neither_slow_nor_deep(shown: Page) -> None:
    """20 kB each of what makes careless readers take forever."""
    size = 20_000
    pieces = [
        "*",
        "_",
        "~~",
        "`",
        "[",
        "]",
        "![",
        "](",
        "[a](",
        "*a _b ",
        "**a*",
        "a**b",
        "*a_",
        "> ",
        "- ",
        "1. ",
        "|",
        "|-",
    ]
    pieces += [
        "\\",
        "<",
        "#",
        "```\n",
        "| a |\n|---|\n",
        "  - a\n",
        "https://a",
        "h",
        '[a](b "',
        "<https://",
        "*a*",
        "`a",
    ]
    pieces += ["\n", "&lt;", "a\n> "]
    texts = [piece * (size // len(piece)) for piece in pieces]
    texts += [
        "*" * 5000 + "a" + "*" * 5000,
        "".join(f"{'`' * n} " for n in range(300)),
        "*a **b " * 3000 + "** *" * 3000,
    ]
    texts += ["\n".join("  " * depth + "- a" for depth in range(300)), ">" * 3000 + "a"]
    times = shown.evaluate(TIMES, texts)
    slow = {text[:20]: time for text, time in zip(texts, times, strict=True) if time > 1500}
    assert slow == {}


def test_blocks_that_stay_are_not_made_anew(shown: Page) -> None:
    """So a selection, or a focused button, outlives what comes after it."""
    same = shown.evaluate("""async () => {
      const { showMarkdown } = await import('/pages/markdown.js');
      const made = document.createElement('div');
      showMarkdown(made, '```\\ncode\\n```\\n\\nfirst');
      const before = [...made.children];
      showMarkdown(made, '```\\ncode\\n```\\n\\nfirst and more\\n\\nsecond');
      return [made.children.length, made.children[0] === before[0], made.children[1] === before[1]];
    }""")
    assert same == [3, True, False]
