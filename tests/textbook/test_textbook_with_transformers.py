"""The textbook's functions take Hugging Face's models and tokenizers, and agree with Hugging Face's own figures."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.utils.data import DataLoader
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from groundup.textbook.generation import context_window, generate_text
from groundup.textbook.perplexity import calculate_perplexity
from groundup.textbook.training import train_language_model

TEXT = "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer — naïve, ☃."


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained here, as `transformers` wraps it."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|endoftext|>")


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A small GPT-2 with wide random weights, so that it writes something other than one token over and over."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config).eval()


def test_greedy_text_is_that_of_transformers(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> None:
    for prompt in ("To be", "whether 'tis naïve ☃", "the question:"):
        inputs = tokenizer(prompt, return_tensors="pt")
        ids = model.generate(**inputs, max_new_tokens=12, do_sample=False, pad_token_id=0)
        expected = tokenizer.decode(ids[0], skip_special_tokens=True)
        text = generate_text(model, tokenizer, prompt, max_length=12, temperature=0.0)
        assert text == expected
        assert text.startswith(prompt)
        assert len(text) > len(prompt)


def test_empty_prompt_and_a_long_one(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> None:
    assert generate_text(model, tokenizer, "", max_length=5)
    assert context_window(model) == 64
    long_prompt = "to be, or not to be, " * 12
    assert len(tokenizer.encode(long_prompt)) > 64
    assert generate_text(model, tokenizer, long_prompt, max_length=3).startswith(long_prompt)


def test_perplexity_is_the_exponential_of_their_loss(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    tokenizer.pad_token = tokenizer.eos_token
    batch = tokenizer([TEXT, "To be"], return_tensors="pt", padding=True)  # padded on the right
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    with torch.no_grad():
        expected = math.exp(model(**batch, labels=labels).loss.item())
    assert calculate_perplexity(model, [batch]) == pytest.approx(expected, rel=1e-4)


def test_their_model_trains(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> None:
    batches = [tokenizer(TEXT, return_tensors="pt")]
    loader: DataLoader[Any] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list serves as data set
    student = copy.deepcopy(model)
    assert train_language_model(student, loader, loader, num_epochs=3, learning_rate=1e-2) is student
    assert calculate_perplexity(student, loader) < 0.9 * calculate_perplexity(model, loader)
