"""Exports with their certificates: what is in one, and that nothing outside a bound is written."""

from __future__ import annotations

import importlib.util
import json
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.model.test_gguf_file import network
from transformers import AutoModelForCausalLM, AutoTokenizer

import groundup as gu
from groundup.cli.main import main
from groundup.errors import ExportError, MissingExtraError, ModelError, SettingError
from groundup.exports.quantize import Quantize
from groundup.language_model import LanguageModel
from groundup.model.directory import save_model
from groundup.recipe import bounds
from groundup.recipe.bounds import BOUNDS, SAME_NUMBERS, Bound
from groundup.recipe.certificate import Difference, check, check_ids, compare, make_texts
from groundup.recipe.export import export
from groundup.recipe.ways import Reading
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.character import train_character_tokenizer

LICENSE = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
DOCS = Path(__file__).parents[2] / "docs" / "exports.md"


@pytest.fixture(scope="module")
def language_model() -> LanguageModel:
    """Byte pairs and a small context, so that the texts are cut to it."""
    tokenizer = train_byte_pair_tokenizer([LICENSE], 300)
    return LanguageModel(network("qwen3", vocab_size=300), tokenizer)


@pytest.fixture
def disk_of() -> Callable[[int], AbstractContextManager[None]]:
    """No file of this process may grow beyond so many bytes: as on a full disk, the write that would is refused."""

    @contextmanager
    def limited(num_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handled)

    return limited


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundup.recipe.certificate.MOST_NUMBERS", 2048)  # 16 places a text
    monkeypatch.setattr("groundup.recipe.certificate.SCORED_TOKENS", 96)
    monkeypatch.setattr("groundup.recipe.ways.TIMED_TOKENS", 4)


def test_a_gguf_file_and_its_certificate(language_model: LanguageModel, tmp_path: Path) -> None:
    certificate = export(language_model, "gguf", tmp_path / "made")
    assert json.loads((tmp_path / "made" / "parity.json").read_text()) == certificate
    assert sorted(file.name for file in (tmp_path / "made").iterdir()) == ["model.gguf", "parity.json"]
    names = [row["way"] for row in certificate["ways"]]
    assert names == ["training graph", "cached engine", "batched engine", "groundup, the file", "llama.cpp"]
    assert [text["name"] for text in certificate["texts"]] == [
        "own writing",
        "English",
        "other scripts",
        "whole context",
    ]
    assert certificate["texts"][-1]["tokens"] == language_model.model.config.max_seq_len + 1
    assert certificate["bytes"] == (tmp_path / "made" / "model.gguf").stat().st_size
    assert certificate["same_ids"] == ["groundup", "llama.cpp"]
    _, cached, batched, again, llama_cpp = certificate["ways"]
    assert max(cached["max_error"], batched["max_error"]) < 1e-4
    assert again["max_error"] < 1e-5
    assert 0 < llama_cpp["max_error"] < 1e-3  # another program, which sums in another order
    assert all(row["tokens_per_second"] > 0 for row in (cached, batched, llama_cpp))
    assert [file.name for file in tmp_path.iterdir()] == ["made"]  # no temporary folder


def test_a_hugging_face_directory_in_half_precision(language_model: LanguageModel, tmp_path: Path) -> None:
    language_model.tokenizer.save(tmp_path)
    certificate = gu.export(language_model, "hf", tmp_path / "made", dtype="bfloat16")
    assert {tensor.dtype for tensor in load_file(tmp_path / "made" / "model.safetensors").values()} == {torch.bfloat16}
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "made")
    assert theirs.dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(tmp_path / "made")("a License").input_ids == language_model.tokenizer.encode(
        "a License"
    )
    ours, transformers = certificate["ways"][-2:]
    assert transformers["way"] == "transformers"
    assert transformers["max_error"] == pytest.approx(ours["max_error"], abs=1e-3)  # both have the same rounded weights


