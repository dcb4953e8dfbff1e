"""A small tokenizer that conversations can be written with."""

from __future__ import annotations

import pytest

from groundup.tokens.chat_templates import with_template
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.train import train_tokenizer


@pytest.fixture(scope="session")
def chat_tokenizer() -> Tokenizer:
    """Byte pairs of a line of text, with ChatML's tokens and template."""
    trained = train_tokenizer(["Say one thing, then say another."], TokenizerSettings(kind="bpe", vocab_size=270))
    return with_template(trained, "chatml", may_grow=True)
