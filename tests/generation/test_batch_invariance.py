"""Whatever else is in the batch, a text's scores are those that it would have alone: for each pass that the engine can take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from groundup.exports.onnx_forward import OnnxForward
from groundup.exports.quantize import Quantize
from groundup.generation.context import context_start
from groundup.generation.engine import Engine
from groundup.generation.forward import Forward, evaluating, last_logits
from groundup.generation.request import Request, Token
from groundup.generation.settings import GenerationSettings
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import KVCache, Transformer

Pass = Literal["PyTorch", "ONNX Runtime", "int8", "int4"]
V, CONTEXT = 23, 48
NETWORKS: dict[Preset, dict[str, Any]] = {
    "classic": {},
    "gpt2": {},
    "mistral": {"sliding_window": 7},
    "qwen3": {"num_kv_heads": 1},
}
COMMON = [(7 * place) % V for place in range(CONTEXT)]  # what many prompts begin with
SAME = 1e-4  # logits, of which the largest are about 5


@cache
def network(preset: Preset) -> Transformer:
    """A network whose scores hang on everything it reads."""
    torch.manual_seed(0)
    shape = {"vocab_size": V, "d_model": 32, "num_layers": 2, "num_heads": 2, "max_seq_len": CONTEXT}
    config = preset_config(preset, initialization="normal", init_std=0.2, dropout=0.0, **shape, **NETWORKS[preset])
    model = Transformer(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.3 * torch.randn(parameter.shape)
    return model


@cache
def pass_of(preset: Preset, name: Pass) -> Forward:
    quantize: dict[Pass, Quantize] = {"int8": "int8", "int4": "int4"}
    if name == "PyTorch":
        return last_logits(network(preset))
    return OnnxForward.of_model(network(preset), quantize.get(name, ""), num_threads=1)


class Batch:
    """An engine beside what each of its texts would get alone: the same pass over its context, in a cache of its own."""

    def __init__(self, preset: Preset, name: Pass, num_slots: int = 3, **fields: Any) -> None:
        self.model, self.forward = network(preset), pass_of(preset, name)
        self.engine = Engine(self.model, num_slots, forward=self._recording, **fields)
        self.texts: dict[int, list[int]] = {}
        self.apart: list[float] = []
        """Of each token: the largest difference of a score."""
        self._latest = torch.empty(0)

    def _recording(self, ids: Tensor, cache: KVCache) -> Tensor:
        self._latest = self.forward(ids, cache)
        return self._latest

    def add(self, prompt: Sequence[int], **fields: Any) -> int:
        settings = {key: fields.pop(key) for key in ("max_new_tokens", "temperature") if key in fields}
        ticket = self.engine.add(Request(prompt, GenerationSettings(**settings), **fields))
        self.texts[ticket] = list(prompt)
        return ticket

    def step(self) -> list[Token]:
        tokens = self.engine.step()
        for scores, token in zip(self._latest if tokens else (), tokens, strict=True):
            text = self.texts[token.ticket]
            self.apart.append(float((scores - self.alone(text)).abs().max()))
            text.append(token.id)
        return tokens

    def alone(self, text: Sequence[int]) -> Tensor:
        context = text[context_start(len(text), self.engine.max_len, self.engine.slide) :]
        cache = KVCache(self.model.config, 1, self.engine.max_len, "cpu")
        with evaluating(self.model):
            if len(context) > 1:
                self.forward(torch.tensor([context[:-1]]), cache)
            return self.forward(torch.tensor([context[-1:]]), cache)[0]


prompts = st.one_of(
    st.lists(st.integers(0, V - 1), min_size=1, max_size=40), st.integers(1, 39).map(lambda n: [*COMMON[:n], n % V])
)
add = st.fixed_dictionaries(
    {"prompt": prompts, "max_new_tokens": st.integers(1, 30), "temperature": st.sampled_from([0.0, 1.0])},
    optional={"prompt_logprobs": st.just(True), "logprobs": st.just(1)},
)
events = st.lists(st.one_of(add, st.integers(1, 6), st.tuples(st.integers(0, 9))), min_size=4, max_size=25)


@pytest.mark.parametrize("name", get_args(Pass)[:2])
@hypothesis_settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(list(NETWORKS)),
    st.integers(1, 4),
    st.sampled_from([0, 1, 5, 128]),
    st.sampled_from([(40, None), (CONTEXT, 1), (CONTEXT, CONTEXT)]),
    events,
)
def test_scores_are_the_lone_texts_within_a_ten_thousandth(
    name: Pass, preset: Preset, num_slots: int, piece: int, room: tuple[int, int | None], events: list[Any]
) -> None:
    """Texts that join (an addition), run for some steps (a number), are canceled (a tuple), share beginnings, are scored, and slide."""
    batch = Batch(preset, name, num_slots, piece=piece, max_len=room[0], slide=room[1])
    for event in events:
        if isinstance(event, dict):
            batch.add(**event)
        elif isinstance(event, tuple):
            batch.engine.cancel(*event)
        else:
            for _ in range(event):
                batch.step()
    assert max(batch.apart, default=0.0) < SAME


@pytest.mark.parametrize("name", get_args(Pass)[2:])
def test_quantized_scores_are_the_lone_texts_but_where_an_activation_is_rounded_otherwise(name: Pass) -> None:
    """Sums in another order differ by some 1e-7, which may lift an activation over the edge between two whole numbers."""
    batch = Batch("gpt2", name, piece=5)
    for number in range(6):
        batch.add([*COMMON[: 6 * number], number], max_new_tokens=30)
        batch.step()
    while batch.engine.busy:
        batch.step()
    assert len(batch.apart) == 6 * 30
    assert sum(each > SAME for each in batch.apart) < 9
    assert max(batch.apart) < 0.2


@pytest.mark.parametrize("name", get_args(Pass))
def test_who_shares_a_beginning_with_a_scored_prompt_reads_what_the_pass_has_written(name: Pass) -> None:
    """Prompts are scored by the network's own pass, in its own weights; what that read must not be what others go on from."""
    batch = Batch("qwen3", name, piece=5)
    prompt = COMMON[:30]
    batch.add([9], max_new_tokens=20)
    batch.step()
    scored = batch.add(prompt, max_new_tokens=3, prompt_logprobs=True, logprobs=1)
    batch.add([*prompt, 4], max_new_tokens=3)
    found = [token for _ in range(30) for token in batch.step()]
    assert batch.engine.num_reused > 16
    assert max(batch.apart) < SAME
    told = next(token.prompt for token in found if token.ticket == scored)
    with evaluating(batch.model):
        expected = batch.model(torch.tensor([prompt]))[0].log_softmax(-1)
    assert told is not None
    assert [each.logprob for each in told] == pytest.approx(
        [float(expected[place, token]) for place, token in enumerate(prompt[1:])], abs=SAME
    )
