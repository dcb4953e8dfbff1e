"""A tiny multilingual run: trained with tags, asked for a language, measured by language."""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.text.cleaning.languages import SENTENCES
from transformers import AutoModelForCausalLM, AutoTokenizer

from groundup.cli.evaluate_languages import print_languages
from groundup.errors import DataError, GenerationError, GroundupError
from groundup.evaluation.intervals import proportion
from groundup.evaluation.ngram import train_ngram_model
from groundup.language_model.score import log_likelihoods
from groundup.recipe.data import prepare_data
from groundup.recipe.evaluate_languages import as_plain, evaluate_languages
from groundup.recipe.settings import load_recipe
from groundup.recipe.train import TrainedRun, train
from groundup.run.directory import RunDirectory
from groundup.run.measurements import read_measurements
from groundup.tokens.language_tags import tagged_languages

LANGUAGES = ("de", "el", "en")
SETTINGS = {
    "data.mix_by": "language",
    "data.language_tags": True,
    "data.temperature": 2,
    "data.packing": "best_fit",
    "data.validation_fraction": 0.3,
    "data.cleaning": {"languages": list(LANGUAGES)},
    "data.duplicates": {"exact": True},
    "data.privacy": {"mode": "placeholder"},
    "tokenizer.kind": "bpe",
    "tokenizer.vocab_size": 300,
    "training.device": "cpu",  # so short a training hangs on its rounding
    "training.max_steps": 60,
    "training.learning_rate": 0.02,
    "training.sample_tokens": 0,
    "generation.max_new_tokens": 40,
}


said: list[str] = []


@pytest.fixture(scope="module")
def run(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """Words of three languages, shuffled, and one language that is left out."""
    generator = random.Random(1)
    folder = tmp_path_factory.mktemp("languages")
    rows = []
    for language in (*LANGUAGES, "fr"):
        words = SENTENCES[language].split()
        for _ in range(40):
            rows.append({"text": " ".join(generator.choices(words, k=12)), "language": language})
    rows += [{"text": "Mail to ann@post.example, please.", "language": "en"}] * 2
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return train(tiny_recipe, {**SETTINGS, "data.source": str(file)}, run=folder / "run", say=said.append)


def test_figures_are_those_of_a_count_by_hand(run: TrainedRun) -> None:
    figures = evaluate_languages(run.path, num_samples=4)
    assert list(figures) == list(LANGUAGES)  # what the documents said of themselves was believed, and French left out
    language_model = run.load()
    tokenizer = language_model.tokenizer
    prepared = prepare_data(load_recipe(str(run.path / "recipe.toml")), Path(), print)
    counted = train_ngram_model(prepared.train.ids, tokenizer.vocab_size, tokenizer.end_id)
    ids = prepared.validation.ids.tolist()
    nats, ngram_nats, num_bytes = (
        dict.fromkeys(LANGUAGES, 0.0),
        dict.fromkeys(LANGUAGES, 0.0),
        dict.fromkeys(LANGUAGES, 0),
    )
    names = {number: language for language, number in tagged_languages(tokenizer).items()}
    begin, end_id = 0, tokenizer.end_id
    assert end_id is not None
    for end in [place + 1 for place, token in enumerate(ids) if token == end_id]:
        document = ids[begin:end]
        language = names[document[0]]
        with torch.no_grad():
            (with_tag,) = log_likelihoods(language_model.model, [[end_id, *document]])
            (tag_alone,) = log_likelihoods(language_model.model, [[end_id, document[0]]])
        nats[language] += tag_alone - with_tag
        ngram_nats[language] += float(counted.losses(document)[1:].sum())
        num_bytes[language] += len(tokenizer.decode(document).encode())
        begin = end
    for language, one in figures.items():
        assert one.bytes == num_bytes[language]
        assert one.bits_per_byte == pytest.approx(nats[language] / math.log(2) / num_bytes[language], rel=1e-5)
        tokens = one.ngram_bits_per_byte["tokens"]
        assert tokens == pytest.approx(ngram_nats[language] / math.log(2) / num_bytes[language])
        assert one.bar == min(one.ngram_bits_per_byte.values())
        assert len(one.samples) == 4
        interval = one.intervals["bits_per_byte"]
        assert interval.low < one.bits_per_byte < interval.high
        assert interval.n == one.documents
        assert one.intervals["in_language"] == proportion(round(4 * one.in_language), 4)
    kept = read_measurements(RunDirectory(run.path))["evaluations/validation-by-language.json"]
    assert kept["figures"]["el"]["bits_per_byte"]["value"] == figures["el"].bits_per_byte
    assert json.loads(json.dumps(as_plain(figures)))["el"]["bar"] == figures["el"].bar


def test_what_was_dropped_and_changed_is_told_and_kept(run: TrainedRun, tiny_recipe: Path, tmp_path: Path) -> None:
    assert said[:2] == [
        "41 of 162 documents dropped: cleaning.languages 40, exact duplicate 1",
        "of 162 documents changed: personal data 2",
    ]
    assert json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))["data"]["steps"] == {
        "read": 162,
        "dropped": {"cleaning.languages": 40, "exact duplicate": 1},
        "changed": {"personal data": 2},
        "personal_data": {"email": 2},
    }
    card = (run.path / "model" / "README.md").read_text(encoding="utf-8")
    assert "- dropped, of 162 documents: cleaning.languages 40, exact duplicate 1\n" in card
    assert "- personal data replaced: email 2\n" in card
    source = load_recipe(str(run.path / "recipe.toml")).data.source
    with pytest.raises(
        DataError, match=r"0 characters left after 162 documents were dropped \(cleaning.languages 162\)"
    ):
        train(tiny_recipe, {"data.source": source, "data.cleaning": {"languages": ["fi"]}}, run=tmp_path / "run")


