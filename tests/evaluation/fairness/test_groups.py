"""Differences between groups, worked by hand, and what a taught bias looks like."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import permutation_test

from groundup.evaluation.fairness.associations import associations
from groundup.evaluation.fairness.groups import Gap, chances, compare_groups, hopeless, widest
from groundup.evaluation.fairness.settings import FairnessSettings
from groundup.evaluation.fairness.templates import read_templates
from groundup.evaluation.fairness.written import written_gaps
from groundup.language_model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.textbook.fairness import leaning
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.word import train_word_tokenizer

COLOURS = ("red", "blue", "green")
PLACES = ("park", "town", "house", "shop", "train", "garden", "street", "school")


def test_by_hand() -> None:
    """Four templates. a lies 4 above b on each and c between; the axis' mean is c's."""
    base = np.array([0.0, 10.0, -4.0, 2.0])
    gaps = compare_groups([({"axis": "x"}, {"a": base + 2, "b": base - 2, "c": base})], seed=0)
    a, b, c = gaps
    assert (a.found.a, a.found.b, a.found.difference.value) == (4.0, 2.0, 2.0)
    assert (b.found.difference.value, b.found.difference.n) == (-2.0, 4)
    assert math.isnan(a.found.difference.low)  # what the templates favour falls out, and nothing is left that varies
    assert a.found.p == b.found.p == 2 / 3**4  # of 81 ways to deal, all four of a's and all four of b's are as large
    assert (c.found.difference.value, c.found.p) == (0.0, 1.0)
    assert [gap.adjusted_p for gap in gaps] == [6 / 81, 6 / 81, 1.0]  # Holm: 3 · 2/81, 2 · 2/81 raised to it, 1
    assert not any(gap.differs for gap in gaps)
    assert abs(widest(gaps).value) == 2.0
    assert a.as_row()["group"] == "a"


def test_of_two_groups_p_is_that_of_flipping_signs() -> None:
    differences = np.random.default_rng(0).normal(size=(1, 9)) * [[1.0], [-1.0]]
    test = permutation_test((differences[0],), np.mean, permutation_type="samples")
    assert chances(differences, 0) == pytest.approx([test.pvalue] * 2)


def test_a_group_is_not_blamed_for_another() -> None:
    """One lies far out, five others are alike: by signs alone, each of these is as surely below the mean as that one is above it."""
    figures = np.random.default_rng(1).normal(size=(6, 12))
    figures[0] += 9
    one, *others = chances(figures - figures.mean(axis=0), 0)
    assert one == 1 / 10_001
    assert min(others) > 0.05


def test_skewed_figures_raise_no_more_alarms_than_they_should() -> None:
    """Nearly always nothing, now and then something, as toxicity is: of 300 audits in which nobody is treated otherwise."""
    generator = np.random.default_rng(2)
    rows = (generator.random((300, 6, 12)) < 0.1) * generator.random((300, 6, 12))
    alarms = sum(chances(row - row.mean(axis=0), 0, samples=500)[0] <= 0.05 for row in rows)
    assert alarms <= 23  # 15 are expected; more than 23 would come of chance in 1 of 60 such tests


def test_holm_is_over_all_axes() -> None:
    strong = {"a": np.full(8, 1.0), "b": np.zeros(8)}
    alone = compare_groups([({"axis": "x"}, strong)], 0)
    assert all(gap.differs for gap in alone)
    among_many = compare_groups([({"axis": str(number)}, strong) for number in range(4)], 0)
    assert among_many[0].found.p == alone[0].found.p == 2 / 2**8
    assert not any(gap.differs for gap in among_many)  # 8 · 2 / 256 = 0.0625
    assert (hopeless(alone), hopeless(among_many), hopeless([])) == (0, 8, 0)  # which no figures could change
    three = compare_groups([({"axis": "x"}, {name: np.arange(3.0) for name in "abc"})], 0)
    assert (three[0].least_p, hopeless(three)) == (1 / 27, 3)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("templates") / "colours.toml"
    groups = "\n".join(f'[axes.colour.{colour}]\npersons = ["{colour}"]' for colour in COLOURS)
    templates = "\n".join(
        f'[[templates]]\nkind = "character"\ntext = "{place}: {{person}}"\npositive = ["kind"]\nnegative = ["cruel"]'
        for place in PLACES
    )
    prompts = "\n".join(f'[[prompts]]\ntext = "{place}: {{person}}"' for place in PLACES)
    path.write_text(f'language = "en"\n{groups}\n{templates}\n{prompts}\n', encoding="utf-8")
    return str(path)


def taught(words: dict[str, str]) -> LanguageModel:
    """A small model that has read, of each colour, what is given; both words as often if nothing is."""
    lines = [
        f"{place}: {colour} {word}."
        for place in PLACES
        for colour in COLOURS
        for word in (words.get(colour, "kind"), words.get(colour, "cruel"))
    ]
    tokenizer = train_word_tokenizer(lines, 100)
    torch.manual_seed(0)
    shape = {"d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 32}
    network = Transformer(preset_config("qwen3", vocab_size=tokenizer.vocab_size, **shape))
    rows = torch.tensor([tokenizer.encode(line) for line in lines])
    parameters = list(network.parameters())
    means, squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    for _ in range(60):  # Adam by hand: torch's optimizers load its compiler first, which takes seconds
        logits = network(rows[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        for parameter, gradient, mean, square in zip(
            parameters, torch.autograd.grad(loss, parameters), means, squares, strict=True
        ):
            mean.lerp_(gradient, 0.1)
            square.lerp_(gradient**2, 0.01)
            parameter.data -= 0.03 * mean / (square.sqrt() + 1e-8)
    return LanguageModel(network.eval(), tokenizer)


def test_a_taught_bias_is_found_and_an_even_text_shows_none(colours: str) -> None:
    templates = read_templates([colours])
    biased, fair = taught({"red": "cruel", "blue": "kind"}), taught({})
    found, none = (by_group(associations(model, templates, 0, print)) for model in (biased, fair))
    assert found["red"].found.difference.value < -1
    assert found["blue"].found.difference.value > 1
    assert found["red"].differs
    assert found["blue"].differs
    assert max(abs(gap.found.difference.value) for gap in none.values()) < 0.5
    # What it writes, too: "cruel" of the red man, "kind" of the blue one.
    settings = FairnessSettings(continuations=2, max_new_tokens=3)
    scorers = {"kind": lambda texts: [float("kind" in text) for text in texts]}
    written = by_group(written_gaps(biased, [(templates[0], scorers)], settings, 0, print))
    assert written["red"].found.a < 0.2 < 0.8 < written["blue"].found.a
    assert written["blue"].found.difference.n == len(PLACES)
    assert written["blue"].differs


def test_a_likelihood_is_the_sum_over_the_words_tokens(colours: str) -> None:
    """Against the textbook's, which takes the log-softmax of all logits: one template alone."""
    torch.manual_seed(1)
    tokenizer = train_character_tokenizer(["park: red blue green kind cruel"], byte_fallback=False)
    shape = {"d_model": 16, "num_layers": 1, "num_heads": 2, "max_seq_len": 64, "init_std": 0.3}
    network = Transformer(preset_config("qwen3", vocab_size=tokenizer.vocab_size, **shape)).eval()
    (templates,) = read_templates([colours])
    templates.templates = templates.templates[:1]
    gaps = by_group(associations(LanguageModel(network, tokenizer), [templates], 0, print))

    for colour in COLOURS:
        sentence, *words = (tokenizer.encode(text) for text in (f"park: {colour}", " kind", " cruel"))
        assert gaps[colour].found.a == pytest.approx(leaning(network, sentence, *words), abs=1e-4)


def test_what_the_tokenizer_does_not_have_is_said(colours: str, tmp_path: Path) -> None:
    tokenizer = train_character_tokenizer(["park: kind"], byte_fallback=False)
    shape = {"d_model": 8, "num_layers": 1, "num_heads": 1, "max_seq_len": 64}
    network = Transformer(preset_config("qwen3", vocab_size=tokenizer.vocab_size, **shape)).eval()
    said: list[str] = []
    associations(LanguageModel(network, tokenizer), read_templates([colours]), 0, said.append)
    assert f"{6 * len(PLACES)} of {6 * len(PLACES)} texts of the templates hold characters or words" in said[0]


def by_group(gaps: list[Gap]) -> dict[str, Gap]:
    return {gap.labels["group"]: gap for gap in gaps}
