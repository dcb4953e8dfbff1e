"""Our models under lm-eval: its tasks and figures, our engine. Imports lm-eval, so import it only to use it.

    from groundup.evaluation.tasks.lm_eval_model import GroundupLM
    lm_eval.simple_evaluate(GroundupLM("runs/shakespeare"), tasks=[...])

The numbers are those of lm-eval's `hf` over the same directory, which reads it with transformers: what is asked becomes the same ids,
cut in the same places. As there, special tokens that a text spells are meant, unless the tokenizer's own settings say otherwise, as
those of our tokenizers do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundup.errors import MissingExtraError, TokenizerError
from groundup.evaluation.tasks.continuations import Continuation, log_likelihoods
from groundup.evaluation.tasks.encode import rolling_windows
from groundup.evaluation.tasks.generate import generate_until
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel

try:
    from lm_eval.api.model import TemplateLM  # type: ignore[import-untyped]
    from lm_eval.models.utils import normalize_gen_kwargs  # type: ignore[import-untyped]
except ModuleNotFoundError as error:
    if error.name != "lm_eval":
        raise
    raise MissingExtraError("lm-eval's tasks", "lm-eval") from None

NEW_TOKENS = 256  # where a task doesn't say, as in `hf`


class GroundupLM(TemplateLM):  # type: ignore[misc]
    """A model of ours, or the path of one, as lm-eval asks models."""

    def __init__(self, model: LanguageModel | str | Path) -> None:
        super().__init__()
        self.language_model = model if isinstance(model, LanguageModel) else LanguageModel.load(model)
        self._tokenizer = self.language_model.tokenizer

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return self._known(self._tokenizer.end_id)

    @property
    def prefix_token_id(self) -> int:
        """The token that what has no context is predicted from."""
        return self._known(self._tokenizer.begin_id)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """A text's ids; unless told, with the special tokens that the tokenizer puts around one, if it doesn't begin with its first."""
        if add_special_tokens is None:
            begin = self._tokenizer.begin_id
            name = "" if begin is None else self._tokenizer.decode([begin], skip_special_tokens=False)
            add_special_tokens = not (name and string.startswith(name))
        if self._tokenizer.config.get("split_special_tokens"):
            return self._tokenizer.encode(string, whole=add_special_tokens)
        return self._tokenizer.encode_with_special_tokens(string, whole=add_special_tokens)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        asked = [Continuation(context, continuation) for _, context, continuation in requests]
        found = [(one.value, one.greedy) for one in log_likelihoods(self.language_model.model, asked)]
        for (request, *_ids), answer in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood", request, answer)
        return found

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """The log-likelihood of whole texts."""
        context, begin = self.language_model.model.config.max_seq_len, self.prefix_token_id
        windows = [rolling_windows(self.tok_encode(text), begin, context) for (text,) in (one.args for one in requests)]
        found = iter(log_likelihoods(self.language_model.model, [window for each in windows for window in each]))
        sums = [sum(next(found).value for _ in each) for each in windows]
        for request, answer in zip(requests, sums, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, answer)
        return sums

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """What the model writes after each context, up to its stop texts."""
        texts = [""] * len(requests)
        by_settings: dict[GenerationSettings, list[int]] = {}
        for number, request in enumerate(requests):
            by_settings.setdefault(_generation_settings(request.args[1]), []).append(number)
        for settings, numbers in by_settings.items():
            prompts = [self.tok_encode(requests[number].args[0]) for number in numbers]
            for number, text in zip(numbers, generate_until(self.language_model, prompts, settings), strict=True):
                texts[number] = text
                self.cache_hook.add_partial("generate_until", requests[number].args, text)
        return texts

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval's cache of requests tells tokenizers apart by."""
        return self._tokenizer.sha256

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The template that conversations are written by."""
        template = self.language_model.chat_template
        return None if template is None or not chat_template else template.source

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A conversation's text; without `add_generation_prompt` up to its last message's end, which the model is to go on with."""
        template = self.language_model.chat_template
        if template is None:
            raise TokenizerError("the model has no chat template: leave out apply_chat_template")
        text = template.render(chat_history, add_generation_prompt)
        if add_generation_prompt:
            return text
        last = chat_history[-1]["content"].lstrip()
        start = text.rindex(last.rstrip())
        return text[: start + len(last if text[start:].startswith(last) else last.rstrip())]  # a template may strip it

    def _known(self, token_id: int | None) -> int:
        if token_id is None:
            raise TokenizerError(
                "the model's tokenizer has no token that begins or ends a text, which lm-eval needs: add one"
            )
        return token_id


def _generation_settings(values: Mapping[str, Any]) -> GenerationSettings:
    """lm-eval's generation_kwargs; greedy unless they say otherwise."""
    given = normalize_gen_kwargs(values, NEW_TOKENS)
    sampled = bool(given.get("do_sample"))
    return GenerationSettings(
        max_new_tokens=given["max_gen_toks"],
        temperature=float(given.get("temperature", 1.0)) if sampled else 0.0,
        top_k=int(given.get("top_k", 0)),
        top_p=float(given.get("top_p", 1.0)),
        stop=tuple(text for text in given["until"] if text),
    )