def test_the_table_and_the_json_show_the_same(run: TrainedRun, capsys: pytest.CaptureFixture[str]) -> None:
    print_languages(str(run.path), 3, as_json=True)
    plain = json.loads(capsys.readouterr().out)
    print_languages(str(run.path), 3, as_json=False)
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.strip()}
    for language in LANGUAGES:
        one = plain[language]
        interval = one["intervals"]["bits_per_byte"]
        shown = [
            f"{one['bytes']:,}",
            f"{one['bits_per_byte']:.3f}",
            f"({interval['low']:.3f}",
            "to",
            f"{interval['high']:.3f})",
            f"{one['bar']:.3f}",
            f"{one['bytes_per_token']:.2f}",
        ]
        shares = [f"{one[name]:.0%}" for name in ("in_language", "copies", "held_out_copies")]
        assert rows[language] == [*shown, f"{one['tokens_per_word']:.2f}", *shares]


def test_it_writes_in_the_language_that_is_asked_for(run: TrainedRun) -> None:
    model = run.load()
    greek = model.generate("", language="el", temperature=0.0)
    english = model.generate("", language="en", temperature=0.0)
    is_greek = ["α" <= letter <= "ώ" for letter in greek.lower() if letter.isalpha()]
    assert np.mean(is_greek) > 0.8
    assert english.isascii()
    assert "lang_" not in greek + english
    with pytest.raises(GenerationError, match="no tag for the language 'fr': it has de, el, en"):
        model.generate("", language="fr")


def test_a_conversation_leaves_room_for_the_tag(run: TrainedRun) -> None:
    model = run.load()
    for length in range(1, model.model.config.max_seq_len):
        told = ["Hi", "x" * length, "?"]
        messages = [
            {"role": role, "content": text} for role, text in zip(["user", "assistant", "user"], told, strict=True)
        ]
        assert "".join(model.chat_stream(messages, language="el")) == model.chat(messages, language="el")


def test_transformers_writes_the_same_after_the_tag(run: TrainedRun) -> None:
    ours = run.load().generate("", language="de", temperature=0.0, max_new_tokens=12)
    folder = run.path / "model"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    start = torch.tensor([[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|lang_de|>")]])
    written = model.generate(start, attention_mask=torch.ones_like(start), max_new_tokens=12, do_sample=False)
    assert tokenizer.decode(written[0], skip_special_tokens=True) == ours


def test_a_run_without_tags_cannot_be_measured_by_language(tiny_recipe: Path, tmp_path: Path) -> None:
    plain = train(tiny_recipe, {"training.max_steps": 1}, run=tmp_path / "run", say=lambda _: None)
    with pytest.raises(DataError, match=r"was trained without language tags: train with data\.language_tags = true"):
        evaluate_languages(plain.path, say=print)
    alone = shutil.copytree(plain.path / "model", tmp_path / "alone")
    with pytest.raises(DataError, match="is not part of a run"):
        evaluate_languages(alone)
    with pytest.raises(GroundupError, match="it was trained without language tags"):
        plain.load().generate("", language="de")


def test_a_tokenizer_with_unknowns_cannot_be_measured(tiny_recipe: Path, run: TrainedRun, tmp_path: Path) -> None:
    source = load_recipe(str(run.path / "recipe.toml")).data.source
    changes = {**SETTINGS, "data.source": source, "tokenizer.kind": "character", "training.max_steps": 1}
    other = train(tiny_recipe, changes, run=tmp_path / "run", say=lambda _: None)
    with pytest.raises(DataError, match=r"cannot spell every text.*tokenizer\.kind = bpe"):
        evaluate_languages(other.path, say=print)
