"""The engine against a reference that recomputes everything at each step, and its promises one by one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from groundup.errors import GenerationError
from groundup.generation.context import context_start, default_slide
from groundup.generation.engine import Engine
from groundup.generation.forward import last_logits
from groundup.generation.generation import Generation
from groundup.generation.request import Request, Token
from groundup.generation.settings import GenerationSettings
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import KVCache, Transformer

V, CONTEXT = 13, 12
PROMPTS = [
    [3],
    [1, 2, 3, 4, 5],
    list(range(1, 13)),
    [5, 6, 7] * 6,
    [2, 2],
]  # one token … exactly full … longer than the context
GREEDY = GenerationSettings(temperature=0.0, max_new_tokens=40)


def small_model(preset: Preset = "qwen3", dropout: float = 0.0, **fields: int) -> Transformer:
    """Every weight random, so that no part can be confused with another, and large, so that the tokens vary."""
    shape = {"vocab_size": V, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": CONTEXT, **fields}
    model = Transformer(preset_config(preset, dropout=dropout, tie_embeddings=False, **shape))
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = 0.4 * noise if parameter.ndim > 1 else parameter.data + 0.2 * noise
    return model.eval()


@torch.no_grad()
def uncached_logits(model: Transformer, text: Sequence[int], slide: int) -> Tensor:
    """The plain way: read the whole context of the next token anew."""
    context = text[context_start(len(text), model.config.max_seq_len, slide) :]
    return model(torch.tensor([context]))[0, -1]  # type: ignore[no-any-return]


def new_ids(generation: Generation) -> list[list[int]]:
    ids: list[list[int]] = [[] for _ in generation.texts]
    for tokens in generation:
        for token in tokens:
            ids[token.row].append(token.id)
    return ids


@pytest.mark.parametrize("temperature", [0.0, 2.0])
@pytest.mark.parametrize("slide", [1, CONTEXT, None])
@pytest.mark.parametrize("preset", ["classic", "gpt2", "llama", "qwen3"])
def test_cached_equals_uncached_past_the_context_too(preset: Preset, slide: int | None, temperature: float) -> None:
    fields = {} if preset == "gpt2" else {"num_kv_heads": 2}
    model, latest = small_model(preset, **fields), torch.empty(0)
    network = last_logits(model)

    def recording(ids: Tensor, cache: KVCache) -> Tensor:
        nonlocal latest
        latest = network(ids, cache)
        return latest

    settings = GenerationSettings(temperature=temperature, max_new_tokens=40)
    generation = Generation(model, PROMPTS, settings, slide=slide, forward=recording)
    texts = [list(prompt) for prompt in PROMPTS]
    for tokens in generation:
        for i, token in enumerate(tokens):
            expected = uncached_logits(model, texts[token.row], slide or default_slide(CONTEXT))
            assert (latest[i] - expected).abs().max() < 1e-5
            assert temperature > 0 or token.id == expected.argmax()
            texts[token.row].append(token.id)
    assert [len(text) for text in texts] == [len(prompt) + 40 for prompt in PROMPTS]
    assert texts == generation.texts
    assert temperature == 0 or min(len(set(text[-40:])) for text in texts) > 6  # sampled texts are varied


@given(st.integers(0, 2000), st.integers(1, 64), st.data())
def test_context_start(place: int, max_seq_len: int, data: st.DataObject) -> None:
    slide = data.draw(st.integers(1, max_seq_len))
    start = context_start(place, max_seq_len, slide)
    if place <= max_seq_len:
        assert start == 0
    else:
        assert start % slide == 0
        assert max_seq_len - slide + 1 <= place - start <= max_seq_len
    assert context_start(place, max_seq_len, 1) == max(0, place - max_seq_len)


def test_each_step_gives_one_token_for_every_row_in_order_and_the_last_says_why() -> None:
    steps = list(Generation(small_model(), [[1], [2, 3]], GenerationSettings(max_new_tokens=3)))
    assert [[token.row for token in tokens] for tokens in steps] == [[0, 1]] * 3
    assert [[token.finish for token in tokens] for tokens in steps] == [[None] * 2] * 2 + [["length"] * 2]


def test_a_row_leaves_after_the_end_token() -> None:
    model = small_model()
    without = new_ids(Generation(model, PROMPTS, GREEDY))
    # A token that some rows write, at different steps, and others never.
    found = [[ids.index(token) if token in ids else None for ids in without] for token in range(V)]
    end_id, ends = next((token, ends) for token, ends in enumerate(found) if None in ends and len(set(ends)) > 2)
    steps = list(Generation(model, PROMPTS, GREEDY, end_id))
    last = {token.row: token for tokens in steps for token in tokens}
    for row, (ids, end) in enumerate(zip(without, ends, strict=True)):
        expected = ids if end is None else ids[: end + 1]
        assert [token.id for tokens in steps for token in tokens if token.row == row] == expected
        assert last[row] == Token(row, expected[-1], "length" if end is None else "end")


def test_a_row_stopped_by_the_caller_leaves_and_the_others_go_on() -> None:
    model = small_model()
    alone = new_ids(Generation(model, PROMPTS, GREEDY))
    generation = Generation(model, PROMPTS, GREEDY)
    ids: list[list[int]] = [[] for _ in PROMPTS]
    for step, tokens in enumerate(generation):
        for token in tokens:
            ids[token.row].append(token.id)
        if step == 4:
            generation.stop(1)
            generation.stop(3)
    assert ids == [row[:5] if i in (1, 3) else row for i, row in enumerate(alone)]
    for row in range(3):
        generation.stop(row)
    assert list(generation) == []


def test_a_rows_tokens_depend_on_its_prompt_its_number_and_the_seed_alone() -> None:
    model, settings = small_model(), GenerationSettings(max_new_tokens=30, temperature=1.0, seed=7)
    together = new_ids(Generation(model, PROMPTS, settings))
    others = [[9], *PROMPTS[1:3], [9, 9], PROMPTS[4]]
    among_others = new_ids(Generation(model, others, settings))
    assert [together[row] for row in (1, 2, 4)] == [among_others[row] for row in (1, 2, 4)]
    assert new_ids(Generation(model, PROMPTS[:1], settings)) == together[:1]
    assert new_ids(Generation(model, PROMPTS, settings)) == together
    reseeded = new_ids(Generation(model, PROMPTS, GenerationSettings(max_new_tokens=30, temperature=1.0, seed=8)))
    assert all(old != new for old, new in zip(together, reseeded, strict=True))
    same_prompt = new_ids(Generation(model, [[1]] * 4, settings))
    assert len({tuple(ids) for ids in same_prompt}) == 4


def test_tokens_come_as_often_as_the_model_says() -> None:
    """2,000 rows, one step: each token's count lies within four standard deviations of n · p."""
    model, n = small_model(), 2000
    settings = GenerationSettings(max_new_tokens=1, temperature=2.0)
    counts = Counter(ids[0] for ids in new_ids(Generation(model, [[4, 2]] * n, settings)))
    for token, p in enumerate((uncached_logits(model, [4, 2], 1) / 2.0).softmax(-1).tolist()):
        assert abs(counts[token] - n * p) < 4 * math.sqrt(n * p * (1 - p)) + 1


