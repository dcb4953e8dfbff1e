"""Settings: files, overrides, did-you-mean, and ranges; each message names the setting, the value and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.config import build, field_sentences, merge, parse_overrides, read_toml, write_toml
from groundup.errors import SettingError
from groundup.recipe.settings import Recipe, build_recipe, load_recipe, shipped_recipes
from groundup.text.settings import DataSettings


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "training.lerning_rate=1",
            "training.lerning_rate: there is no such setting; did you mean training.learning_rate?",
        ),
        ("max_steps=3", "max_steps: there is no such setting; did you mean training.max_steps?"),
        ("trainig.max_steps=3", "trainig: there is no such setting; did you mean training?"),
        ("training.learning_rate=nan", "training.learning_rate = nan: use a finite number above 0"),
        ("training.learning_rate=-1.0", "training.learning_rate = -1.0: use a finite number above 0"),
        ("training.learning_rate=inf", "training.learning_rate = inf: use a finite number above 0"),
        ("training.max_steps=many", "training.max_steps = 'many': this should be a whole number"),
        ("training.max_steps=1.5", "training.max_steps = 1.5: this should be a whole number"),
        (
            "data.canaries.copies=1, 10",
            "data.canaries.copies = '1, 10': this should be a list; type  'data.canaries.copies=[1, 10]'  with the outer quotes",
        ),
        ("training.max_steps=0", "training.max_steps = 0: use a whole number of at least 1"),
        ("training.compile=yes", "training.compile = 'yes': this should be true or false"),
        ("training.compile=1", "training.compile = 1: this should be true or false"),
        ("training.accumulation_steps=3", "training.accumulation_steps = 3: it must divide batch_size = 8"),
        ("training.warmup_steps=-1", "training.warmup_steps = -1: use a whole number of at least 0"),
        ("training.beta1=1.0", "training.beta1 = 1.0: use a number from 0 up to, not including, 1"),
        ("training.decay_fraction=1.5", "training.decay_fraction = 1.5: use a share from 0 to 1"),
        (
            "training.length_warmup_fraction=-0.1",
            "training.length_warmup_fraction = -0.1: use a share from 0 to 1",
        ),
        ("training.seed=-1", "training.seed = -1: use a whole number from 0 to 2^31 - 1"),
        ("training.optimizer=sgd", "training.optimizer = 'sgd': this should be 'adamw' or 'muon'"),
        ("model.num_heads=3", "model.num_heads = 3: it must divide d_model = 128 (or set model.head_dim yourself)"),
        ("model.d_model=-3", "model.d_model = -3: use a whole number of at least 1"),
        ("model.num_heads=0", "model.num_heads = 0: use a whole number of at least 1"),
        ("model.num_kv_heads=3", "model.num_kv_heads = 3: it must divide num_heads = 2"),
        ("model.head_dim=31", "model.head_dim = 31: rotary positions need an even head_dim"),
        ("model.dropout=1.0", "model.dropout = 1.0: use a share from 0 up to, not including, 1"),
        ("model.vocab_size=-1", "model.vocab_size = -1: use 0 (from the tokenizer) or more"),
        ("model.rope_theta=0.0", "model.rope_theta = 0.0: use a finite number of at least 1"),
        ("model.rope_theta=1e300", "model.rope_theta = 1e+300: use a number of at most 1e+12"),
        ("model.norm_eps=2.0", "model.norm_eps = 2.0: use a number of at most 1"),
        ("model.init_std=1e38", "model.init_std = 1e+38: use a number of at most 100"),
        ("training.learning_rate=1e39", "training.learning_rate = 1e+39: use a number of at most 1e+06"),
        (
            "training.weight_decay=1e39",
            "training.weight_decay = 1e+39: with learning_rate = 0.006 a step would take away",
        ),
        ("training.max_steps=5\nx=3", "training.max_steps = '5\\nx=3': this should be a whole number"),
        (
            "model.preset=gpt3",
            "model.preset = 'gpt3': this should be 'classic', 'gpt2', 'llama', 'mistral', 'qwen2' or 'qwen3'",
        ),
        ("model.norm=layernorm", "model.norm = 'layernorm': preset 'qwen3' only has 'rmsnorm'"),
        ("model=3", "model: this is a section; name a key in it, e.g. model.preset=…"),
        ("training.seed.x=1", "training.seed.x: training.seed is a single setting, not a section"),
        ("foo", "override = 'foo': write it as section.key=value, e.g. training.max_steps=500"),
        ("data.source=[1, 2]", "data.source = [1, 2]: this should be"),
        ("data.source=[]", "data.source = (): name a catalogue entry"),
        ("data.validation_fraction=0.0", "data.validation_fraction = 0.0: use a share between 0 and 1, e.g. 0.1"),
        ("evaluation.batch_size=0", "evaluation.batch_size = 0: use a whole number of at least 1"),
        ("evaluation.max_tokens=-1", "evaluation.max_tokens = -1: use a whole number, or 0 for all"),
        ("generation.temperature=-0.5", "generation.temperature = -0.5: use a finite number of at least 0"),
        ("generation.top_p=0.0", "generation.top_p = 0.0: use a share above 0 and up to 1; 1 keeps every token"),
        ("generation.top_k=-1", "generation.top_k = -1: use a whole number of at least 1, or 0 for no limit"),
        ("generation.min_p=2.0", "generation.min_p = 2.0: use a share from 0 to 1; 0 keeps every token"),
        ("generation.repetition_penalty=0.0", "generation.repetition_penalty = 0.0: use a finite number above 0"),
        ("generation.stop=['']", "generation.stop = ('',): an empty stop text would stop at once; leave it out"),
        ("generation.num_samples=0", "generation.num_samples = 0: use a whole number of at least 1"),
        ("generation.max_new_tokens=0", "generation.max_new_tokens = 0: use a whole number of at least 1"),
        ("generation.seed=-1", "generation.seed = -1: use a whole number from 0 to 2^63 - 1"),
    ],
)
def test_each_mistake_is_answered_by_name(override: str, message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        load_recipe("shakespeare", [override])


def test_gpt2_has_one_kv_head_a_query_head() -> None:
    with pytest.raises(SettingError, match=r"model\.num_kv_heads = 1: GPT-2 has one key/value head per query head"):
        load_recipe("shakespeare", ["model.preset=gpt2", "model.num_kv_heads=1"])
    with pytest.raises(SettingError, match=r"model\.head_dim = 16: GPT-2 has"):
        load_recipe("shakespeare", ["model.preset=gpt2", "model.head_dim=16"])


def test_values_are_read_for_the_field_they_name() -> None:
    recipe = load_recipe(
        "shakespeare",
        [
            "training.learning_rate=3e-4",
            "training.max_grad_norm=1",
            "data.source=./my-texts",
            "generation.stop=['a', 'b']",
            "training.compile=true",
        ],
    )
    assert recipe.training.learning_rate == 0.0003
    assert recipe.training.max_grad_norm == 1.0
    assert recipe.data.source == "./my-texts"
    assert recipe.generation.stop == ("a", "b")
    assert recipe.training.compile is True
    assert load_recipe("shakespeare", ["data.source=2021"]).data.source == "2021"
    assert load_recipe("shakespeare", ["data.source=['x', 'y']"]).data.source == ("x", "y")
    assert (
        load_recipe("shakespeare", ["training.sample_prompt=To be = or not"]).training.sample_prompt == "To be = or not"
    )


def test_python_takes_a_mapping() -> None:
    assert load_recipe("shakespeare", {"training.max_steps": 7}).training.max_steps == 7
    with pytest.raises(SettingError, match=r"write it as section\.key"):
        load_recipe("shakespeare", {"max_steps": 7})
    assert load_recipe("shakespeare", {"data.duplicates.near": "drop"}).data.duplicates.near == "drop"


def test_later_layers_win_key_by_key() -> None:
    layers: list[dict[str, Any]] = [
        {"data": {"source": "a", "temperature": 2}},
        {"data": {"source": "b"}},
        {"model": {"d_model": 4}},
    ]
    assert merge(Recipe, *layers) == {"data": {"source": "b", "temperature": 2}, "model": {"d_model": 4}}
    sections: list[dict[str, Any]] = [{"duplicates": {"near": "drop"}}, {"duplicates": {"exact": True}}]
    assert merge(DataSettings, *sections) == {"duplicates": {"near": "drop", "exact": True}}
    assert merge(DataSettings, {"weights": {"a": 1}}, {"weights": {"b": 2}}) == {"weights": {"b": 2}}
    layered = load_recipe("shakespeare", ["model.preset=gpt2", "model.dropout=0.2"]).model
    assert (layered.norm, layered.dropout, layered.max_seq_len) == ("layernorm", 0.2, 128)


@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_shipped_recipes_are_sound_and_a_written_recipe_reads_back_equal(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    path = tmp_path / "recipe.toml"
    path.write_text(write_toml(recipe), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


@given(st.text(), st.lists(st.text(min_size=1), max_size=3), st.floats(0, 5), st.integers(0, 2**62))
def test_any_text_survives_the_file(prompt: str, stop: list[str], temperature: float, seed: int) -> None:
    values = {
        "training": {"sample_prompt": prompt},
        "generation": {"stop": stop, "temperature": temperature, "seed": seed},
    }
    recipe = build_recipe(values)
    import tomllib

    assert build_recipe(tomllib.loads(write_toml(recipe))) == recipe


def test_files_that_are_no_recipe_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for content, message in [
        (b"[training]\nmax_steps 5\n", r"mine\.toml.*: this is not valid TOML: .*line 2"),
        (b"\xff\xfe[\x00", r"mine\.toml.*: the file is not UTF-8 text; save it as UTF-8"),
        (b"training = 3", r"training = 3: this is a section; write \[training\] and its keys below"),
        (
            b"[training]\nmax_step = 5\n",
            r"training\.max_step: there is no such setting; did you mean training\.max_steps\?",
        ),
        (b"[model]\nd_model = '128'\n", r"model\.d_model = '128': this should be a whole number"),
        (b"[training]\nmax_steps = 2026-01-01\n", r"training\.max_steps = .*: use a number, a text"),
    ]:
        path.write_bytes(content)
        with pytest.raises(SettingError, match=message):
            load_recipe(str(path))
    with pytest.raises(
        SettingError, match=r"shakespere.*: there is no such file or shipped recipe; did you mean shakespeare\?"
    ):
        load_recipe("shakespere")
    with pytest.raises(SettingError, match=r"shipped recipes: (.+, )?shakespeare"):
        load_recipe("/nowhere/at/all.toml")
    with pytest.raises(
        SettingError, match=r"text of the catalogue; .* by a recipe: groundup train shakespeare data\.source=bible"
    ):
        load_recipe("bible")
    with pytest.raises(SettingError, match=r"folder without a recipe\.toml; .* goes behind it: data\.source="):
        load_recipe(str(tmp_path))


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"the file cannot be read \(Is a directory\)"):
        read_toml(tmp_path)


def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbf[training]\r\nmax_steps = 5\r\n")
    assert load_recipe(str(path)).training.max_steps == 5


def every_settings_class(root: Any = Recipe) -> list[Any]:
    sections = [kind for kind in get_type_hints(root).values() if is_dataclass(kind)]
    return [nested for section in sections for nested in (section, *every_settings_class(section))]


@pytest.mark.parametrize("settings_class", every_settings_class(), ids=lambda kind: kind.__name__)
def test_every_setting_has_a_sentence(settings_class: Any) -> None:
    sentences = field_sentences(settings_class)
    for setting in fields(settings_class):
        assert sentences.get(setting.name, "").endswith("."), setting.name


@dataclass(frozen=True)
class Inner:
    number: int = 1


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    flag: bool | int = False


def test_nested_classes_of_any_depth_are_built() -> None:
    assert build(Outer, {"inner": {"number": 5}}) == Outer(Inner(5))
    assert parse_overrides(Outer, ["inner.number=5", "flag=3"]) == {"inner": {"number": 5}, "flag": 3}


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000, "9" * 30])
def test_absurd_numbers_and_nesting_are_refused(value: str, tmp_path: Path) -> None:
    """Python's own limits on digits and depth, and whole numbers that nothing computed from them could hold."""
    with pytest.raises(SettingError, match=r"training\.max_steps"):
        load_recipe("shakespeare", [f"training.max_steps={value}"])
    path = tmp_path / "mine.toml"
    path.write_text(f"[training]\nmax_steps = {value}\n")
    with pytest.raises(SettingError, match=r"not valid TOML|below 2\^63"):
        load_recipe(str(path))


def test_text_that_is_no_unicode_is_refused() -> None:
    for override in ("training.sample_prompt=a\udcff", 'data.source=["a", "b\udcff"]'):
        with pytest.raises(SettingError, match="this is not valid Unicode text; write it in UTF-8"):
            load_recipe("shakespeare", [override])


def test_a_name_without_a_part_is_refused() -> None:
    with pytest.raises(SettingError, match=r"write it as section\.key=value"):
        load_recipe("shakespeare", [".=5"])