def test_a_network_without_a_stock_class_is_not_compared_with_one(tmp_path: Path) -> None:
    tokenizer = train_character_tokenizer([LICENSE], byte_fallback=False)
    model = LanguageModel(network("classic", vocab_size=tokenizer.vocab_size), tokenizer)
    certificate = export(model, "hf", tmp_path / "made")
    assert certificate["not_compared"] == {"transformers": "no stock class has this layout"}
    with pytest.raises(ModelError, match=r"model.preset = 'classic' can't be written as GGUF"):
        export(model, "gguf", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("quantize", ["", "int8"])
def test_an_onnx_graph_in_onnx_runtime(language_model: LanguageModel, tmp_path: Path, quantize: Quantize) -> None:
    certificate = export(language_model, "onnx", tmp_path / "made", quantize=quantize)
    assert {"model.onnx", "parity.json", "tokenizer.json"} < {file.name for file in (tmp_path / "made").iterdir()}
    portable, in_engine = certificate["ways"][-2:]
    assert (portable["way"], in_engine["way"]) == ("ONNX Runtime", "ONNX Runtime in our engine")
    for row in (portable, in_engine):
        assert row["tokens_per_second"] > 0
        assert row["max_error"] < 1e-4 if not quantize else 1e-3 < row["max_error"] < 1.0


def test_what_is_outside_its_bound_is_not_written(
    language_model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the command line says it: one sentence, and exit status 1."""
    save_model(language_model.model, tmp_path / "model", end_id=language_model.tokenizer.end_id)
    language_model.tokenizer.save(tmp_path / "model")
    (tmp_path / "here").mkdir()
    monkeypatch.setitem(BOUNDS, ("gguf", "int4"), Bound(float("inf"), 1e-9, 1.0))
    given = f"groundup export {tmp_path}/model --to gguf --quantize int4 --output {tmp_path}/here"
    monkeypatch.setattr("sys.argv", given.split())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"groundup: the mean KL divergence in groundup, the file is .*, but at most 1e-09 is allowed", said)
    assert list((tmp_path / "here").iterdir()) == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["here", "model"]


def test_a_table_on_the_terminal(
    language_model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(language_model.model, tmp_path / "model", end_id=language_model.tokenizer.end_id)
    language_model.tokenizer.save(tmp_path / "model")
    given = f"groundup export {tmp_path}/model --to gguf --dtype float16 --output {tmp_path}/made"
    monkeypatch.setattr("sys.argv", given.split())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("max error", "same choice", "batched engine", "llama.cpp", "parity.json"))
    assert json.loads((tmp_path / "made" / "parity.json").read_text())["model"]["name"] == tmp_path.name


def test_a_context_that_is_shorter_than_what_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundup.recipe.ways.TIMED_TOKENS", 32)
    tokenizer = train_character_tokenizer([LICENSE], byte_fallback=True)
    model = LanguageModel(network("gpt2", vocab_size=tokenizer.vocab_size, max_seq_len=12), tokenizer)
    for to in ("hf", "gguf"):
        rows = export(model, to, tmp_path / to)["ways"]
        assert rows[-1]["way"] in ("transformers", "llama.cpp")
        assert rows[-1]["tokens_per_second"] > 0


def test_nothing_is_overwritten(language_model: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for output in (tmp_path, tmp_path / "file"):
        with pytest.raises(
            ExportError, match=r"is there already, and nothing is overwritten: name a new folder, or an"
        ):
            export(language_model, "gguf", output)
    assert (tmp_path / "file").read_text() == "kept"


def test_two_exports_into_one_folder_do_not_mix(language_model: LanguageModel, tmp_path: Path) -> None:
    """The second one starts while the first is writing; what a killed one left is in nobody's way."""
    (tmp_path / ".made.tmp").mkdir()
    (tmp_path / ".made.tmp" / "left.bin").write_bytes(b"half")

    def again(line: str) -> None:
        with pytest.raises(ExportError, match=r"made is being written by another export: wait for it, or name another"):
            export(language_model, "hf", tmp_path / "made")

    export(language_model, "hf", tmp_path / "made", say=again)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert not (tmp_path / "made" / "left.bin").exists()


@pytest.mark.parametrize("to", ["hf", "onnx", "gguf"])
def test_a_disk_that_is_full_is_told_in_a_sentence(
    to: str, language_model: LanguageModel, tmp_path: Path, disk_of: Callable[[int], AbstractContextManager[None]]
) -> None:
    with (
        disk_of(20_000),
        pytest.raises(ExportError, match=r"made can't be written \(.*free some room, or name a folder"),
    ):
        export(language_model, to, tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cant_be_made_is_told_in_a_sentence(language_model: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ExportError, match=r"made can't be written \(Not a directory\)"):
        export(language_model, "hf", tmp_path / "file" / "made")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"to": "pickle"}, r"export.to = 'pickle': use gguf, hf, onnx"),
        ({"to": "hf", "quantize": "int8"}, r"export.quantize = 'int8': hf has none: leave it out"),
        ({"to": "onnx", "quantize": "int2"}, r"export.quantize = 'int2': onnx has int8 and int4"),
        ({"to": "gguf", "dtype": "bfloat16"}, r"export.dtype = 'bfloat16': gguf has float32 and float16"),
        ({"to": "gguf", "dtype": "float16", "quantize": "int8"}, r"export.dtype = 'float16': leave it out: .*'int8'"),
        ({"to": "gguf", "dtype": "int8"}, r"export.dtype = 'int8': gguf has float32 and float16"),
    ],
)
def test_forms_that_there_are_not(
    fields: dict[str, str], message: str, language_model: LanguageModel, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=message):
        export(language_model, output=tmp_path / "made", **fields)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_the_figures_against_a_case_worked_by_hand() -> None:
    """Two places, two tokens: p = (½, ½) and (¾, ¼), against q = (½, ½) and (½, ½); the text for the perplexity is token 0, then 1."""
    ours = torch.tensor([[0.5, 0.5], [0.75, 0.25]]).log()
    theirs = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    found = compare([Reading([7, 0, 1], 1, theirs)], [ours], theirs[[0, 1], [0, 1]], ours[[0, 1], [0, 1]])
    log = torch.tensor([0.75 / 0.5, 0.5 / 0.25]).log()
    assert found.max_error == pytest.approx(float(log[1]))
    assert found.mean_error == pytest.approx(float(log.sum()) / 4)
    assert found.kl == pytest.approx(float(0.75 * log[0] - 0.25 * log[1]) / 2)
    assert found.perplexity == pytest.approx((0.5 * 0.25) ** -0.5)
    assert found.perplexity_change == pytest.approx((0.5 * 0.5) ** -0.5 / (0.5 * 0.25) ** -0.5 - 1)
    assert found.greedy_agreement == 1.0  # of equals the first counts


