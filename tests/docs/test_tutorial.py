"""The tutorial is true: its blocks are what their files hold and print, its links resolve, its commands exist."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.generation.settings import GenerationSettings
from groundup.recipe.bounds import BOUNDS
from groundup.recipe.metrics import read_metric_names
from groundup.recipe.settings import load_recipe
from groundup.serving.settings import ServingSettings
from groundup.text.catalogue import MODELS
from groundup.text.conversations import kind_of_row

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CHAPTERS = sorted((DOCS / "tutorial").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def load_fill_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fill_docs", ROOT / "scripts" / "fill_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


fill_docs = load_fill_docs()


@each_chapter
def test_blocks_are_what_their_files_hold_and_print(chapter: Path) -> None:
    """Runs each code file once; what a chapter claims is asserted at the end of its files."""
    stale = [str(block) for block in fill_docs.find_stale(chapter)]
    assert not stale, "run: python scripts/fill_docs.py"


@each_chapter
def test_no_code_and_no_output_is_typed_by_hand(chapter: Path) -> None:
    text = chapter.read_text(encoding="utf-8")
    fences = [match[1] for match in FENCE.finditer(text)]
    assert set(fences) <= {"python", "toml", "text", "sh"}
    assert sum(kind != "sh" for kind in fences) == len(fill_docs.BLOCK.findall(text))


@each_chapter
def test_a_figure_in_the_prose_was_printed(chapter: Path) -> None:
    """Decimals, percentages and large numbers stand in a block of the same chapter, too."""
    text = chapter.read_text(encoding="utf-8")
    shown = "\n".join(match[2] for match in FENCE.finditer(text))
    prose = FENCE.sub("", text.partition("## Exercises")[0])  # an exercise may ask for anything
    prose = re.sub(r"<!--.*?-->|\]\([^)]*\)|`[^`]*`|§[\d.]+", "", prose)
    figures = re.findall(r"\d[\d,]*\.\d+|\d[\d,.]*(?= ?%)|\d+,\d{3}", re.sub(r"(table|equation) [\d.]+", "", prose))
    assert [figure for figure in figures if figure not in shown] == []


def test_every_code_file_belongs_to_a_chapter() -> None:
    named = {
        name
        for chapter in CHAPTERS
        for name in re.findall(r"code/(\w+\.(?:py|toml)) -->", chapter.read_text(encoding="utf-8"))
    }
    assert {path.name for path in (DOCS / "tutorial" / "code").glob("*.*") if path.suffix in (".py", ".toml")} == named


def test_the_contents_list_every_chapter_in_order() -> None:
    listed = re.findall(
        r"^\d+\. \[.*?\]\(tutorial/(.*?)\)", (DOCS / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert listed == [chapter.name for chapter in CHAPTERS]


@pytest.mark.parametrize("page", [DOCS / "README.md", *CHAPTERS], ids=lambda path: path.stem)
def test_links_resolve(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text(encoding="utf-8")))
    missing = [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()]
    assert links
    assert missing == []


@each_chapter
def test_chapters_have_the_same_order(chapter: Path) -> None:
    text = chapter.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    wanted = ["The idea", "The formula", "The code", "The experiment", "The same with Groundup", "goes wrong"]
    assert len(headings) == 8
    assert all(part in heading for part, heading in zip([*wanted, "Exercises", "Further"], headings, strict=True))
    assert text.startswith(f"# {int(chapter.name[:2])}. ")
    assert text.splitlines()[2].endswith("?**")


@each_chapter
def test_each_part_of_a_chapter_holds_what_it_is_for(chapter: Path) -> None:
    parts = re.split(r"^## ", chapter.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    _, formulas, code, experiment, command, mistakes, exercises, reading = parts
    assert "$$" in formulas
    assert re.search(r"\b(19|20)\d\d\b", formulas), "no formula has a source"
    assert "<!-- source: groundup.textbook." in code
    assert "<!-- output: " in experiment
    assert re.search(r"^groundup \w+", command, re.MULTILINE)
    for part, item in ((mistakes, r"^- \*\*"), (reading, r"^- ")):
        assert len(re.findall(item, part, re.MULTILINE)) >= 3
    assert re.findall(r"^\d\. ", exercises, re.MULTILINE) == ["1. ", "2. ", "3. "]


@pytest.mark.parametrize(
    "work",
    ["Attention Is All You Need", "Language Models are Unsupervised Multitask Learners", "Language Models are Few-Shot Learners",
     "Training Language Models to Follow Instructions with Human Feedback", "huggingface.co/docs/transformers",
     "huggingface.co/docs/datasets", "huggingface.co/docs/tokenizers", "huggingface.co/docs/accelerate",
     "huggingface.co/course", "jalammar.github.io/illustrated-transformer", "openai.com/research"],
)  # fmt: skip
def test_what_every_learner_should_know_of_is_named(work: str) -> None:
    reading = [chapter.read_text(encoding="utf-8").partition("## Further reading")[2] for chapter in CHAPTERS]
    assert any(work in text for text in reading)


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    """Each command of the chapters, in reading order, as (chapter, words)."""
    for chapter in CHAPTERS:
        for language, block in FENCE.findall(chapter.read_text(encoding="utf-8")):
            if language == "sh":
                for line in block.replace("\\\n", " ").splitlines():
                    yield chapter.stem, shlex.split(line, comments=True)


@functools.cache
def whole_command() -> Any:
    """The command with all its parts, which takes a while to put together."""
    return typer.main.get_command(app)


def parse_command(arguments: list[str]) -> dict[str, Any]:
    """The parameters that a `groundup` command line gives its command; raises what a user would be shown."""
    command = whole_command()
    name, *rest = arguments
    command = command.commands[name]
    while hasattr(command, "commands"):  # a group, as `data` and `tokenizer` are
        name, *rest = rest
        command = command.commands[name]
    parameters: dict[str, Any] = command.make_context(name, rest).params
    if arguments[0] in ("train", "labels"):
        load_recipe(parameters["recipe"], parameters["overrides"] or [])
    if arguments[0] == "generate":
        fields = {key: value for key, value in parameters.items() if key in GenerationSettings.__dataclass_fields__}
        GenerationSettings(**{**fields, "stop": tuple(fields["stop"] or ())})
    if arguments[0] == "export":
        assert (parameters["to"], parameters["quantize"] or parameters["dtype"]) in BOUNDS
    if arguments[0] == "serve":
        keys = {override.partition("=")[0] for override in parameters["overrides"] or []}
        assert keys <= {f"serving.{name}" for name in ServingSettings.__dataclass_fields__}
    if arguments[0] == "evaluate":
        read_metric_names(parameters["metrics"])
    return parameters


def test_asking_where_no_server_is_says_what_to_start() -> None:
    asking = DOCS / "tutorial" / "code" / "asking.py"
    told = subprocess.run(
        [sys.executable, asking, "JULIET:", "http://127.0.0.1:9"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert told.stderr.startswith("http://127.0.0.1:9 gives no text (")
    assert "groundup serve runs/first" in told.stderr


def test_the_rows_for_preferences_are_read_as_such() -> None:
    rows = [json.loads(line) for line in fill_docs.run(DOCS / "tutorial" / "code" / "pairs.py").splitlines()]
    assert len(rows) == 120
    for row in rows:
        assert row["chosen"].startswith(row["rejected"].removesuffix("."))
        assert kind_of_row(row) == "preference"


@pytest.fixture
def root_with_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place to run commands from that looks like the repository's root to them, with a `runs` of its own."""
    for name in ("docs", "LICENSE"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("chapter", ["07-tokenization", "08-data"])
def test_commands_on_text_run(chapter: str, root_with_runs: Path) -> None:
    """Those that make something of text, in their order; training is left out."""
    ran = 0
    for where, (program, *arguments) in shell_lines():
        if where == chapter and program == "python":
            script, _, output = arguments
            (root_with_runs / output).write_text(fill_docs.run(ROOT / script), encoding="utf-8")
        elif where == chapter and arguments[0] in ("data", "tokenizer"):
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, (arguments, done.output, done.exception)
            ran += 1
    assert ran == 4


def test_commands_are_accepted_and_use_runs_that_were_trained() -> None:
    runs: set[str] = set()
    for chapter, (program, *arguments) in shell_lines():
        if program == "python":
            assert arguments[0] == "-c" or (ROOT / arguments[0]).is_file(), chapter
            continue
        assert program == "groundup", chapter
        parameters = parse_command(arguments)
        if arguments[0] == "train":
            runs.add(str(parameters["run"]))
        elif "model" in parameters:
            known = runs | set(MODELS)
            assert parameters["model"] in known, f"{chapter}: nothing above trains {parameters['model']}"
    assert len(runs) >= 5


@pytest.mark.parametrize(
    "line",
    ["trian shakespeare", "train shakespear", "train shakespeare model.d_modle=3", "generate runs/x --temprature 1",
     "generate runs/x --top-p 0", "evaluate runs/x --metrics bleu"],
)  # fmt: skip
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r"trian|did you mean|No such option|top_p|bleu"):
        parse_command(shlex.split(line))


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    """A chapter of its own with a block of each kind, all empty, and a figure that is not there yet."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "roots.py").write_text("print('the root of 2 is', round(2**0.5, 3))\n")
    (tmp_path / "code" / "draw.py").write_text("print('<svg/>')\n")
    (tmp_path / "record.txt").write_text("after an hour: 1.414\n")
    path = tmp_path / "chapter.md"
    path.write_text(
        "<!-- file: code/roots.py -->\n```python\n```\n\n<!-- output: code/roots.py -->\n```text\n```\n\n"
        "<!-- source: groundup.textbook.attention:create_causal_mask -->\n```python\n```\n\n"
        "<!-- record: record.txt -->\n```text\n```\n\n"
        "<!-- figure: code/draw.py -->\n![a drawing](drawing.svg)\n"
    )
    return path


def test_stale_blocks_are_found_and_filled(chapter: Path) -> None:
    stale = list(fill_docs.find_stale(chapter))
    assert [block.kind for block in stale] == ["file", "output", "source", "record", "figure"]
    fill_docs.rewrite(chapter, stale)
    text = chapter.read_text()
    assert "```python\nprint('the root of 2 is', round(2**0.5, 3))\n```\n" in text
    assert "```text\nthe root of 2 is 1.414\n```\n" in text
    assert "```text\nafter an hour: 1.414\n```\n" in text
    assert "```python\ndef create_causal_mask(seq_len: int) -> Tensor:\n" in text
    assert (chapter.parent / "drawing.svg").read_text() == "<svg/>\n"
    assert list(fill_docs.find_stale(chapter)) == []

    chapter.write_text(text.replace("2 is 1.414", "2 is 1.514"))
    assert [str(block) for block in fill_docs.find_stale(chapter)] == [
        f"{chapter}: the output of code/roots.py is stale"
    ]


def test_what_a_file_does_to_the_environment_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_READER", "there")
    path = tmp_path / "sets.py"
    path.write_text("import os\nos.environ['OF_A_FILE'] = 'set'\nprint(os.environ.pop('OF_THE_READER'))\n")
    assert fill_docs.run(path) == "there\n"
    assert (os.environ.get("OF_A_FILE"), os.environ["OF_THE_READER"]) == (None, "there")


def test_the_plan_of_chapter_12_does_not_hang_on_what_the_reader_has_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "a file, so that nothing can be read below it"
    cache.touch()
    monkeypatch.setenv("GROUNDUP_CACHE", str(cache))
    printed = fill_docs.run.__wrapped__(DOCS / "tutorial" / "code" / "12_library.py")
    assert "the data is not prepared on this machine" in printed


@pytest.mark.parametrize(
    ("shown", "right", "same"),
    [
        ("loss 0.57", "loss 0.58", True),  # one in the last place
        ("loss 0.57", "loss 0.59", False),
        ("perplexity 15.07", "perplexity 15.30", True),  # within 2 %
        ("perplexity 15.07", "perplexity 15.60", False),
        ("right 84%", "right 87%", True),  # within three points
        ("right 84%", "right 88%", False),
        ("5,750 tokens", "5,750 tokens", True),
        ("10 words", "11 words", False),  # whole numbers are counted, not measured
        ("loss 0.57", "loss 0.570", False),
        ("Mia lent Ben", "Mia lent Eva", False),
        ("a  1.00", "a 1.00", True),  # columns may be set anew
    ],
)
def test_outputs_agree_up_to_rounding(shown: str, right: str, same: bool) -> None:
    assert fill_docs.agree(shown, right) is same
    assert fill_docs.agree(right, shown) is same


@pytest.mark.parametrize(("number", "same"), [("12.50", True), ("12.48", True), ("12.9", False), ("13", False)])
def test_a_drawing_agrees_though_zeros_are_left_out(number: str, same: bool) -> None:
    one, other = (f'<line x1="{x}" y1="0"/>' for x in ("12.5", number))
    assert fill_docs.agree(one, other, drawing=True) is same
    assert fill_docs.agree(other, one, drawing=True) is same
