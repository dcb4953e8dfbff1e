"""Load, generate, stream, chat: as a user calls them."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import groundup
from groundup.errors import GenerationError, ModelError, SettingError, TokenizerError
from groundup.generation.generation import Generation
from groundup.generation.settings import GenerationSettings
from groundup.language_model import GroundupWarning, LanguageModel, load
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n"  # as in conftest.py
PROMPT = "Speak"
FIELDS: dict[str, Any] = {"max_new_tokens": 60, "temperature": 1.0, "seed": 4}


def test_a_loaded_directory_generates_what_was_saved(language_model: LanguageModel, directory: Path) -> None:
    loaded = load(directory, device="cpu")
    assert loaded.generate(PROMPT, **FIELDS) == language_model.generate(PROMPT, **FIELDS)
    assert groundup.load is load
    assert not loaded.model.training
    ids = torch.tensor([loaded.tokenizer.encode(PROMPT)])
    assert torch.equal(loaded.model(ids), language_model.model(ids))


def test_generate_gives_the_text_of_the_engines_ids(language_model: LanguageModel) -> None:
    tokenizer = language_model.tokenizer
    steps = Generation(language_model.model, [tokenizer.encode(PROMPT)], GenerationSettings(**FIELDS), tokenizer.end_id)
    ids = [token.id for tokens in steps for token in tokens]
    text = language_model.generate(PROMPT, **FIELDS)
    assert text == tokenizer.decode(ids)
    assert len(text) > 32 - len(PROMPT)  # past the context


def test_the_stream_joined_is_the_text(language_model: LanguageModel) -> None:
    pieces = list(language_model.stream(PROMPT, **FIELDS))
    assert len(pieces) > 30
    assert all(pieces)
    assert "".join(pieces) == language_model.generate(PROMPT, **FIELDS)


def test_several_samples_differ_and_the_first_is_what_generate_gives(language_model: LanguageModel) -> None:
    samples = language_model.generate_samples(PROMPT, GenerationSettings(**FIELDS, num_samples=5))
    assert len(set(samples)) == 5
    assert samples[0] == language_model.generate(PROMPT, **FIELDS)
    assert samples[:2] == language_model.generate_samples(PROMPT, GenerationSettings(**FIELDS, num_samples=2))


def test_one_text_is_asked_for_where_one_is_given(language_model: LanguageModel) -> None:
    with pytest.raises(SettingError, match=r"generation.num_samples = 2: this makes one text; generate_samples makes"):
        language_model.generate(PROMPT, num_samples=2)


def test_a_stop_text_ends_the_text_before_it(language_model: LanguageModel) -> None:
    whole = language_model.generate(PROMPT, **FIELDS)
    stop = whole[20:23]  # three tokens of the character tokenizer
    expected = whole[: whole.index(stop)]
    assert language_model.generate(PROMPT, **FIELDS, stop=(stop,)) == expected
    assert language_model.generate(PROMPT, **FIELDS, stop=["no such text", stop]) == expected
    assert language_model.generate(PROMPT, **FIELDS, stop=stop) == expected  # one may stand bare
    assert "".join(language_model.stream(PROMPT, **FIELDS, stop=stop)) == expected
    settings = GenerationSettings(**FIELDS, num_samples=4)
    whole_samples = language_model.generate_samples(PROMPT, settings)
    stopped = language_model.generate_samples(PROMPT, replace(settings, stop=(stop[0],)))
    assert stopped == [text.split(stop[0])[0] for text in whole_samples]


def test_a_stop_text_that_never_comes_changes_nothing(language_model: LanguageModel) -> None:
    whole = language_model.generate(PROMPT, **FIELDS)
    assert language_model.generate(PROMPT, **FIELDS, stop=(whole[-3:] + "§",)) == whole


def test_the_end_token_ends_the_text_and_is_not_in_it(language_model: LanguageModel) -> None:
    tokenizer = language_model.tokenizer
    settings = GenerationSettings(**{**FIELDS, "max_new_tokens": 500}, num_samples=8)
    generation = Generation(language_model.model, [tokenizer.encode(PROMPT)] * 8, settings, tokenizer.end_id)
    ids: list[list[int]] = [[] for _ in range(8)]
    for tokens in generation:
        for token in tokens:
            ids[token.row].append(token.id)
    assert any(row[-1] == tokenizer.end_id for row in ids)
    assert language_model.generate_samples(PROMPT, settings) == [tokenizer.decode(row) for row in ids]


def test_an_end_token_that_is_an_ordinary_token_is_left_out_too(language_model: LanguageModel) -> None:
    """As in directories of others, whose tokenizer doesn't mark it as special."""
    tokenizer = train_character_tokenizer([TEXT], byte_fallback=False)
    whole = language_model.generate(PROMPT, **FIELDS)
    tokenizer.end_id = tokenizer.encode(whole[10])[0]
    assert LanguageModel(language_model.model, tokenizer).generate(PROMPT, **FIELDS) == whole.split(whole[10])[0]


