"""`groundup labels`: what it prints, with and without colour, and what it leaves as a page."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from groundup.cli.labels import _tokens, labels
from groundup.errors import DataError

HOSTILE = "</div><script>alert(1)</script> [red]no[/red] <|endoftext|> \x1b[31m\u202e\x07 {{ 7*7 }}"


@pytest.fixture
def recipe(tmp_path: Path, tiny_base: Path) -> Path:
    rows = [{"prompt": f"{n} {HOSTILE}", "completion": f"Yes, {n}"} for n in range(8)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    base = tmp_path / "base"  # of which nothing is read but the context and the tokenizer
    base.mkdir()
    (base / "config.json").write_text(
        json.dumps({**json.loads((tiny_base / "config.json").read_text()), "n_positions": 400})
    )
    for file in tiny_base.glob("tokenizer*"):
        shutil.copy(file, base)
    path = tmp_path / "tune.toml"
    path.write_text(
        f'[data]\nsource = "{tmp_path / "rows.jsonl"}"\n[model]\nbase = "{base}"\nmax_seq_len = 400\n'
        '[training]\nobjective = "instruction"\nbatch_size = 2\n',
        encoding="utf-8",
    )
    return path


class Page(HTMLParser):
    """What a page's tags are, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_is_printed_shows_what_carries_loss_and_nothing_unseen(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels(str(recipe), rows=1)
    shown = capsys.readouterr().out
    assert "example 1 of " in shown
    learned = shown.partition("### Response:↵\n")[2].partition("\n")[0]
    assert learned.replace("›‹", "").startswith("‹Yes, ")
    assert learned.endswith("‹<|endoftext|>›")
    assert "[red]no[/red] <|endoftext|> ⟨U+001B⟩[31m⟨U+202E⟩⟨U+0007⟩" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    for words in ("carry loss", "teach nothing", "template  ", "alpaca", "padding", "128 to 255"):
        assert words in shown


def test_colours_say_it_too() -> None:
    tokens = [(5, "<|user|>", False, True), (6, "ask", False, False), (7, "say\n", True, False), (8, "<e>", True, True)]
    console = Console(force_terminal=True, color_system="standard", no_color=False, width=80)
    with console.capture() as captured:
        console.print(_tokens(tokens))
    green, cyan = "\x1b[1;4;32m", "\x1b[1;4;36m"
    assert f"\x1b[36m<|user|>\x1b[0m\x1b[2mask\x1b[0m‹{green}say↵\x1b[0m›\n‹{cyan}<e>\x1b[0m›" in captured.get()
    long = _tokens([(number, f"{number},", True, False) for number in range(1000)]).plain
    assert "‹179,›\n… 760 more tokens …\n‹940,›" in long


def test_the_page_is_whole_offline_and_shows_the_same(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels(str(recipe), rows=3, output=tmp_path / "labels.html")
    assert f"page  {tmp_path / 'labels.html'}" in capsys.readouterr().out
    content = (tmp_path / "labels.html").read_text(encoding="utf-8")
    page = Page(content)
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "a"} & set(names)
    assert "default-src 'none'" in str(page.tags)
    assert "http" not in content.replace("http-equiv", "")
    learned = [attributes for tag, attributes in page.tags if tag == "b" and "title" in attributes]
    read = [attributes for tag, attributes in page.tags if tag == "span" and "title" in attributes]
    assert all("carries loss" in str(attributes["title"]) for attributes in learned)
    assert all("read only" in str(attributes["title"]) for attributes in read)
    assert sum(attributes.get("class") == "special" for attributes in learned) == 3
    assert not any(attributes.get("class") == "special" for attributes in read)
    assert "<script>alert(1)</script> [red]no[/red] <|endoftext|> ⟨U+001B⟩[31m⟨U+202E⟩⟨U+0007⟩ {{ 7*7 }}" in page.text


def test_json_and_the_error_of_what_training_would_refuse(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels(str(recipe), as_json=True)
    assert json.loads(capsys.readouterr().out)["read"] == 8
    page = tmp_path / "labels.html"
    with pytest.raises(DataError, match=r"fewer than training\.batch_size = 100"):
        labels(str(recipe), ["training.batch_size=100"], output=page)
    assert "example 1 of " in capsys.readouterr().out
    assert "Training would refuse this: the training examples make" in Page(page.read_text(encoding="utf-8")).text
