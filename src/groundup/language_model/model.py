"""`LanguageModel`: load, generate, stream, complete, score, chat."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from groundup.config import build
from groundup.device import give_back_freed_memory, pick_device
from groundup.errors import GenerationError, SettingError, TokenizerError
from groundup.generation.forward import Forward
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.language_model.adapters import open_model, tokenizer_directory, with_bases
from groundup.language_model.chat import TURN_END, Message, check_messages, transcript
from groundup.language_model.complete import COMPLETION_DEFAULTS, complete
from groundup.language_model.locate import find_model, verify_as_written
from groundup.language_model.score import Score, log_likelihoods
from groundup.language_model.text_engine import TextEngine
from groundup.model.transformer import Transformer
from groundup.tokens.conversation import encode_conversation, end_of_turn
from groundup.tokens.language_tags import opening
from groundup.tokens.tokenizer import Tokenizer


class GroundupWarning(UserWarning):
    """Something that the user should know, and that goes on all the same."""


class LanguageModel:
    """A model with its tokenizer. Text in, text out.

    What is generated follows from the prompt and the settings alone. An empty prompt starts a new text (from the end
    token). A prompt must fit the model's context; what is generated may outgrow it: then the oldest part of the text is
    forgotten (`groundup.generation.engine.Engine` says how). Characters of a prompt that the tokenizer never saw
    are read as the unknown token, with a `GroundupWarning`.

    Keywords of `generate`, `stream`, `chat` and `chat_stream` are the fields of `GenerationSettings`.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        if tokenizer.vocab_size > model.config.vocab_size:
            raise TokenizerError(
                f"the tokenizer has {tokenizer.vocab_size} tokens but the model only {model.config.vocab_size}: "
                "use the tokenizer that the model was trained with"
            )
        self.model, self.tokenizer = model, tokenizer
        self.chat_template = tokenizer.chat_template
        """How conversations are written for this model; None if it was not taught to converse."""
        self.forward: Forward | None = None
        """What generates in place of the network's own pass, such as a graph that was proved equal; None for none. `score`, evaluation,
        a prompt's log-probabilities and what looks inside the model stay with its own pass, in its own weights."""

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> LanguageModel:
        """Open a run's folder (its `model/`, else its newest checkpoint), a checkpoint, a Hugging Face directory, or an adapter, which
        is merged into the base that it names.

        Of a run, each file is compared with its hash first. Raises `RunError` naming one that was damaged since it was
        written, `ModelError` if it is none of these or its weights cannot be read, `TokenizerError` if its tokenizer
        cannot be read or does not fit.
        """
        directory = find_model(path)
        for one in with_bases(directory):
            verify_as_written(one.resolve())
        tokenizer = Tokenizer.load(tokenizer_directory(directory))
        give_back_freed_memory()  # reading it took 50 MB for a moment, which the weights need now
        model = open_model(directory)
        give_back_freed_memory()  # and what reading them took, before there is anything to compute
        return cls(model.to(pick_device(device, "device")).eval(), tokenizer)

    def generate(self, prompt: str, **fields: object) -> str:
        """The text that the model adds to the prompt; without the prompt, the end token and the stop text.

        Raises `SettingError` for a field that doesn't exist or a value that it can't have, `GenerationError` for a
        prompt that is longer than the context, or empty where the tokenizer has no end token.
        """
        return "".join(self.stream(prompt, **fields))

    def stream(self, prompt: str, **fields: object) -> Iterator[str]:
        """What `generate` returns, in pieces as they come: whole characters, and never a part of a stop text."""
        return self.stream_with(prompt, _settings(fields))

    def stream_with(self, prompt: str, settings: GenerationSettings) -> Iterator[str]:
        """`stream`, with the settings in one object."""
        if settings.num_samples != 1:
            raise SettingError(
                "generation.num_samples", settings.num_samples, "this makes one text; generate_samples makes several"
            )
        pieces = self._pieces(self._encode_prompt(prompt, settings.language), settings)
        return (text for _, text in pieces)

    def generate_samples(self, prompt: str, settings: GenerationSettings) -> list[str]:
        """`settings.num_samples` continuations of the prompt, in one batch; the first is what `generate` returns."""
        samples = [""] * settings.num_samples
        for row, text in self._pieces(self._encode_prompt(prompt, settings.language), settings):
            samples[row] += text
        return samples

    def complete(
        self, prefix: str, suffix: str = "", line: bool = False, prefix_first: bool = False, **fields: object
    ) -> str:
        """What belongs between two texts, the likeliest by default; with `line`, the rest of the line only.

        Of texts longer than the context, what is near the cursor is read. It ends where the model ends it, before a stop text, after
        `max_new_tokens` (64 by default), or at the context's end. The suffix is read before the prefix, or after it with `prefix_first`,
        which other makers' models may need. Raises `GenerationError` for a suffix where the model's tokenizer lacks
        the tokens for it, `SettingError` as `generate` does.
        """
        settings = _settings({**COMPLETION_DEFAULTS, **fields})
        if settings.num_samples != 1:
            raise SettingError("generation.num_samples", settings.num_samples, "a completion is one text; leave it out")
        if line:
            settings = replace(settings, stop=("\n", *settings.stop))
        for text, name in ((prefix, "prefix"), (suffix, "suffix")):
            self._encode(text, name)  # checks that it is a text, and warns of what the tokenizer never saw
        return complete(self.model, self.tokenizer, prefix, suffix, settings, prefix_first, self.forward)

    def score(self, texts: Sequence[str]) -> list[Score]:
        """How likely each text is, as a text of its own: its first token is predicted from the end token.

        Where the tokenizer has no end token, the first token is only read, not counted. Characters that the tokenizer
        never saw count as the unknown token, with a `GroundupWarning`.
        """
        if isinstance(texts, str) or not isinstance(texts, Sequence):
            raise GenerationError("score takes a list of texts: put the text in [brackets]")
        start = [] if self.tokenizer.end_id is None else [self.tokenizer.end_id]
        sequences = [start + self._encode(text, "text") for text in texts]
        likelihoods = log_likelihoods(self.model, sequences)
        return [
            Score(likelihood, max(0, len(ids) - 1), len(text.encode()))
            for likelihood, ids, text in zip(likelihoods, sequences, texts, strict=True)
        ]

    def chat(self, messages: Sequence[Message], **fields: object) -> str:
        """The model's reply to a conversation: `[{"role": "user", "content": "Good morrow."}, …]`.

        A model with a chat template reads the conversation as that writes it, and its turn lasts until it ends it. Another reads a
        plain transcript, one blank line between the turns, and its turn lasts until it writes a blank line. Of a conversation that is
        longer than the context, the oldest messages are left out, a system message last. Raises `GenerationError` for messages that
        aren't, `TokenizerError` for a template that refuses them.
        """
        return "".join(self.chat_stream(messages, **fields))

    def chat_stream(self, messages: Sequence[Message], **fields: object) -> Iterator[str]:
        """What `chat` returns, in pieces as they come."""
        check_messages(messages)
        settings = _settings(fields)
        # Each turn draws other numbers, or replies would resemble each other.
        settings = replace(settings, seed=(settings.seed + len(messages) - 1) % 2**63)
        if self.chat_template is not None:
            return (text for _, text in self._pieces(self._encode_conversation(messages), settings, self._turn_ends))
        settings = replace(settings, stop=(TURN_END, *settings.stop))
        tag = opening(self.tokenizer, settings.language) if settings.language else []
        kept, room = list(messages), self.model.config.max_seq_len - len(tag)
        while len(kept) > 1 and len(self.tokenizer.encode(transcript(kept))) > room:
            del kept[0]
        return self.stream_with(transcript(kept), settings)

    def chat_ids(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """The ids of a conversation up to the assistant's turn, and those that its turn ends at: for many conversations in one engine.
        Needs a chat template. Raises as `chat` does."""
        check_messages(messages)
        return self._encode_conversation(messages), self._turn_ends

    @cached_property
    def _turn_ends(self) -> list[int]:
        """Every id at which the assistant's turn ends."""
        end = None if self.chat_template is None else end_of_turn(self.tokenizer, self.chat_template)
        return [*self.tokenizer.end_ids, *([] if end is None else [end])]

    def _encode_conversation(self, messages: Sequence[Message]) -> list[int]:
        assert self.chat_template is not None
        kept, room = list(messages), self.model.config.max_seq_len - 1
        while len(ids := encode_conversation(self.tokenizer, self.chat_template, kept, True)) > room:
            oldest = 1 if kept[0]["role"] == "system" else 0
            if oldest >= len(kept) - 1:
                raise GenerationError(
                    f"the last message is {len(ids):,} tokens long but the model's context only {room + 1:,}: shorten it"
                )
            del kept[oldest]
        return ids

    def continue_ids(self, ids: list[int], settings: GenerationSettings) -> str:
        """The text that the model adds to tokens, such as a conversation's up to the assistant's turn."""
        return "".join(text for _, text in self._pieces(ids, replace(settings, num_samples=1), self._turn_ends))

    def _pieces(
        self, prompt_ids: list[int], settings: GenerationSettings, stop_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[int, str]]:
        """(row, new text) as it comes, for each of `num_samples` rows; it ends at `stop_ids`, or else at the tokenizer's end tokens."""
        longest = max(1, len(prompt_ids)) + settings.max_new_tokens
        max_len = min(self.model.config.max_seq_len, longest)
        engine = TextEngine(self, settings.num_samples, max_len, piece=0)
        ends = None if stop_ids is None else frozenset(stop_ids)
        for sample in range(settings.num_samples):
            engine.add(Request(prompt_ids, settings, sample, ends))
        return self._texts(engine)

    @staticmethod
    def _texts(engine: TextEngine) -> Iterator[tuple[int, str]]:
        while engine.busy:
            for piece in engine.step():
                if piece.text:
                    yield piece.ticket, piece.text

    def check_prompt(self, prompt: str) -> None:
        """Raise `GenerationError` for a prompt that `generate` would refuse."""
        if not self._encode_prompt(prompt) and self.tokenizer.end_id is None:
            raise GenerationError(
                "the prompt is empty, and the tokenizer has no end token to start from: give a prompt"
            )

    def _encode_prompt(self, prompt: str, language: str = "") -> list[int]:
        ids = self._encode(prompt, "prompt")
        if language:
            ids = opening(self.tokenizer, language) + ids
        limit = self.model.config.max_seq_len
        if len(ids) > limit:
            raise GenerationError(
                f"the prompt is {len(ids):,} tokens long but the model's context only {limit:,}: shorten the prompt"
            )
        return ids

    def _encode(self, text: str, what: str) -> list[int]:
        """The text's ids; warns of characters that the tokenizer never saw."""
        if not isinstance(text, str):
            raise GenerationError(f"the {what} is {text!r}, a {type(text).__name__}: give a text")
        ids, unknown_id = self.tokenizer.encode(text), self.tokenizer.unknown_id
        if unknown_id is not None and unknown_id in ids:
            unseen = [character for character in dict.fromkeys(text) if unknown_id in self.tokenizer.encode(character)]
            shown = ", ".join(map(repr, unseen[:8])) + (", …" if len(unseen) > 8 else "")
            warnings.warn(
                f"{ids.count(unknown_id):,} of the {what}'s {len(ids):,} tokens are unknown to the model ({shown}): "
                "it never saw them in training, and takes them all for the same",
                GroundupWarning,
                stacklevel=2,
            )
        return ids


load = LanguageModel.load


def _settings(fields: Mapping[str, object]) -> GenerationSettings:
    """Keywords as settings; one stop text may be given bare."""
    if isinstance(fields.get("stop"), str):
        fields = {**fields, "stop": (fields["stop"],)}
    return build(GenerationSettings, fields, prefix="generation.")