def test_an_empty_prompt_starts_a_new_text(language_model: LanguageModel) -> None:
    assert (
        language_model.generate("", max_new_tokens=5, seed=1)
        == language_model.generate("", max_new_tokens=9, seed=1)[:5]
    )


def test_an_empty_prompt_needs_an_end_token(language_model: LanguageModel) -> None:
    tokenizer = train_character_tokenizer(["Speak"], byte_fallback=False)
    tokenizer.end_id = None
    with pytest.raises(GenerationError, match="the prompt is empty and this model has no end token to start from"):
        LanguageModel(language_model.model, tokenizer).generate("")


def test_a_prompt_may_fill_the_context_but_not_exceed_it(language_model: LanguageModel) -> None:
    assert language_model.generate("k" * 32, max_new_tokens=3)
    with pytest.raises(GenerationError, match="the prompt is 33 tokens long but the model's context only 32: shorten"):
        language_model.stream("k" * 33)  # said at once, not when the first piece is asked for


def test_a_misspelt_setting_is_answered_with_the_right_one(language_model: LanguageModel) -> None:
    with pytest.raises(SettingError, match=r"generation.temprature: .* did you mean generation.temperature\?"):
        language_model.generate(PROMPT, temprature=0.5)
    with pytest.raises(SettingError, match=r"generation.max_new_tokens = 'many': this should be a whole number"):
        language_model.generate(PROMPT, max_new_tokens="many")
    with pytest.raises(SettingError, match=r"generation.temperature = -1\.0: use a finite number of at least 0"):
        language_model.generate(PROMPT, temperature=-1.0)


def test_characters_that_the_tokenizer_never_saw_are_counted_and_named(language_model: LanguageModel) -> None:
    with pytest.warns(
        GroundupWarning, match=r"3 of the prompt's 8 tokens are unknown to the model \('é', '😀'\): it never"
    ):
        text = language_model.generate("Spéak é😀", **FIELDS)
    assert len(text) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        language_model.generate("Speak", **FIELDS)


def test_many_unknown_characters_are_not_all_listed(language_model: LanguageModel) -> None:
    with pytest.warns(GroundupWarning, match=r"10 of the prompt's 10 tokens .* \('0', '1', .*, '7', …\)"):
        language_model.generate("0123456789", **FIELDS)


def test_a_tokenizer_larger_than_the_model_is_refused(language_model: LanguageModel) -> None:
    tokenizer = language_model.tokenizer
    model = Transformer(
        preset_config("llama", vocab_size=tokenizer.vocab_size - 1, d_model=8, num_heads=2, num_layers=1)
    )
    message = f"the tokenizer has {tokenizer.vocab_size} tokens but the model only {tokenizer.vocab_size - 1}: use"
    with pytest.raises(TokenizerError, match=message):
        LanguageModel(model, tokenizer)


def test_a_model_with_spare_embedding_rows_is_fine(language_model: LanguageModel) -> None:
    tokenizer = language_model.tokenizer
    model = Transformer(
        preset_config("llama", vocab_size=tokenizer.vocab_size + 50, d_model=8, num_heads=2, num_layers=1)
    )
    assert isinstance(LanguageModel(model, tokenizer).generate(PROMPT, max_new_tokens=50, temperature=5.0), str)


