"""A text that is being written ends at any of the model's end tokens, a reply at the end of its turn, as in transformers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from groundup.errors import TokenizerError
from groundup.generation.generation import Generation
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel, load
from groundup.recipe.save import ModelFiles

PROMPTS = ["Speak", "All:", "Before we", "hear", "any further,"]
GREEDY: dict[str, Any] = {"max_new_tokens": 16, "temperature": 0.0}


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def stock_text(directory: Path, language_model: LanguageModel, prompt: str) -> str:
    """What transformers writes, up to the token that stopped it."""
    stock = AutoModelForCausalLM.from_pretrained(directory).eval()
    ids = language_model.tokenizer.encode(prompt)
    found = stock.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=16,
    )[0, len(ids) :].tolist()
    return language_model.tokenizer.decode(found[:-1] if found[-1] in language_model.tokenizer.end_ids else found)


@pytest.mark.parametrize("where", ["both files", "config.json alone"])
def test_a_text_ends_at_any_of_the_end_tokens_as_in_transformers(where: str, directory: Path) -> None:
    whole = [load(directory).generate(prompt, **GREEDY) for prompt in PROMPTS]
    ends = [load(directory).tokenizer.encode(text[5 + number])[0] for number, text in enumerate(whole[:3])]
    files = [directory / name for name in ("config.json", "generation_config.json")]
    change(files[0], eos_token_id=[0, *ends] if where == "config.json alone" else 0)
    change(files[1], eos_token_id=[0, *ends])
    if where == "config.json alone":
        files[1].unlink()
    language_model = load(directory)
    assert language_model.tokenizer.end_id == 0
    assert set(language_model.tokenizer.end_ids) == {0, *ends}
    texts = [language_model.generate(prompt, **GREEDY) for prompt in PROMPTS]
    assert texts != whole
    assert texts == [stock_text(directory, language_model, prompt) for prompt in PROMPTS]
    ModelFiles(language_model.model, language_model.tokenizer).save(directory)
    for file in files:
        assert set(json.loads(file.read_text())["eos_token_id"]) == {0, *ends}
    assert load(directory).tokenizer.end_ids == language_model.tokenizer.end_ids


def test_a_reply_ends_where_the_template_ends_the_turn(language_model: LanguageModel) -> None:
    """Though no configuration names that token as an end: a text goes on behind it."""
    tokenizer, model = language_model.tokenizer, copy.deepcopy(language_model.model)
    pad_id, prompt = tokenizer.pad_id, tokenizer.encode("hear")
    new = [token.id for [token] in Generation(model, [prompt], GenerationSettings(**GREEDY))]
    place = next(place for place in range(2, 16) if new[place] not in [*prompt, *new[:place]])
    with torch.no_grad():  # the two tokens change places, and else it writes what it wrote
        model.token_embedding.weight[[new[place], pad_id]] = model.token_embedding.weight[[pad_id, new[place]]]
    replies = []
    for end in ("<|pad|>\n", " <|pad|>", "."):
        turns = f"{{% for m in messages %}}{{{{ m.content }}}}{{% if m.role == 'assistant' %}}{end}{{% endif %}}{{% endfor %}}"
        talker = LanguageModel(model, tokenizer.with_config({"chat_template": turns}))
        replies.append(talker.chat([{"role": "user", "content": "hear"}], **GREEDY))
    assert replies[0] == replies[1] == tokenizer.decode(new[:place])
    assert len(replies[2]) > len(replies[0])


@pytest.mark.parametrize("template", ["Be brief.", "{% for m in messages %}{{ m.role }}{% endfor %}"])
def test_a_template_that_leaves_out_what_is_said_is_named(template: str, language_model: LanguageModel) -> None:
    tokenizer = language_model.tokenizer.with_config({"chat_template": template})
    with pytest.raises(TokenizerError, match="the chat template leaves out what the user says, so the model would"):
        LanguageModel(language_model.model, tokenizer).chat([{"role": "user", "content": "Speak"}])