def test_a_repetition_penalty_sees_prompt_and_continuation() -> None:
    """All of the text, even what has left the context; the rule written out for single numbers."""
    model, penalty = small_model(max_seq_len=4), 1.6
    settings = GenerationSettings(max_new_tokens=20, temperature=0.0, repetition_penalty=penalty)
    for text in ([0, 1], [7], [0, 3, 0, 0, 0, 0]):
        for new in new_ids(Generation(model, [text], settings))[0]:
            scores = uncached_logits(model, text, slide=1).tolist()
            for token in set(text):
                scores[token] = scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
            assert new == scores.index(max(scores))
            text.append(new)


def test_a_repetition_penalty_stays_with_its_row_when_others_leave() -> None:
    model = small_model()
    settings = GenerationSettings(max_new_tokens=20, temperature=0.0, repetition_penalty=1.5)
    alone = new_ids(Generation(model, PROMPTS, settings))
    generation = Generation(model, PROMPTS, settings)
    for _ in range(3):
        next(generation)
    generation.stop(0)
    generation.stop(3)
    assert new_ids(generation) == [[], alone[1][3:], alone[2][3:], [], alone[4][3:]]


@pytest.mark.parametrize(("presence", "frequency"), [(1.5, 0.0), (0.0, 0.7), (2.0, -0.4), (-1.0, 0.5)])
def test_presence_and_frequency_penalties_count_what_was_generated(presence: float, frequency: float) -> None:
    """Not the prompt; the formula of OpenAI's reference, written out for single numbers."""
    model = small_model(max_seq_len=4)
    greedy = GenerationSettings(max_new_tokens=20, temperature=0.0)
    settings = replace(greedy, presence_penalty=presence, frequency_penalty=frequency)
    prompts = [[0, 1, 1], [7]]
    plain = new_ids(Generation(model, prompts, greedy))
    found = new_ids(Generation(model, prompts, settings))
    assert found != plain
    for prompt, new in zip(prompts, found, strict=True):
        for place, token in enumerate(new):
            text = prompt + new[:place]
            scores = uncached_logits(model, text, slide=1).tolist()
            for other in range(V):
                count = new[:place].count(other)
                scores[other] -= count * frequency + (1.0 if count > 0 else 0.0) * presence
            assert token == scores.index(max(scores))


