"""lm-eval over the same rows: its `hf` model with transformers, our adapter under it, and our own scorer give the same numbers."""

from __future__ import annotations

import copy
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.tasks.lm_eval_form import figures_of, lm_eval_config

from groundup.config import write_toml
from groundup.errors import MissingExtraError, TokenizerError
from groundup.evaluation.tasks.score import TaskResult, score_task
from groundup.evaluation.tasks.settings import Task, TaskSettings, read_task
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.tokens.tokenizer import Tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

CHOOSE: dict[str, Any] = {"data": "rows.jsonl", "prompt": "{{question}}", "choices": "choices", "answer": "label"}
TASKS = {
    "choices": TaskSettings(**CHOOSE),
    "letters": TaskSettings(
        data="rows.jsonl",
        description="Questions of law.\n\n",
        prompt="{{question}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nAnswer:",
        choices=("A", "B"),
        answer="label",
        shots=2,
    ),
    "bare": TaskSettings(
        data="rows.jsonl", choices=("{{question}} a", "{{question}} the"), answer=1, target_delimiter=""
    ),
    "spaces": TaskSettings(**{**CHOOSE, "prompt": "{{question}} "}, target_delimiter=""),
    "apart": TaskSettings(**CHOOSE, shots=1, shots_data="shots.jsonl"),
    "drawn": TaskSettings(**CHOOSE, shots=2, shots_seed=1234),
    "drawn_apart": TaskSettings(**CHOOSE, shots=2, shots_data="shots.jsonl", shots_seed=1234),
    "before": TaskSettings(
        data="rows.jsonl",
        choices=("{{question}} a", "{{question}} the Work"),
        answer="{{label}}",
        ending="{{choices[0]}}",
        shots=1,
    ),
    "endings": TaskSettings(
        kind="loglikelihood", data="rows.jsonl", prompt="{{question}}", answer=" {{choices[label]}}"
    ),
    "texts": TaskSettings(kind="loglikelihood_rolling", data="rows.jsonl", answer="text"),
    "written": TaskSettings(
        kind="generate_until",
        data="rows.jsonl",
        prompt="{{question}}",
        answer="{{choices[0]}}",
        until=("e", "\n"),
        max_new_tokens=9,
        shots=1,
    ),
    "found": TaskSettings(
        kind="generate_until", data="rows.jsonl", prompt="{{text}}", answer="a", max_new_tokens=9, extract="([a-z])|(-)"
    ),
    "last": TaskSettings(
        kind="generate_until",
        data="rows.jsonl",
        prompt="{{text}}",
        answer="a-e",
        max_new_tokens=9,
        extract="[a-z]+",
        extract_last=True,
        ignore=("[^ae]", "a$"),
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Path:
    """Rows out of the license's text; some of their texts are longer than the model's context."""
    words, folder = text_file.read_text(encoding="utf-8").split(), tmp_path_factory.mktemp("tasks")
    rows = [
        {
            "question": " ".join(words[start : start + 9]),
            "choices": [" ".join(words[start + 9 : start + 9 + length]) for length in (2 + start % 3, 4)],
            "label": start % 2,
            "text": " ".join(words[start : start + 5 * (start % 17) + 1]),
        }
        for start in range(0, 1400, 117)
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows[1:])), encoding="utf-8")
    (folder / "shots.jsonl").write_text("\n".join(map(json.dumps, [rows[0], *rows[7:9]])), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> LanguageModel:
    """Weights that give the same token a likelihood of its own in each place; drawn small, all would be about equally likely."""
    import torch

    language_model = LanguageModel.load(tiny_base, device="cpu")
    torch.manual_seed(5)
    for parameter in language_model.model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return language_model


@pytest.fixture(scope="module")
def saved(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from groundup.model.directory import save_model

    directory = tmp_path_factory.mktemp("model")
    tokenizer = model.tokenizer
    save_model(model.model, directory, end_id=tokenizer.end_id, pad_id=tokenizer.pad_id)
    tokenizer.save(directory, max_length=128)
    return directory


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """lm-eval tells much of what it does."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def by_lm_eval(model: LanguageModel, saved: Path, folder: Path) -> dict[str, Any]:
    """Every task's figures and samples, of both models under lm-eval."""
    import lm_eval  # type: ignore[import-untyped]
    from lm_eval.models.huggingface import HFLM  # type: ignore[import-untyped]
    from lm_eval.tasks import TaskManager  # type: ignore[import-untyped]

    from groundup.evaluation.tasks.lm_eval_model import GroundupLM

    hf = HFLM(pretrained=str(saved), device="cpu", dtype="float32", batch_size=4)
    configs = [lm_eval_config(Task(name, folder, settings)) for name, settings in TASKS.items()]
    manager = TaskManager(include_defaults=False)  # its thousands of files would be read, too
    more: dict[str, Any] = {"task_manager": manager, "log_samples": True, "bootstrap_iters": 0}
    return {
        name: lm_eval.simple_evaluate(one, tasks=[dict(config) for config in configs], **more)
        for name, one in (("hf", hf), ("adapter", GroundupLM(model)))
    }


def likelihoods(answers: dict[str, Any], task: str) -> np.ndarray:
    """lm-eval's, in the order of the rows and their choices."""
    samples = sorted(answers["samples"][task], key=lambda sample: sample["doc_id"])
    found = [answer for sample in samples for answer in sample["filtered_resps"]]
    return np.array([float(answer[0] if isinstance(answer, tuple | list) else answer) for answer in found])


@pytest.mark.parametrize("name", TASKS)
def test_our_scorer_and_our_adapter_give_the_figures_of_hf(
    name: str, model: LanguageModel, folder: Path, by_lm_eval: dict[str, Any]
) -> None:
    (folder / f"{name}.toml").write_text(write_toml(TASKS[name]), encoding="utf-8")
    ours: TaskResult = score_task(model, read_task(folder / f"{name}.toml"))
    for figure in figures_of(TASKS[name]):
        theirs = by_lm_eval["hf"]["results"][name][f"{figure},none"]
        assert by_lm_eval["adapter"]["results"][name][f"{figure},none"] == pytest.approx(theirs, rel=1e-5)
        assert ours.figures[figure].value == pytest.approx(theirs, rel=1e-5)
    if TASKS[name].kind == "generate_until":
        for sample, item in zip(by_lm_eval["hf"]["samples"][name], ours.items, strict=True):
            assert sample["resps"][0][0] == item.text
        return
    expected = likelihoods(by_lm_eval["hf"], name)
    assert likelihoods(by_lm_eval["adapter"], name) == pytest.approx(expected, abs=1e-4, rel=1e-6)
    assert [value for item in ours.items for value in item.log_likelihoods] == pytest.approx(
        expected, abs=1e-4, rel=1e-6
    )


def test_log_likelihoods_are_those_of_hf_in_float64(model: LanguageModel, saved: Path, text_file: Path) -> None:
    """600 of them: contexts of up to eleven words, or none, four endings after each, of one to six words. In float64 lm-eval's own rounding
    is no part of what they are held to; and with our network in float64, too, nothing but the last digits is left."""
    from lm_eval.api.instance import Instance  # type: ignore[import-untyped]
    from lm_eval.models.huggingface import HFLM

    from groundup.evaluation.tasks.lm_eval_model import GroundupLM

    words = text_file.read_text(encoding="utf-8").split()
    asked = [
        (" ".join(words[start : start + start % 12]), " " + " ".join(words[place : place + 1 + place % 6]))
        for start in range(0, 1500, 10)
        for place in range(start + 20, start + 24)
    ]
    requests = [Instance("loglikelihood", {}, one, number) for number, one in enumerate(asked)]
    hf = HFLM(pretrained=str(saved), device="cpu", dtype="float64", batch_size=8)
    expected = hf.loglikelihood(requests, disable_tqdm=True)
    ours = GroundupLM(model).loglikelihood(requests, disable_tqdm=True)
    assert len(ours) == 600
    assert np.ptp([value for value, _ in expected]) > 10  # they differ by far more than is allowed
    assert [value for value, _ in ours] == pytest.approx([value for value, _ in expected], abs=1e-4, rel=0)
    assert [greedy for _, greedy in ours] == [greedy for _, greedy in expected]
    doubled = LanguageModel(copy.deepcopy(model.model).double(), model.tokenizer)
    exact = GroundupLM(doubled).loglikelihood(requests, disable_tqdm=True)
    assert [value for value, _ in exact] == pytest.approx([value for value, _ in expected], abs=1e-11, rel=0)


TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_the_adapter_writes_conversations_as_transformers_does(model: LanguageModel, saved: Path) -> None:
    import transformers

    from groundup.evaluation.tasks.lm_eval_model import GroundupLM

    talking = LanguageModel(model.model, model.tokenizer.with_config({"chat_template": TEMPLATE}))
    adapter, theirs = GroundupLM(talking), transformers.AutoTokenizer.from_pretrained(saved)
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "The answer: "}]
    for asked, generate in ((messages[:1], True), (messages, False)):
        expected = theirs.apply_chat_template(
            asked,
            chat_template=TEMPLATE,
            tokenize=False,
            add_generation_prompt=generate,
            continue_final_message=not generate,
        )
        assert adapter.apply_chat_template(asked, generate) == expected
    assert adapter.chat_template(True) == TEMPLATE
    assert adapter.tok_encode("a b") == theirs.encode("a b")
    with pytest.raises(TokenizerError, match="the model has no chat template: leave out apply_chat_template"):
        GroundupLM(model).apply_chat_template(messages)


def test_the_adapter_samples_when_a_task_says_so() -> None:
    from groundup.evaluation.tasks import lm_eval_model

    settings = lm_eval_model._generation_settings(
        {"do_sample": True, "temperature": 0.5, "top_p": 0.9, "until": ["x", ""]}
    )
    assert settings == GenerationSettings(max_new_tokens=256, temperature=0.5, top_p=0.9, stop=("x",))
    assert lm_eval_model._generation_settings({"max_gen_toks": 3}).temperature == 0


def test_a_tokenizer_without_an_end_is_refused(model: LanguageModel) -> None:
    from groundup.evaluation.tasks.lm_eval_model import GroundupLM

    without = Tokenizer(json.dumps(model.tokenizer.description()).encode(), {}, {})
    with pytest.raises(TokenizerError, match="no token that begins or ends a text, which lm-eval needs: add one"):
        GroundupLM(LanguageModel(model.model, without)).prefix_token_id  # noqa: B018


def test_the_adapter_without_lm_eval_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "groundup.evaluation.tasks.lm_eval_model", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "lm_eval"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtraError, match=r"lm-eval's tasks needs an optional package: .*groundup\[lm-eval\]"):
        import groundup.evaluation.tasks.lm_eval_model  # noqa: F401
