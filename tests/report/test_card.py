"""The model card: the Hub's own reader takes it, every figure is the run's, and no text in it breaks the Markdown."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from huggingface_hub import EvalResult, ModelCard, metadata_load
from huggingface_hub.repocard_data import eval_results_to_model_index
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from groundup.errors import MachineError, RunError
from groundup.evaluation.audit_result import AuditResult
from groundup.evaluation.intervals import Interval
from groundup.report.card import write_card
from groundup.report.evidence import copy_evidence
from groundup.report.pages import code, duration, escaped, fenced, figure, size
from groundup.report.values import clean
from groundup.report.yaml_text import yaml_lines
from groundup.run.directory import RunDirectory
from groundup.run.measurements import write_measurement

WriteRun = Callable[..., Path]


def card(run: Path) -> str:
    (run / "model").mkdir(exist_ok=True)
    path = write_card(run, run / "model")
    assert path == run / "model" / "README.md"
    text, _, mark = path.read_text(encoding="utf-8").rpartition("\n<!-- written by groundup card")
    assert mark
    return text


def body_of(text: str) -> str:
    return text.split("\n---\n", 1)[1]


def markdown(text: str) -> list[Token]:
    """All tokens of a GitHub-like reader, those inside paragraphs and table cells too."""
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(text)
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def fences(text: str, info: str) -> list[str]:
    return [token.content for token in markdown(text) if token.type == "fence" and token.info == info]


def test_the_hub_reads_the_metadata(write_run: WriteRun) -> None:
    run = write_run("bard")
    card(run)
    loaded = metadata_load(run / "model" / "README.md")
    assert loaded is not None
    index = loaded.pop("model-index")
    assert loaded == {
        "license": "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["groundup", "qwen3"],
    }
    data = ModelCard.load(run / "model" / "README.md").data
    assert data.model_name == "bard"
    assert data.eval_results is not None
    assert all(isinstance(result, EvalResult) for result in data.eval_results)
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        "loss": 1.5312,
        "perplexity": 4.6237,
        "bits_per_byte": 2.2087,
    }
    first = data.eval_results[0]
    assert (first.task_type, first.dataset_name, first.dataset_split) == (
        "text-generation",
        "shakespeare",
        "validation",
    )
    assert first.dataset_args == {"tokens": 479000, "bytes": 479100, "window": 256}
    assert eval_results_to_model_index("bard", data.eval_results) == index


def test_figures_data_and_fingerprints_are_those_of_the_run(write_run: WriteRun) -> None:
    run = write_run()
    text = card(run)
    data = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["data"]
    for expected in (
        "815,360 parameters in the qwen3 layout: 4 layers, 4 heads, `d_model` 128, `d_ff` 352, a context of 256 tokens",
        "| Validation loss | 1.531 |",
        "| Perplexity | 4.624 |",
        "| Bits per byte | 2.209 |",
        "| Tokens scored | 479,000 |",
        "| Bytes scored | 479,100 |",
        "| Window | 256 |",
        "has a loss of 4.466.",  # ln 87
        "| MIT; the text is in the public domain | 38 | 4,790,123 |",
        f"`{data['sources'][0]['sha256']}`",
        "| tokens | 4,310,034 | 479,004 |",
        "400 optimizer steps, 819,200 training tokens, 1 min 8 s. Optimizer muon, learning rate 0.003, batch size 8.",
        "It ended because it had taken all its steps.",
        "| torch | 2.13.0 |",
        "| step-000400 |",
    ):
        assert expected in text, expected
    assert (run / "recipe.toml").read_text(encoding="utf-8") in fences(text, "toml")


def test_what_was_not_measured_is_said(write_run: WriteRun) -> None:
    text = card(write_run())
    for subject in ("bias and toxicity", "memorization", "the truth of what it writes"):
        assert f"Not measured: {subject}" in text
    assert "It is a small model (815,360 parameters)" in text
    assert "The weights have no stated license" in text
    assert "language:" not in text


def test_a_stock_family_shows_transformers_code_that_parses(write_run: WriteRun) -> None:
    text = card(write_run(prompt='Say "no"\nor `yes`'))
    snippet = fences(text, "python")[0]
    calls = [
        node for node in ast.walk(ast.parse(snippet)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    prompts = [ast.literal_eval(call.args[0]) for call in calls if call.func.id == "tokenizer"]  # type: ignore[attr-defined]
    assert prompts == ['Say "no"']
    command = shlex.split(fences(text, "sh")[0])
    assert command == ["groundup", "generate", ".", "--prompt", 'Say "no"', "--temperature", "0.8"]


def test_the_classic_layout_says_that_no_stock_class_opens_it(write_run: WriteRun) -> None:
    run = write_run(family="classic")
    text = card(run)
    assert "**No stock transformers class opens this model**" in text
    assert not fences(text, "python")
    assert fences(text, "sh")
    metadata = metadata_load(run / "model" / "README.md")
    assert metadata is not None
    assert metadata["library_name"] == "groundup"


def test_a_run_under_way_says_so(write_run: WriteRun) -> None:
    run = write_run(steps=200, finished=False)
    text = card(run)
    assert "**This run has not finished.** What stands here is what it had reached at step 200." in text
    assert "held out from training, during training, with the checkpoint of step 200" in text
    assert "| Tokens scored | 50,000 |" in text
    assert "Window" not in text


def test_a_run_without_any_measurement_claims_none(write_run: WriteRun) -> None:
    run = write_run(finished=False)
    for name in ("metrics.jsonl", "events.jsonl", "samples.jsonl", "recipe.toml"):
        (run / name).unlink()
    text = card(run)
    assert "No validation loss has been measured." in text
    assert "No sample has been written." in text
    metadata = metadata_load(run / "model" / "README.md")
    assert metadata is not None
    assert "model-index" not in metadata
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    assert "A decoder-only transformer. Trained with Groundup." in card(run)


def test_figures_that_are_not_finite_are_left_out(write_run: WriteRun) -> None:
    run = write_run()
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    result["validation"]["perplexity"] = float("inf")
    (run / "result.json").write_text(json.dumps(result), encoding="utf-8")
    text = card(run)
    assert "| Perplexity | – |" in text
    metadata = metadata_load(run / "model" / "README.md")
    assert metadata is not None
    assert [metric["type"] for metric in metadata["model-index"][0]["results"][0]["metrics"]] == [
        "loss",
        "bits_per_byte",
    ]


HOSTILE = "# Ha\n```\n---\n| a | [x](javascript:1) <script>alert(1)</script> ![i](http://e) `b` ~~~\n\n- *c* \\| {{ 7*7 }}\u2028\x1b"


def test_no_text_of_a_run_breaks_the_markdown(write_run: WriteRun) -> None:
    tame, wild = write_run("tame"), write_run(re.sub("[/\n]", " ", HOSTILE))
    for run, said in ((tame, "words"), (wild, HOSTILE)):
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        manifest["data"]["sources"] = [dict.fromkeys(("name", "origin", "license", "sha256"), said)]
        manifest["data"]["validation_documents"] = [said]
        manifest["data"]["repairs"] = {said: 1}
        manifest["model"]["family"] = said
        manifest["model"]["parameters"] = {said: 5, "total": 5}
        manifest["machine"] = manifest["libraries"] = manifest["checkpoints"] = {said: said}
        manifest["hashes"] = {"recipe": said}
        (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        result.update(sample=said, sample_prompt=said)
        (run / "result.json").write_text(json.dumps(result), encoding="utf-8")
        (run / "recipe.toml").write_text(f"x = '''{said.replace(chr(27), '')}'''\n", encoding="utf-8")
    text = card(wild)

    def shape(page: str) -> list[str]:
        return [
            token.type for token in markdown(body_of(page)) if token.type not in ("text", "softbreak", "text_special")
        ]

    assert shape(text) == shape(card(tame))
    assert "html_inline" not in shape(text)
    assert "html_block" not in shape(text)
    assert fences(body_of(text), "text") == [clean(HOSTILE + HOSTILE) + "\n"]
    metadata = metadata_load(wild / "model" / "README.md")
    assert metadata is not None
    assert metadata["tags"] == ["groundup", clean(HOSTILE)]


plain_text = st.text().map(clean)
scalars = st.one_of(
    plain_text, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
keys = st.sampled_from(["name", "args", "model-index", "library_name"])
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner), max_leaves=6)


@example(
    {"name": ["a \u2028 b\u2029c\ufeff: 'd' \"e\"\n- f", "yes", "1e3", " # g", ""], "args": {"x": [[], {}, [1], [[2]]]}}
)
@example({"name": [1e-05, 1e22, -3e-300, 0.1, -0.0, 10**30, True, None]})
@settings(max_examples=50)
@given(st.dictionaries(keys, trees, min_size=1))
def test_yaml_reads_back_what_was_written(value: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_lines(value)) == value


def test_yaml_takes_containers_only() -> None:
    with pytest.raises(TypeError, match="neither a mapping nor a list"):
        yaml_lines("text")


@given(plain_text)
def test_any_text_is_shown_literally(text: str) -> None:
    tokens = markdown(f"| {escaped(text)} | {code(text)} |\n|---|---|\n")
    kinds = {token.type for token in tokens if not re.match("t(able|head|r|h)_", token.type)}
    assert kinds <= {"inline", "text", "text_special", "code_inline"}
    block = fenced(text)
    whole = [token for token in markdown(block) if token.type == "fence"]
    assert [token.content for token in whole] == [text if text.endswith("\n") else text + "\n"]
    line = [token for token in markdown(f"- {escaped(text)}") if token.type in ("text", "text_special")]
    if text.split():
        assert "".join(token.content for token in line) == " ".join(text.split())


def test_figures_for_people() -> None:
    assert [figure(value) for value in (None, 0.0, 1.53, 0.00021, 2.5e-7, 41000.4, 3e13)] == [
        *("–", "0.000", "1.530", "0.0002100", "2.500e-07", "41,000", "3.000e+13")
    ]
    assert [figure(value, 2) for value in (0.254, 5.12, 99.4, 99.6, 131.4, 999.6)] == [
        *("0.25", "5.1", "99", "100", "131", "1,000")
    ]
    assert [duration(seconds) for seconds in (None, 0, 59.94, 59.97, 171.2, 3599.7, 84960, 187200)] == [
        *("–", "0.0 s", "59.9 s", "1 min 0 s", "2 min 51 s", "1 h 0 min", "23 h 36 min", "2 d 4 h")
    ]
    assert [size(number) for number in (None, 1, 812, 999_600, 4790123, 8e9)] == [
        "–",
        "1 byte",
        "812 bytes",
        "1,000 kB",
        "4.79 MB",
        "8.00 GB",
    ]


def test_a_card_needs_a_run_and_a_directory(write_run: WriteRun, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run"):
        write_card(tmp_path, tmp_path)
    with pytest.raises(
        MachineError,
        match=r"README\.md cannot be written .*: free some room or allow writing there, then give the same command again",
    ):
        write_card(write_run(), tmp_path / "nowhere")


def test_what_was_measured_stands_there_with_its_interval_and_its_file(write_run: WriteRun) -> None:
    run = write_run()
    (run / "model").mkdir()
    result = AuditResult({"auc": Interval(0.5512, 0.5, 0.62, 90)}, "What *other* attacks find.")
    directory = RunDirectory(run)
    write_measurement(directory, "audits", "membership", result.as_plain())
    write_measurement(directory, "evaluations", "validation", {"by": {"a|b": {"loss": 2.0}}, "curve": [1, 2]})
    write_measurement(directory, "audits", "toxicity", AuditResult({"share": 0.25}, "Much.", {"by": [{}]}).as_plain())
    (run / "audits" / "bias.json").write_text("{}")
    text = card(run)
    assert "| auc | 0.5512 (0.5000 to 0.6200), n = 90 |" in text
    assert "[evidence/audits/membership.json](evidence/audits/membership.json)" in text
    assert r"What it cannot say: What \*other\* attacks find." in text
    assert r"| by: a\|b: loss | 2.000 |" in text
    assert "Left out: " in text  # the damaged one
    assert "| share | 0.2500 |" in text
    assert "What it cannot say: Much." in text
    assert "Not measured: bias of what it writes" in text
    assert "Not measured: memorization" not in text
    assert "downstream task or text but those in the section on evaluation." in text
    copy_evidence(run, run / "model")
    links = re.findall(r"\]\((evidence/[^)]*)\)", text)
    assert len(links) >= 5
    assert all((run / "model" / link).is_file() for link in links)


def test_every_section_with_figures_names_the_file_that_they_come_from(write_run: WriteRun) -> None:
    run = write_run()
    sections = dict(part.split("\n", 1) for part in card(run).split("\n## ")[1:])
    of_figures = ("Figures", "What it writes", "What it was trained on", "How it was trained", "What it took")
    for name in (*of_figures, "Machine and software", "Fingerprints"):
        assert "](evidence/" in sections[name], name


def test_what_was_measured_of_other_weights_is_left_out(write_run: WriteRun) -> None:
    run = write_run()
    (run / "model").mkdir()
    (run / "model" / "model.safetensors").write_text("weights")
    write_measurement(RunDirectory(run), "audits", "membership", {"auc": 0.5})
    assert "| auc | 0.5000 |" in card(run)
    (run / "model" / "model.safetensors").write_text("others")
    text = card(run)
    assert "| auc |" not in text
    assert "membership.json is of other weights than those that are in" in text
    assert "Not measured: memorization" in text


def test_a_card_that_was_edited_is_kept(write_run: WriteRun) -> None:
    run = write_run()
    card(run)
    first = (run / "model" / "README.md").read_text(encoding="utf-8")
    card(run)
    assert [path.name for path in (run / "model").glob("README*")] == ["README.md"]
    for name in ("README.edited.md", "README.edited-2.md"):
        (run / "model" / "README.md").write_text(first + name, encoding="utf-8")
        card(run)
        assert (run / "model" / name).read_text(encoding="utf-8") == first + name


def test_energy_is_measured_or_called_an_estimate(write_run: WriteRun) -> None:
    run = write_run()
    assert re.search(r"\| energy \| about [0-9.]+ Wh. That is an \*\*estimate\*\*", card(run))
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    (run / "result.json").write_text(json.dumps(result | {"joules": 7200.0}), encoding="utf-8")
    assert "| energy | 2.00 Wh, from the machine's own counters" in card(run)


@pytest.mark.parametrize(
    ("counted", "device", "told"),
    [
        ("processors", "cpu", "2.00 Wh, from"),
        ("processors and card", "cuda", "2.00 Wh, from"),
        ("card", "cuda", "2.00 Wh **of the graphics card alone** (the processors' counter could not be read"),
        ("processors", "cuda", "2.00 Wh **of the processors alone** (the graphics card's counter could not be read"),
    ],
)
def test_energy_of_a_part_of_the_machine_is_called_that(
    write_run: WriteRun, counted: str, device: str, told: str
) -> None:
    run = write_run()
    for name, changed in (("result.json", {"joules": 7200.0, "joules_of": counted}), ("manifest.json", {})):
        written = json.loads((run / name).read_text(encoding="utf-8")) | changed
        if name == "manifest.json":
            written["machine"]["device"] = device
        (run / name).write_text(json.dumps(written), encoding="utf-8")
    assert f"| energy | {told}" in card(run)


def test_what_privacy_was_promised_and_what_is_outside_of_it_is_said(write_run: WriteRun) -> None:
    run = write_run()
    assert "differential privacy" not in card(run)
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    spent = {"unit": "document", "delta": 1e-5, "epsilon": {"prv": 7.912, "rdp": None}, "ledger": []}
    (run / "result.json").write_text(json.dumps(result | {"privacy": spent}), encoding="utf-8")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["privacy"] = {"outside": ["the tokenizer, if it *learned* from these"]}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    text = card(run)
    assert "ε = 7.92 by PRV and ε = infinite by RDP, at δ = 1e-05, for each document" in text
    assert r"- the tokenizer, if it \*learned\* from these" in text