def test_what_is_read_fills_the_context_and_a_perplexity_takes_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundup.recipe.certificate.SCORED_TOKENS", 1024)
    tokenizer = train_character_tokenizer(["abc"], byte_fallback=False)
    shape = {"num_layers": 1, "d_model": 8, "num_heads": 1, "vocab_size": tokenizer.vocab_size}
    texts, rows = make_texts(LanguageModel(network("qwen3", max_seq_len=8192, **shape), tokenizer))
    assert len(texts[-1].ids) == 8193
    assert [len(row) for row in rows] == [128] * 8
    assert {row[0] for row in rows} == {tokenizer.end_id}
    assert len({tuple(row) for row in rows}) == 8


def test_what_is_not_a_number_is_outside_every_bound() -> None:
    figures = {"mean_error": 0.0, "greedy_agreement": 1.0, "perplexity": 1.0, "perplexity_change": 0.0}
    check("it", Difference(max_error=0.0, kl=0.0, **figures), SAME_NUMBERS)
    for wrong in (float("nan"), float("inf"), 0.1):
        with pytest.raises(ExportError, match=r"the largest error of a log-probability in it is .*docs/exports.md"):
            check("it", Difference(max_error=wrong, kl=0.0, **figures), SAME_NUMBERS)
        with pytest.raises(ExportError, match="the mean KL divergence in it is"):
            check("it", Difference(max_error=0.0, kl=wrong, **figures), SAME_NUMBERS)


def test_other_ids_are_named() -> None:
    with pytest.raises(
        ExportError, match=r"llama.cpp makes other tokens of 'The ship .* from the 2\. on \(\[9, 3\] for \[2, 3\]\)"
    ):
        check_ids("llama.cpp", lambda text: [1, 9, 3], lambda text: [1, 2, 3])


def bound_rows() -> Iterator[str]:
    for (form, number_format), bound in BOUNDS.items():
        limits = [bound.max_error, bound.kl, bound.perplexity]
        shown = " | ".join("–" if limit == bounds.NO_BOUND else f"{limit:g}" for limit in limits)
        yield f"| {form} | {number_format} | {shown} |"


def test_the_page_states_the_bounds() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for row in bound_rows():
        assert row in page


@pytest.mark.parametrize("name", sorted(file.stem for file in DOCS.with_suffix("").glob("*.json")))
def test_the_page_shows_the_certificates(name: str) -> None:
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("parity_tables", root / "scripts" / "parity_tables.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    certificates = json.loads((root / "docs" / "exports" / f"{name}.json").read_text(encoding="utf-8"))
    assert "\n".join(script.table(certificates)) in DOCS.read_text(encoding="utf-8")
    for certificate in certificates.values():
        if "refused" in certificate:
            assert "but at most" in certificate["refused"]
            continue
        stated = asdict(BOUNDS[certificate["to"], certificate["number_format"]])
        assert certificate["bound"] == {key: limit for key, limit in stated.items() if limit != bounds.NO_BOUND}


@pytest.mark.parametrize(("to", "package"), [("onnx", "onnx"), ("onnx", "onnxruntime"), ("gguf", "gguf")])
def test_a_missing_package_is_told_before_a_model_is_looked_for(
    tmp_path: Path, to: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'groundup\["):
        export("no model", to, tmp_path / "output")
