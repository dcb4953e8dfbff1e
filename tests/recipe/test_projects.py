"""The recipes of the two fine-tuning projects on a small random GPT-2: what they write down, train, publish and are measured by."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import groundup as gu
from groundup.recipe.settings import load_recipe

ROOT = Path(__file__).parent.parent.parent
QUICK: dict[str, Any] = {
    "model.max_seq_len": 64,
    "training.batch_size": 2,
    "training.eval_steps": 2,
    "training.save_steps": 2,
    "training.logging_steps": 1,
    "training.num_threads": 1,
    "training.warmup_steps": 1,
    "training.learning_rate": 0.01,
    "training.sample_tokens": 4,
    "training.sample_prompt": "",
    "generation.max_new_tokens": 4,
    "data.validation_fraction": 0.2,
}


def quiet(text: str) -> None:
    pass


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What measures the runs for the projects' pages is found."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


@pytest.mark.usefixtures("scripts")
def test_domain(tiny_base: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fill_domain

    folder = tmp_path / "papers"
    folder.mkdir()
    for number, paragraph in enumerate(text_file.read_text(encoding="utf-8").split("\n\n")):
        (folder / f"{number}.txt").write_text(paragraph, encoding="utf-8")
    overrides = {**QUICK, "model.base": str(tiny_base), "data.source": str(folder), "training.max_steps": 4}
    run = gu.train("domain", overrides, run=tmp_path / "run", say=quiet).path
    monkeypatch.setattr(fill_domain, "GENERAL", str(text_file))
    monkeypatch.setattr(fill_domain, "NUM_ANSWERS", 2)
    monkeypatch.setattr(fill_domain, "ANSWER_TOKENS", 3)
    figures = fill_domain.measure([run, run])
    assert figures["runs"][0]["perplexity"]["domain"] < figures["before"]["domain"]
    # The figure of a held-out document by itself, as transformers has it.
    model, tokenizer = AutoModelForCausalLM.from_pretrained(run / "model"), AutoTokenizer.from_pretrained(run / "model")
    nats, tokens = 0.0, 0
    for name in json.loads((run / "manifest.json").read_text())["data"]["validation_documents"]:
        ids = torch.tensor([tokenizer((folder / name).read_text(encoding="utf-8"))["input_ids"]])
        for start in range(0, ids.shape[1] - 1, 64):
            window = ids[:, start : start + 65]
            with torch.no_grad():
                scores = model(window[:, :-1]).logits.log_softmax(-1)
            nats -= scores.gather(2, window[:, 1:, None]).sum().item()
            tokens += window.shape[1] - 1
    assert figures["tokens"]["domain"] == tokens
    assert figures["runs"][0]["perplexity"]["domain"] == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    for block in fill_domain.BLOCKS.values():
        assert block(figures)


@pytest.mark.usefixtures("scripts")
def test_instruct(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fill_instruct

    monkeypatch.setattr(fill_instruct, "MOST_TOKENS", 4)
    rows = []
    for n in range(20):
        evidence = f"{n} is {'odd' if n % 2 else 'even'}."
        reply = json.dumps({"evidence": evidence, "answer": evidence[-5:-1].strip()})
        roles = {"system": "Answer.", "user": f"{evidence} So be it.\n\nQuestion: What is {n}?", "assistant": reply}
        rows.append({"messages": [{"role": role, "content": said} for role, said in roles.items()]})
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    overrides = {**QUICK, "model.base": str(tiny_base), "data.source": str(file), "model.max_seq_len": 128}
    run = gu.train("instruct", overrides, run=tmp_path / "run", say=quiet)
    labels = json.loads((run.path / "manifest.json").read_text())["data"]["labels"]
    assert labels["stop_learned"]["train"] + labels["stop_learned"]["validation"] == 20
    figures = fill_instruct.measure([run.path])
    assert figures["questions"] == labels["stop_learned"]["validation"]
    assert {row["asked"] for row in figures["rows"]} < {f"What is {n}?" for n in range(20)}
    assert figures["rows"][0]["passage"].endswith("So be it.")
    for block in fill_instruct.BLOCKS.values():
        assert block(figures)


RIGHT = '{"evidence": "The bridge is 2 km long.", "answer": "2 km"}'


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(
    ("reply", "measured"),
    [
        (RIGHT, {"format": 1, "quotes": 1, "inside": 1, "right_sentence": 1, "exact": 1, "overlap": 1}),
        ('{"evidence": "The bridge is 2 km long.", "answer": "long"}', {"format": 1, "quotes": 1, "inside": 1, "right_sentence": 1}),
        ('{"evidence": "It is old.", "answer": "the 2 km bridge"}', {"format": 1, "quotes": 1, "overlap": 0.8}),
        ('{"evidence": "It is new.", "answer": "new"}', {"format": 1, "inside": 1}),
        ('{"evidence": "", "answer": ""}', {"format": 1}),
        ("2 km.", {"exact": 1, "overlap": 1}),  # no JSON, but the answer
        ('{"evidence": "It is old.", "answer": 2}', {"overlap": 2 * 1 / (6 + 2)}),
        ('{"evidence": "It is old.", "answer": "2", "more": ""}', {"overlap": 2 * 1 / (7 + 2)}),
        (RIGHT.replace(", ", ",\n"), {"overlap": 2 * 2 / (9 + 2)}),  # two lines
        (f"Here it is: {RIGHT}", {"overlap": 2 * 2 / (12 + 2)}),
    ],
)  # fmt: skip
def test_what_is_said_of_a_reply(reply: str, measured: dict[str, float]) -> None:
    from fill_instruct import Question, check

    question = Question([], "The bridge is 2 km long. It is old.", "How long is it?", RIGHT)
    nothing = dict.fromkeys(("format", "quotes", "inside", "right_sentence", "exact", "overlap"), 0.0)
    assert check(reply, question) == pytest.approx({**nothing, **measured})


@pytest.mark.usefixtures("scripts")
def test_an_interval_of_three_runs() -> None:
    from fill_domain import interval

    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 4.303 / math.sqrt(3)))  # standard deviation 1


@pytest.mark.parametrize("name", ["domain", "instruct"])
def test_each_begins_with_a_small_model_and_adapters(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.model.base == "smollm2-135m-instruct"
    assert recipe.training.method == "lora"
