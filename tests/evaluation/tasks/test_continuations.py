"""Likelihoods of continuations against one plain pass for each, whatever they share."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import ModelError
from groundup.evaluation.tasks import continuations
from groundup.evaluation.tasks.continuations import Continuation, LogLikelihood, log_likelihoods
from groundup.evaluation.tasks.prefix_tree import ROW, grow_trees, num_shared
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer

VOCABULARY, CONTEXT = 11, 96


def network(preset: Any, **fields: object) -> Transformer:
    torch.manual_seed(1)
    config = preset_config(
        preset, vocab_size=VOCABULARY, d_model=16, num_layers=2, num_heads=2, max_seq_len=CONTEXT, **fields
    )
    model = Transformer(dataclasses.replace(config, initialization="normal", init_std=0.3))
    torch.nn.init.normal_(model.token_embedding.weight)
    return model.train()  # dropout has to be off all the same


MODELS = {
    "qwen3": network("qwen3"),
    "gpt2": network("gpt2", dropout=0.2),
    "window": network("mistral", sliding_window=7, num_kv_heads=1),
}


def plain(model: Transformer, one: Continuation) -> LogLikelihood:
    """A pass over this text alone."""
    ids = torch.tensor([[*one.context, *one.ids][-CONTEXT - 1 :]])
    with torch.inference_mode():
        model.eval()
        logprobs = model(ids[:, :-1])[0].double().log_softmax(-1)[-len(one.ids) :]
    wanted = torch.tensor(one.ids)
    value = float(logprobs.gather(1, wanted[:, None]).sum())
    return LogLikelihood(value, bool((logprobs.argmax(-1) == wanted).all()))


def require_equal(model: Transformer, asked: list[Continuation]) -> None:
    for found, one in zip(log_likelihoods(model, asked), asked, strict=True):
        expected = plain(model, one)
        assert found.value == pytest.approx(expected.value, abs=2e-5, rel=4e-6)
        assert found.greedy == expected.greedy


tokens = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=12)


@settings(max_examples=20)
@given(
    st.sampled_from(sorted(MODELS)),
    st.lists(st.tuples(tokens, st.lists(tokens, min_size=1, max_size=4)), min_size=1, max_size=5),
)
def test_each_is_scored_as_if_it_were_alone(name: str, questions: list[tuple[list[int], list[list[int]]]]) -> None:
    require_equal(MODELS[name], [Continuation(context, ids) for context, endings in questions for ids in endings])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_examples_that_all_share_are_read_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = np.random.default_rng(0).integers(0, VOCABULARY, 70).tolist()
    asked = [Continuation([*examples, number, 3, 5, 8], [ending, 1]) for number in range(5) for ending in range(4)]
    read = list[int]()
    model = MODELS[name]
    whole = model.hidden_states

    def counted(ids: torch.Tensor, **more: Any) -> torch.Tensor:
        read.append(ids.numel())
        return whole(ids, **more)

    with monkeypatch.context() as patched:
        patched.setattr(model, "hidden_states", counted)
        log_likelihoods(model, asked)
    # The beginning; then each question's four tokens with the first one of each of its endings, where 1,500 would be read apart.
    assert read == [70, 5 * (4 + 4)]
    require_equal(model, asked)


def test_few_texts_with_a_long_beginning_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuations, "LONG", 64)
    long = np.random.default_rng(2).integers(0, VOCABULARY, 70).tolist()
    require_equal(
        MODELS["window"], [Continuation(long, [1, 2, 3]), Continuation(long, [4]), Continuation([*long, 5], [6])]
    )


def test_a_context_that_is_too_long_loses_its_beginning() -> None:
    long = np.random.default_rng(1).integers(0, VOCABULARY, CONTEXT + 20).tolist()
    require_equal(MODELS["qwen3"], [Continuation(long, [1, 2, 3]), Continuation(long[:5], long[:CONTEXT])])


def test_the_likeliest_continuation_is_greedy() -> None:
    model, ids = MODELS["gpt2"].eval(), [1]
    with torch.inference_mode():
        for _ in range(4):
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    best, other = log_likelihoods(
        model, [Continuation(ids[:1], ids[1:]), Continuation(ids[:1], [*ids[1:4], (ids[4] + 1) % 11])]
    )
    assert best.greedy
    assert not other.greedy
    assert other.value < best.value


def test_the_same_text_twice_has_the_same_likelihood_bit_for_bit() -> None:
    one = Continuation([1, 2, 3, 4, 5], [6, 7])
    first, second = log_likelihoods(MODELS["qwen3"], [one, one])
    assert first == second


def test_scores_that_are_not_numbers_are_refused() -> None:
    model = network("qwen3")
    torch.nn.init.constant_(model.final_norm.weight, math.nan)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="not finite numbers: its weights are damaged"):
        log_likelihoods(model, [Continuation([1], [2])])


def test_two_endings_of_one_question_in_a_row() -> None:
    """By hand: the question 5 6 7 8, then 1 2 or 3."""
    texts = [[5, 6, 7, 8, 1, 2], [5, 6, 7, 8, 3]]
    (tree,) = grow_trees(dict(enumerate(texts)), [0, 1])
    assert tree.ids == [5, 6, 7, 8, 1, 2, 3]
    assert tree.places == [0, 1, 2, 3, 4, 5, 4]
    assert [path.tolist() for _, path in tree.texts] == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 6]]
    last = [True, True, True, True, False, False, True]  # 3 sees the question and itself, not 1 2
    assert tree.sees().tolist()[6] == last
    assert tree.sees()[:6, :6].tolist() == np.tri(6, dtype=bool).tolist()


def test_short_texts_fill_a_row_whatever_they_share() -> None:
    """By hand: the second shares 1 2; the third, which shares nothing, sees itself alone and stands in its own first place."""
    (tree,) = grow_trees({0: [1, 2, 3, 4], 1: [1, 2, 9, 9], 2: [7, 8]}, [0, 1, 2])
    assert tree.ids == [1, 2, 3, 4, 9, 9, 7, 8]
    assert tree.places == [0, 1, 2, 3, 2, 3, 0, 1]
    assert not tree.has_one_branch
    assert tree.sees()[6:].tolist() == [[False] * 6 + [True, False], [False] * 6 + [True, True]]


def test_long_texts_that_share_little_stand_apart() -> None:
    """70 tokens each: 17 in common are less than a quarter, 18 are more."""
    one = list(range(70))
    for shared, rows in ((17, 2), (18, 1)):
        other = [*one[:shared], *range(100, 170 - shared)]
        assert len(list(grow_trees({0: one, 1: other}, [0, 1]))) == rows


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_rows_are_about_equally_long_and_many_for_each_core(cores: int) -> None:
    random = np.random.default_rng(4)
    texts = {number: random.integers(0, 1000, random.integers(5, 40)).tolist() for number in range(200)}
    order = sorted(texts, key=texts.__getitem__)
    lengths = [len(tree.ids) for tree in grow_trees(texts, order, cores)]
    assert len(lengths) % cores == 0
    assert ROW - 80 < min(lengths) <= max(lengths) < ROW + 40
    assert [n for tree in grow_trees(texts, order, cores) for n, _ in tree.texts] == order


@given(tokens, tokens, tokens)
def test_what_two_texts_share(beginning: list[int], one: list[int], other: list[int]) -> None:
    expected = len(beginning) + next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    assert num_shared(beginning + one, beginning + other) == expected
