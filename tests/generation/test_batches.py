"""Texts that join and leave at any step: each gets what it would get alone, whatever else is in the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from groundup.errors import GenerationError
from groundup.generation.engine import Engine
from groundup.generation.forward import last_logits
from groundup.generation.request import Request, Token
from groundup.generation.settings import GenerationSettings
from groundup.model.settings import preset_config
from groundup.model.transformer import KVCache, Transformer

V, CONTEXT = 13, 48
GREEDY = GenerationSettings(temperature=0.0, max_new_tokens=12)
SETTINGS = [
    GREEDY,
    GenerationSettings(max_new_tokens=70, temperature=1.3, seed=5),
    GenerationSettings(max_new_tokens=9, temperature=1.3, seed=5, top_k=3),
    GenerationSettings(max_new_tokens=20, temperature=0.9, top_p=0.8, repetition_penalty=1.4),
    GenerationSettings(max_new_tokens=15, temperature=2.0, min_p=0.1, seed=9),
]
LONG = [(7 * place) % V for place in range(40)]


@pytest.fixture(scope="module")
def model() -> Transformer:
    """Every weight random, and large, so that the tokens vary."""
    shape = {"vocab_size": V, "d_model": 16, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "max_seq_len": CONTEXT}
    model = Transformer(preset_config("qwen3", tie_embeddings=False, **shape))
    generator = torch.Generator().manual_seed(4)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = 0.4 * noise if parameter.ndim > 1 else parameter.data + 0.2 * noise
    return model.eval()


def run(engine: Engine) -> dict[int, list[Token]]:
    """All that comes, by ticket."""
    tokens: dict[int, list[Token]] = {}
    while engine.busy:
        for token in engine.step():
            tokens.setdefault(token.ticket, []).append(token)
    return tokens


def alone(model: Transformer, request: Request, max_len: int = 0) -> list[Token]:
    engine = Engine(model, 1, max_len)
    engine.add(request)
    return [replace(token, ticket=0) for token in run(engine)[0]]


def ids(tokens: Sequence[Token]) -> list[int]:
    return [token.id for token in tokens]


def logits_after(model: Transformer, text: Sequence[int]) -> Tensor:
    with torch.no_grad():
        return model(torch.tensor([text]))[0, -1]  # type: ignore[no-any-return]


requests = st.builds(
    Request,
    st.one_of(
        st.lists(st.integers(0, V - 1), min_size=1, max_size=60), st.integers(1, 40).map(lambda n: [*LONG[:n], n % V])
    ),
    st.sampled_from(SETTINGS),
    sample=st.integers(0, 3),
    stop_ids=st.sampled_from([frozenset[int](), frozenset({3, 4})]),
)


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(requests, st.integers(0, 6)), min_size=2, max_size=7), st.integers(1, 4), st.integers(1, 30))
def test_a_text_in_any_batch_is_the_text_alone(
    model: Transformer, coming: list[tuple[Request, int]], num_slots: int, piece: int
) -> None:
    """Joining at any step, with any number of slots, prompts read in pieces of any size, beginnings shared or not."""
    engine = Engine(model, num_slots, piece=piece)
    found: dict[int, list[int]] = {}
    for request, steps in coming:
        found[engine.add(request)] = []
        for _ in range(steps):
            for token in engine.step():
                found[token.ticket].append(token.id)
            assert engine.num_running <= num_slots
    for ticket, tokens in run(engine).items():
        found[ticket] += ids(tokens)
    assert list(found.values()) == [ids(alone(model, request)) for request, _ in coming]
    assert (engine.num_running, engine.num_waiting, engine.cache_use.running) == (0, 0, 0)


def test_the_logits_are_the_lone_requests_within_a_ten_thousandth(model: Transformer) -> None:
    network, texts = last_logits(model), dict[int, list[int]]()
    seen: list[Tensor] = []

    def recording(ids: Tensor, cache: KVCache) -> Tensor:
        seen.append(network(ids, cache))
        return seen[-1]

    engine = Engine(model, 3, forward=recording, piece=7)
    for number, settings in enumerate(SETTINGS):
        prompt = [*LONG[: 5 * number], number]
        texts[engine.add(Request(prompt, replace(settings, max_new_tokens=8)))] = prompt
    num_compared = 0
    while engine.busy:
        for row, token in enumerate(engine.step()):
            assert (seen[-1][row] - logits_after(model, texts[token.ticket])).abs().max() < 1e-4
            texts[token.ticket].append(token.id)
            num_compared += 1
    assert num_compared == 40


def test_prompts_are_read_in_pieces_while_others_get_their_tokens(model: Transformer) -> None:
    widths: list[int] = []
    network = last_logits(model)

    def recording(ids: Tensor, cache: KVCache) -> Tensor:
        widths.append(ids.numel())
        return network(ids, cache)

    engine = Engine(model, 2, forward=recording, piece=8)
    first = engine.add(Request([1], GREEDY))
    engine.step()
    second = engine.add(Request([5, *LONG[:33]], GREEDY))
    came = [[token.ticket for token in engine.step()] for _ in range(6)]
    assert came == [[first]] * 4 + [[first, second]] * 2  # 33 tokens before the newest: four pieces of 8, and one
    assert max(widths) == 8


def test_a_beginning_that_any_row_holds_is_not_read_again(model: Transformer) -> None:
    engine, prompt = Engine(model, 4), LONG[:30]
    for sample in range(3):
        engine.add(Request(prompt, GREEDY, sample))
    found = run(engine)
    assert ids(found[0]) == ids(found[1]) == ids(found[2]) == ids(alone(model, Request(prompt, GREEDY)))
    assert (engine.num_read, engine.num_reused) == (29, 2 * 29)
    assert engine.cache_use.kept == 3 * (30 + 11)
    assert engine.cache_use.room == 4 * CONTEXT
    longer = [*prompt, *ids(found[0])[:5]]  # the conversation goes on
    ticket = engine.add(Request(longer, GREEDY))
    assert ids(run(engine)[ticket]) == ids(alone(model, Request(longer, GREEDY)))
    assert (engine.num_read, engine.num_reused) == (29, 2 * 29 + 34)


@pytest.mark.parametrize("when", ["waiting", "reading", "running"])
def test_a_canceled_text_frees_its_slot_at_once_and_harms_no_other(model: Transformer, when: str) -> None:
    engine = Engine(model, 2, piece=3)
    kept = [engine.add(Request([2, 1], SETTINGS[1])), engine.add(Request([8], GREEDY))]
    tokens: list[Token] = engine.step()
    if when != "waiting":
        engine.cancel(kept.pop())
        assert engine.num_running == 1
    canceled = engine.add(Request(LONG[:20], SETTINGS[1]))
    for _ in range({"waiting": 0, "reading": 2, "running": 9}[when]):
        tokens += engine.step()
    assert (canceled in [token.ticket for token in tokens]) == (when == "running")
    engine.cancel(canceled)
    engine.cancel(canceled)  # once more does nothing
    engine.cancel(12345)
    assert (engine.num_waiting, engine.num_running) == (0, len(kept))
    later = engine.add(Request(LONG[:5], GREEDY))
    for more in run(engine).values():
        tokens += more
    by_ticket = {ticket: [token.id for token in tokens if token.ticket == ticket] for ticket in (*kept, later)}
    assert by_ticket[0] == ids(alone(model, Request([2, 1], SETTINGS[1])))
    assert by_ticket[later] == ids(alone(model, Request(LONG[:5], GREEDY)))


def test_two_hundred_canceled_texts_leave_every_slot_free(model: Transformer) -> None:
    engine = Engine(model, 3, piece=8)
    for number in range(200):
        ticket = engine.add(Request(LONG[: number % 40 + 1], SETTINGS[1], number))
        if number % 2:
            engine.step()
        engine.cancel(ticket)
    assert not engine.busy
    assert engine.step() == []
    ticket = engine.add(Request(LONG, GREEDY))
    assert ids(run(engine)[ticket]) == ids(alone(model, Request(LONG, GREEDY)))


@pytest.mark.parametrize("failing", ["a prompt's reading", "a next token's", "a choice", "Ctrl-C"])
def test_a_step_that_raises_ends_the_texts_that_ran_and_no_other(
    model: Transformer, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, error = last_logits(model), KeyboardInterrupt() if failing == "Ctrl-C" else MemoryError("no room")
    armed = False

    def breaking(ids: Tensor, cache: KVCache) -> Tensor:
        logits = network(ids, cache)
        if armed and (ids.shape[1] > 1) == (failing == "a prompt's reading"):
            cache.keys.fill_(math.nan)  # what it had begun
            raise error
        return logits

    def choosing(*arguments: object) -> list[int]:
        raise error

    engine = Engine(model, 2, forward=breaking, piece=4)
    ran, waited = [engine.add(Request([1], SETTINGS[1]))], Request(LONG[:20], GREEDY)
    engine.step()
    ran.append(engine.add(Request(LONG[:20], SETTINGS[1])))
    waiting, armed = engine.add(waited), True
    if failing == "a choice":
        armed = False
        monkeypatch.setattr("groundup.generation.engine.choose_tokens", choosing)
    with pytest.raises(type(error)):
        engine.step()
    monkeypatch.undo()
    armed = False
    assert [engine.holds(ticket) for ticket in (*ran, waiting)] == [False, False, True]
    assert (engine.num_running, engine.num_waiting, engine.cache_use.running, engine.cache_use.kept) == (0, 1, 0, 0)
    for ticket in ran:
        engine.cancel(ticket)  # does nothing
    assert ids(run(engine)[waiting]) == ids(alone(model, waited))
    assert not engine.holds(waiting)


def test_log_probabilities_are_the_networks_own(model: Transformer) -> None:
    biased = Request([1, 2], replace(SETTINGS[3], max_new_tokens=6), logprobs=3, logit_bias={4: 2.0})
    engine = Engine(model, 3)
    plain, more = engine.add(Request([5], GREEDY)), engine.add(biased)
    none = engine.add(Request([6], GREEDY, logprobs=0))
    found = run(engine)
    text = [1, 2]
    for token in found[more]:
        expected = logits_after(model, text).log_softmax(-1)
        assert token.logprob == pytest.approx(expected[token.id].item(), abs=1e-4)
        top = expected.topk(3)
        assert [each for each, _ in token.likeliest] == top.indices.tolist()
        assert [logprob for _, logprob in token.likeliest] == pytest.approx(top.values.tolist(), abs=1e-4)
        text.append(token.id)
    assert all(token.logprob is None and not token.likeliest for token in found[plain])
    assert all(token.logprob is not None and not token.likeliest for token in found[none])
    assert ids(found[more]) == ids(alone(model, biased))


@pytest.mark.parametrize("prompt", [[4], [4, 7], LONG])
def test_a_prompts_log_probabilities_are_the_networks_own(model: Transformer, prompt: list[int]) -> None:
    engine = Engine(model, 2, piece=5)
    engine.add(Request([1], SETTINGS[1]))
    engine.step()
    ticket = engine.add(Request(prompt, GREEDY, prompt_logprobs=True, logprobs=2))
    first, *rest = run(engine)[ticket]
    assert first.prompt is not None
    assert all(token.prompt is None for token in rest)
    with torch.no_grad():
        expected = model(torch.tensor([prompt]))[0].log_softmax(-1)
    assert [each.id for each in first.prompt] == prompt[1:]
    for place, each in enumerate(first.prompt):
        assert each.logprob == pytest.approx(expected[place, each.id].item(), abs=1e-4)
        assert [token for token, _ in each.likeliest] == expected[place].topk(2).indices.tolist()
    assert ids([first, *rest]) == ids(alone(model, Request(prompt, GREEDY)))


def test_a_bias_is_added_to_the_scores_of_its_request_alone(model: Transformer) -> None:
    engine = Engine(model, 2)
    pushed = engine.add(Request([3, 1], GREEDY, logit_bias={6: 100.0}))
    plain = engine.add(Request([3, 1], GREEDY))
    found = run(engine)
    assert ids(found[pushed]) == [6] * GREEDY.max_new_tokens
    assert ids(found[plain]) == ids(alone(model, Request([3, 1], GREEDY)))
    small = alone(model, Request([3, 1], replace(GREEDY, max_new_tokens=1), logit_bias={2: 0.5, 9: -1.5}))
    scores = logits_after(model, [3, 1])
    scores[2] += 0.5
    scores[9] -= 1.5
    assert small[0].id == scores.argmax()


def test_samples_of_one_seed_differ_and_each_is_its_own(model: Transformer) -> None:
    engine = Engine(model, 4)
    for sample in range(4):
        engine.add(Request([3], SETTINGS[1], sample))
    found = [ids(tokens) for _, tokens in sorted(run(engine).items())]
    assert len({tuple(each) for each in found}) == 4
    assert found == [ids(alone(model, Request([3], SETTINGS[1], sample))) for sample in range(4)]


def test_a_shorter_room_than_the_models_context_slides_or_refuses(model: Transformer) -> None:
    settings = replace(GREEDY, max_new_tokens=30)
    text = list(LONG[:10])
    for token in alone(model, Request(text, settings), max_len=16):
        start = max(0, math.ceil((len(text) - 16) / 4) * 4)  # a quarter is forgotten at a time
        assert token.id == logits_after(model, text[start:]).argmax()
        text.append(token.id)
    message = (
        r"the prompt's 10 tokens and 7 new ones are more than the context of 16 tokens: shorten the prompt, or ask"
    )
    with pytest.raises(GenerationError, match=message):
        Engine(model, 1, 16).add(Request(LONG[:10], replace(GREEDY, max_new_tokens=7), overflow="error"))
    assert len(alone(model, Request(LONG[:10], replace(GREEDY, max_new_tokens=6), overflow="error"), max_len=16)) == 6


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request([], GREEDY), "the prompt is empty and this model has no end token .* give a prompt"),
        (
            Request([1, V], GREEDY),
            f"token {V} of the prompt is not in the model's vocabulary of {V}: use the model's own",
        ),
        (
            Request([1], GREEDY, logit_bias={-1: 1.0}),
            f"logit_bias names token -1, which is not in .* vocabulary of {V}",
        ),
        (
            Request([1], GREEDY, logit_bias={1: math.nan}),
            r"logit_bias of token 1 is nan: use a number from -1e\+30 to 1e\+30",
        ),
        (
            Request([1], GREEDY, logit_bias={1: -1e300}),
            r"logit_bias of token 1 is -1e\+300: use a number from -1e\+30 to",
        ),
        (Request([1], GREEDY, logprobs=V + 1), f"logprobs = {V + 1}: use a whole number from 0 to {V}, the model's"),
        (Request([1], GREEDY, logprobs=-1), f"logprobs = -1: use a whole number from 0 to {V}"),
        (
            Request([1] * (CONTEXT + 1), GREEDY, prompt_logprobs=True),
            f"the prompt is {CONTEXT + 1} tokens long but the context only {CONTEXT}, and .* shorten the prompt",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_when_it_is_asked_for(
    model: Transformer, request_: Request, message: str
) -> None:
    engine = Engine(model, 1)
    with pytest.raises(GenerationError, match=message):
        engine.add(request_)
    assert not engine.busy


@pytest.mark.parametrize(
    ("num_slots", "max_len", "message"),
    [
        (0, 0, "num_slots = 0: use a whole number of at least 1"),
        (1, CONTEXT + 1, f"max_len = {CONTEXT + 1}: use a whole number from 1 to the model's context, {CONTEXT}"),
        (1, -3, f"max_len = -3: use a whole number from 1 to the model's context, {CONTEXT}"),
    ],
)
def test_an_impossible_engine_is_refused(model: Transformer, num_slots: int, max_len: int, message: str) -> None:
    with pytest.raises(GenerationError, match=message):
        Engine(model, num_slots, max_len)