def test_penalties_stay_with_their_texts_in_a_batch_of_many_settings() -> None:
    model, engine = small_model(), Engine(small_model(), 3)
    requests = [
        Request(prompt, GenerationSettings(max_new_tokens=12, temperature=0.0, presence_penalty=each))
        for prompt, each in zip(PROMPTS, (0.0, 1.5, 0.0, 1.5, 3.0), strict=True)
    ]
    found: dict[int, list[int]] = {engine.add(request): [] for request in requests}
    while engine.busy:
        for token in engine.step():
            found[token.ticket].append(token.id)
    for request, ids in zip(requests, found.values(), strict=True):
        assert ids == new_ids(Generation(model, [request.prompt], request.settings))[0]


def test_an_empty_prompt_starts_from_the_end_token() -> None:
    model = small_model()
    assert new_ids(Generation(model, [[]], GREEDY, end_id=6)) == new_ids(Generation(model, [[6]], GREEDY, end_id=6))


@pytest.mark.parametrize("max_seq_len", [1, 2])
def test_the_shortest_contexts_work(max_seq_len: int) -> None:
    model = small_model(max_seq_len=max_seq_len)
    text = [5]
    for token in new_ids(Generation(model, [[5]], GREEDY))[0]:
        assert token == uncached_logits(model, text, 1).argmax()
        text.append(token)


def test_dropout_is_off_while_generating_and_on_again_after() -> None:
    model = small_model("classic", dropout=0.5)
    expected = new_ids(Generation(model, PROMPTS, GREEDY))
    model.train()
    generation = Generation(model, PROMPTS, GREEDY)
    next(generation)
    assert all(module.training for module in model.modules())
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    rest = new_ids(generation)
    assert [ids[1:] for ids in expected] == rest


def test_no_prompts_give_no_steps() -> None:
    assert list(Generation(small_model(), [], GREEDY)) == []


def test_an_empty_prompt_without_an_end_token_is_refused() -> None:
    with pytest.raises(GenerationError, match=r"the prompt is empty and this model has no end token .* give a prompt"):
        Generation(small_model(), [[]], GREEDY)


@pytest.mark.parametrize("token", [-1, V])
def test_an_id_that_the_model_does_not_have_is_refused(token: int) -> None:
    with pytest.raises(
        GenerationError, match=f"token {token} of the prompt is not in the model's vocabulary of {V}: use"
    ):
        Generation(small_model(), [[1, token]], GREEDY)


@pytest.mark.parametrize("slide", [0, CONTEXT + 1])
def test_an_impossible_slide_is_refused(slide: int) -> None:
    with pytest.raises(GenerationError, match=rf"slide = {slide}: use a whole number from 1 to .* {CONTEXT}"):
        Generation(small_model(), [[1]], GREEDY, slide=slide)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_damaged_weights_are_named(value: float) -> None:
    model = small_model()
    model.get_parameter("blocks.0.feed_forward.output.weight").data[0, 0] = value
    with pytest.raises(GenerationError, match="scores are not finite numbers: its weights are damaged, so use another"):
        next(Generation(model, [[1]], GREEDY))


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=20), min_size=1, max_size=4),
    st.integers(0, 2**63 - 1),
)
def test_going_on_from_a_text_is_going_on_without_a_break(prompts: list[list[int]], seed: int) -> None:
    """Each token's context is a function of its place, so text that was generated is as good as a prompt."""
    model = small_model()
    settings = GenerationSettings(max_new_tokens=12, temperature=0.0, seed=seed)
    whole = new_ids(Generation(model, prompts, settings))
    halves = [[*prompt, *ids[:5]] for prompt, ids in zip(prompts, whole, strict=True)]
    rest = new_ids(Generation(model, halves, GenerationSettings(max_new_tokens=7, temperature=0.0)))
    assert rest == [ids[5:] for ids in whole]


def test_more_texts_than_the_memory_holds_are_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundup.generation.slots.memory_bytes", lambda: 2 * 10**9)
    model = Transformer(preset_config("qwen3", vocab_size=7, d_model=8, num_layers=1, num_heads=1, max_seq_len=8))
    message = r"1,000,000 texts at once need about 1\d GB, and this machine has 2 GB: ask for fewer"
    with pytest.raises(GenerationError, match=message):
        Generation(model, [[1]] * 1_000_000, GenerationSettings())


def test_pytorch_rests_while_a_pass_has_threads_of_its_own() -> None:
    model, seen = small_model(), list[int]()
    plain = last_logits(model)

    class OwnThreads:
        own_threads = True

        def __call__(self, ids: Tensor, cache: KVCache) -> Tensor:
            seen.append(torch.get_num_threads())
            return plain(ids, cache)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        engine = Engine(model, 1, forward=OwnThreads())
        engine.add(Request([1, 2, 3], GenerationSettings(max_new_tokens=2)))
        while engine.busy:
            engine.step()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}