def test_loading_without_a_tokenizer_or_weights_says_so(directory: Path) -> None:
    (directory / "tokenizer.json").rename(directory / "kept")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        load(directory)
    (directory / "kept").rename(directory / "tokenizer.json")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"holds a pickle only \(pytorch_model.bin\)"):
        load(directory)


def test_chat_goes_on_from_a_transcript_until_a_blank_line(language_model: LanguageModel) -> None:
    messages = [
        {"role": "user", "content": "Speak, speak.\n"},
        {"role": "assistant", "content": "hear me"},
        {"role": "user", "content": "we"},
    ]
    fields = {**FIELDS, "max_new_tokens": 300, "seed": 97}  # a text with a blank line in it
    whole = language_model.generate("Speak, speak.\n\nhear me\n\nwe\n\n", **fields)
    assert "\n\n" in whole
    expected = whole.split("\n\n")[0]
    fields["seed"] = 97 - 2  # each turn draws other numbers: two messages came before this one
    assert language_model.chat(messages, **fields) == expected
    assert "".join(language_model.chat_stream(messages, **fields)) == expected
    stop = expected[5:7]
    assert language_model.chat(messages, **fields, stop=(stop,)) == expected.split(stop)[0]


def test_chat_leaves_out_the_oldest_messages_when_the_context_is_full(language_model: LanguageModel) -> None:
    recent = [{"role": "assistant", "content": "hear me speak."}, {"role": "user", "content": "we proceed"}]
    older = [{"role": "user", "content": "Before we proceed any further"}] * 3
    seed = 5
    with_older = language_model.chat([*older, *recent], **{**FIELDS, "seed": seed})
    assert with_older == language_model.chat(recent, **{**FIELDS, "seed": seed + len(older)})
    with pytest.raises(GenerationError, match="the prompt is 36 tokens long"):
        language_model.chat([{"role": "user", "content": "we proceed any further hear me now"}])


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "there are no messages to reply to: give at least one"),
        (["Speak"], r"messages\[0\] = 'Speak': write it as"),
        ([{"role": "user"}], r"messages\[0\] = .*: write it as"),
        ([{"role": "user", "content": None}], r"messages\[0\] = .*: write it as"),
        ([{"role": "king", "content": "Speak"}], r"messages\[0\] has the role 'king': use system, user, assistant"),
        (
            [{"role": "assistant", "content": "Speak"}],
            r"the last message has the role 'assistant': end with the user's",
        ),
    ],
)
def test_what_is_not_a_conversation_is_refused(language_model: LanguageModel, messages: Any, message: str) -> None:
    with pytest.raises(GenerationError, match=message):
        language_model.chat(messages)


def test_a_model_with_a_chat_template_reads_what_that_writes(directory: Path) -> None:
    config = directory / "tokenizer_config.json"
    values = json.loads(config.read_text())
    template = "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}:{% endif %}"
    config.write_text(json.dumps({**values, "chat_template": template}))
    language_model = load(directory)
    messages = [
        {"role": "user", "content": "Speak"},
        {"role": "assistant", "content": "e"},
        {"role": "user", "content": "ak"},
    ]
    assert language_model.chat(messages, max_new_tokens=8, temperature=0.0, seed=0) == language_model.generate(
        "Speakeak:", max_new_tokens=8, temperature=0.0
    )
    long = [{"role": "system", "content": "Be"}, *messages[:2] * 40, messages[2]]
    kept = language_model._encode_conversation(long)
    assert len(kept) < language_model.model.config.max_seq_len
    assert language_model.tokenizer.decode(kept).startswith(
        "Be"
    )  # the oldest are left out, but not what the system says
    with pytest.raises(GenerationError, match=r"the last message is .* tokens long but the model's context only"):
        language_model.chat([{"role": "user", "content": "Speak" * 200}])
    config.write_text(json.dumps(values))
    (directory / "chat_template.jinja").write_text("{{ raise_exception('never') }}")
    with pytest.raises(TokenizerError, match="TemplateError: never"):
        load(directory).chat(messages)
