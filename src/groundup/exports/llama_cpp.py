"""llama.cpp as a way to read a GGUF file, through the `xllamacpp` wheel: what it makes of a text, and of ids.

The wheel is a reference that a certificate is measured with where it is installed, never needed; it is its own web server, which
answers on a port of this machine only.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.errors import ModelError

PACKAGE = "xllamacpp"
KEPT = {"cache_prompt": True}  # of a prompt that begins as the one before, only the rest is read
LETTER = "a"
CERTAIN = 1e6  # added to a logit


def is_installed() -> bool:
    """Whether the wheel is there."""
    return find_spec(PACKAGE) is not None


class LlamaCpp:
    """A GGUF file in llama.cpp, on the CPU, its cache of keys and values in fp32. Raises `ModelError` for a file that it refuses."""

    def __init__(self, path: Path, context: int, num_threads: int) -> None:
        package = import_module(PACKAGE)
        self.version = str(package.__version__)
        params = package.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel = context, 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = num_threads
        params.cache_type_k = params.cache_type_v = package.ggml_type.GGML_TYPE_F32
        # Its fast attention is off by 0.2 nats where a few tokens follow on a cached prompt (2,000 tokens of SmolLM2; without it 2e-4).
        params.flash_attn_type = package.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.warmup, params.verbosity = False, 0
        try:
            self._server = package.Server(params)
        except RuntimeError as error:
            raise ModelError(
                f"llama.cpp can't open {path.name} ({error}): end what else is running if memory is short; otherwise this is a "
                "fault of ours, please report it"
            ) from None
        self._letter = self.tokenize(LETTER)[-1]  # a token that is whole characters: of others nothing is told
        self._complete([self._letter], 1, 0)  # so that it runs: who ends a server that is still starting waits forever

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text, in which special tokens are not meant."""
        body = json.dumps({"content": text, "add_special": True, "parse_special": False}).encode()
        request = urllib.request.Request(
            f"{self._server.listening_address}/tokenize", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            ids: list[int] = json.load(answer)["tokens"]
        return ids

    def next_logprobs(self, ids: Sequence[int], vocab_size: int) -> Tensor:
        """The log-probability of each token (V,) to come after `ids`, fewer than the context has room for."""
        choice = self._complete(ids, 1, vocab_size, self._letter)["choices"][0]
        logprobs = torch.full((vocab_size,), float("-inf"))
        told = choice["logprobs"]["content"][0]["top_logprobs"]
        logprobs[[each["id"] for each in told]] = torch.tensor([float(each["logprob"]) for each in told])
        return logprobs

    def next_logprob(self, ids: Sequence[int], following: int, vocab_size: int) -> float:
        """The log-probability of one token to come after `ids`, without the time that telling those of a whole vocabulary takes."""
        told = self._complete(ids, 1, 1, following)["choices"][0]["logprobs"]
        if told and told["content"] and told["content"][0]["id"] == following:
            return float(told["content"][0]["logprob"])
        return self.next_logprobs(ids, vocab_size)[following].item()  # of a part of a character

    def tokens_per_second(self, ids: Sequence[int], num_new: int) -> float:
        """How fast it writes after a prompt, by its own clock."""
        return float(self._complete(ids, num_new, 0)["timings"]["predicted_per_second"])

    def _complete(self, ids: Sequence[int], num_new: int, num_logprobs: int, chosen: int | None = None) -> Any:
        likeliest = {"samplers": ["top_k"], "top_k": 1, "temperature": 0.0, "ignore_eos": True}
        asked: dict[str, Any] = {"logprobs": num_logprobs} if num_logprobs else {}
        if chosen is not None:  # the log-probabilities are those of before
            asked["logit_bias"] = [[chosen, CERTAIN]]
        answer = self._server.handle_completions(
            {"prompt": list(ids), "max_tokens": num_new, **likeliest, **asked, **KEPT}
        )
        if "choices" not in answer:
            raise ModelError(f"llama.cpp can't read {len(ids)} ids of its own vocabulary: {answer.get('error')}")
        return answer
