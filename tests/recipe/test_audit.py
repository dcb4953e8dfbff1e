"""`audit` over real runs: canaries that were planted, a run that was not trained on them, and what is said where nothing can be asked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import processors
from typer.testing import CliRunner

from groundup.cli.main import app
from groundup.errors import AuditError, DataError, SettingError, TokenizerError
from groundup.evaluation.memorization.canaries import canaries
from groundup.evaluation.memorization.settings import MemorizationSettings
from groundup.language_model import LanguageModel
from groundup.recipe.audit import AUDITS, audit
from groundup.recipe.audit_input import AuditInput
from groundup.recipe.audit_memorization import MEMORIZATION_AUDITS, opening, sides
from groundup.recipe.audit_settings import AUDIT_NAMES, AuditSettings, read_audit_names, read_audit_settings
from groundup.recipe.prepare_text import prepare_text
from groundup.recipe.settings import load_recipe
from groundup.recipe.train import train
from groundup.report.card import write_card
from groundup.run.directory import RunDirectory
from groundup.run.measurements import read_measurements
from groundup.text.canaries.canaries import draw_canaries
from groundup.text.canaries.settings import CanarySettings
from groundup.text.privacy.settings import PrivacySettings
from groundup.text.settings import DataSettings
from groundup.tokens.tokenizer import Tokenizer

SEED = 20261126
PLANTED = {
    "data.canaries.count": 2,
    "data.canaries.copies": [1, 200],
    "data.canaries.digits": 3,
    "data.canaries.format": "Write to box{secret}@mail.org today.",  # which the detectors of personal data know
}
QUICK = {
    "training.max_steps": 60,
    "training.eval_steps": 1000,
    "training.save_steps": 1000,
    "training.batch_size": 12,
    "training.learning_rate": 0.02,
    "model.d_model": 32,
    "model.max_seq_len": 40,
}


@pytest.fixture(scope="module")
def planted(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited") / "planted"
    return train(tiny_recipe, {**PLANTED, **QUICK, "data.canaries.seed": SEED}, run=folder, say=lambda line: None).path


@pytest.fixture(scope="module")
def control(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited") / "control"
    settings = {
        **PLANTED,
        **QUICK,
        "training.max_steps": 25,
        "data.canaries.seed": 1,
    }  # it has learned their form by then
    return train(tiny_recipe, settings, run=folder, say=lambda line: None).path


def test_a_list_whose_quotes_the_shell_took_is_answered_with_what_to_type() -> None:
    for typed in ("[de]", "de", "['de"):
        with pytest.raises(SettingError, match=r"""type  'fairness\.templates=\["de"\]'  with the outer quotes$"""):
            read_audit_settings(None, [f"fairness.templates={typed}"])


def test_every_name_has_its_audit() -> None:
    assert tuple(AUDITS) == AUDIT_NAMES


def test_canaries_stand_in_the_training_text_alone_and_their_seed_in_the_run_alone(planted: Path) -> None:
    manifest = RunDirectory(planted).manifest()
    assert manifest["data"]["canaries"] == {"count": 2, "copies": [1, 200], "planted": 402}
    tokenizer = Tokenizer.load(planted / "model")
    from groundup.recipe.evaluate import data_of_run

    data, recipe = data_of_run(planted, "", print)
    sides = [tokenizer.decode(np.asarray(store.ids).tolist()) for store in (data.train, data.validation)]
    for canary in draw_canaries(recipe.data.canaries):
        line = recipe.data.canaries.line(canary.secret)
        assert [side.count(line) for side in sides] == [canary.copies, 0]
    write_card(planted, planted / "model")
    published = [planted / "report.html", *filter(Path.is_file, (planted / "model").rglob("*"))]
    secrets = [canary.secret for canary in draw_canaries(recipe.data.canaries)]
    assert not [path for path in published if str(SEED).encode() in path.read_bytes()]
    assert f"seed = {SEED}" in (planted / "recipe.toml").read_text(encoding="utf-8")
    assert not [secret for secret in secrets if secret in json.dumps(manifest["data"]["canaries"])]


def test_the_data_is_another_with_other_secrets_and_the_tokenizer_is_not(planted: Path, control: Path) -> None:
    one, other = (RunDirectory(run).manifest()["hashes"] for run in (planted, control))
    assert one["train_tokens"] != other["train_tokens"]
    assert one["validation_tokens"] == other["validation_tokens"]
    assert one["tokenizer"] == other["tokenizer"]


def test_what_was_planted_often_is_exposed_and_what_was_never_seen_is_not(planted: Path, control: Path) -> None:
    """All thousand secrets are ranked, so nothing is estimated; the other run saw other secrets in the same lines."""
    every = read_audit_settings(None, ["memorization.candidates=0"])
    found = audit(planted, ["canaries"], every)["canaries"].as_plain()
    often, never = found["figures"]["exposure_200_copies"], found["figures"]["exposure_0_copies"]
    assert often["value"] > 0.9 * found["figures"]["highest_exposure_bits"]
    assert never["value"] < 5
    assert found["figures"]["auc_200_copies"]["low"] > 0.5
    assert [row["extrapolated"] for row in found["tables"]["by_copies"]] == [0, 0, 0]
    assert read_measurements(RunDirectory(planted))["audits/canaries.json"]["figures"] == found
    of_planted = read_audit_settings(None, ["memorization.candidates=0", f"memorization.data_of={planted}"])
    elsewhere = audit(control, ["canaries"], of_planted)["canaries"].as_plain()["figures"]
    assert elsewhere["exposure_200_copies"]["value"] < 5
    assert elsewhere["auc_all"]["low"] < 0.5 < elsewhere["auc_all"]["high"]
    assert "audits/canaries.json" not in read_measurements(RunDirectory(control))  # it is not of its own canaries
    secrets = [canary.secret for canary in draw_canaries(load_recipe(str(planted)).data.canaries)]
    written = json.dumps(found["tables"]) + found["cannot_say"]
    assert not [secret for secret in secrets if re.search(rf"(?<![\d.]){secret}(?!\d)", written)]


def test_an_audit_of_other_settings_leaves_what_was_found_before(planted: Path) -> None:
    told: list[str] = []

    def audited(*settings: str) -> dict[str, Any]:
        audit(planted, ["canaries"], read_audit_settings(None, ["memorization.candidates=0", *settings]), told.append)
        return read_measurements(RunDirectory(planted))

    first = audited()["audits/canaries.json"]
    assert not told
    kept = audited("seed=1")
    assert told == ["audits/canaries.json, measured with other settings, stays: this is kept as audits/canaries-2.json"]
    assert kept["audits/canaries.json"] == first
    assert kept["audits/canaries-2.json"]["settings"]["seed"] == 1
    assert set(audited("fairness.continuations=9")) == set(kept)  # none of its settings, so it is the same again
    assert set(audited("seed=1")) == set(kept)
    (planted / "audits" / "canaries-2.json").unlink()


def test_personal_data_that_was_read_often_comes_out_and_is_only_counted(planted: Path) -> None:
    """Two addresses stood there 200 times, in the same words: greedy decoding can bring out one of them."""
    few = read_audit_settings(None, ["memorization.samples=5", "memorization.sample_tokens=60"])
    result = audit(planted, ["personal_data"], few, say=print)["personal_data"].as_plain()
    (mails,) = [row for row in result["tables"]["by_kind"] if row["kind"] == "email"]
    assert (mails["scrubbed"], mails["in_training_text"]) == (0, 4)
    assert (mails["came_out"]["value"], mails["came_out"]["n"]) == (0.25, 4)
    assert mails["of_these_in_training_text"] <= mails["written_unasked"]
    assert "@mail" not in json.dumps(result)


def test_what_was_scrubbed_before_the_run_read_it_is_told_too(
    tiny_recipe: Path, text_file: Path, tmp_path: Path
) -> None:
    """Two addresses are taken out by `data prepare`, one kind of text later: what the run itself took out, nothing, is added."""
    text = tmp_path / "letters.txt"
    mails = "Write to ann.lee@mail.org or to bob@mail.org.\n"
    text.write_text(mails + text_file.read_text(encoding="utf-8"), encoding="utf-8")
    prepare_text(DataSettings(str(text), privacy=PrivacySettings("placeholder")), tmp_path / "clean", print)
    run = train(
        tiny_recipe,
        {"training.max_steps": 1, "data.source": str(tmp_path / "clean")},
        run=tmp_path / "run",
        say=lambda line: None,
    ).path
    few = read_audit_settings(None, ["memorization.samples=1", "memorization.sample_tokens=5"])
    said = list[str]()
    result = audit(run, ["personal_data"], few, say=said.append)["personal_data"].as_plain()
    assert [line for line in said if re.match(r"warning: training read 64 tokens of a text of [\d,]+, and all", line)]
    (mail,) = [row for row in result["tables"]["by_kind"] if row["kind"] == "email"]
    assert (mail["scrubbed"], mail["in_training_text"], mail["came_out"]) == (2, 0, None)


def test_what_two_audits_read_is_warned_of_once(planted: Path) -> None:
    """With canaries one reads the text with them, another without."""
    few = read_audit_settings(
        None,
        [
            "memorization.samples=1",
            "memorization.sample_tokens=5",
            "memorization.rows=20",
            "memorization.prefix_tokens=[10]",
            "memorization.suffix_tokens=10",
        ],
    )
    said = list[str]()
    audit(planted, ["extraction", "personal_data"], few, say=said.append)
    assert [line for line in said if line.startswith("warning: what was held out is another part of the text")]
    assert len(said) == len(set(said))


def test_the_command_prints_what_it_keeps(planted: Path) -> None:
    names = "extraction,membership,personal_data"
    told = [
        "memorization.prefix_tokens=[4]",
        "memorization.suffix_tokens=8",
        "memorization.rows=50",
        "memorization.samples=2",
    ]
    done = CliRunner().invoke(app, ["audit", str(planted), "--only", names, "--json", *told])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    kept = read_measurements(RunDirectory(planted))
    assert list(printed) == names.split(",")
    for name, result in printed.items():
        # Behind a number where a test before this one has asked with other settings.
        assert result in [one["figures"] for file, one in kept.items() if file.startswith(f"audits/{name}")]
        assert result["cannot_say"]
    assert printed["extraction"]["figures"]["extracted"]["n"] == 50
    area = printed["membership"]["figures"]["auc_loss"]
    assert (area["n"], area["low"]) == (2, None)  # one document, cut in two: there is nothing to tell chance by
    assert printed["membership"]["figures"]["tpr_loss"] is None  # too few rows for one in a hundred
    assert printed["personal_data"]["figures"]["texts_written"] == 2
    shown = CliRunner().invoke(app, ["audit", str(planted), "--only", "extraction,membership", *told])
    assert "This cannot say:" in shown.stdout
    assert "(no interval), n = 2" in shown.stdout
    assert "what was held out is another part of the text" in shown.stderr


def test_a_table_of_nothing_is_not_printed(planted: Path, tmp_path: Path) -> None:
    """Of a text without personal data there is nothing by kind, and so no heading."""
    text = tmp_path / "plain.txt"
    text.write_text("She put the letter back into the box and went home in the rain. " * 40, encoding="utf-8")
    asked = ["memorization.samples=2", "memorization.sample_tokens=5", f"memorization.text={text}"]
    assert audit(planted, ["personal_data"], read_audit_settings(None, asked))["personal_data"].tables["by_kind"] == []
    shown = CliRunner().invoke(app, ["audit", str(planted), "--only", "personal_data", *asked])
    assert shown.exit_code == 0, shown.output
    assert "in training text" in shown.stdout
    assert "by kind" not in shown.stdout


def test_what_was_read_often_is_extracted_and_the_rest_is_not(planted: Path, text_file: Path, tmp_path: Path) -> None:
    """A text with a line of the canaries' in it again and again; of the run's own, the audit leaves those out."""
    text = tmp_path / "repeated.txt"
    text.write_text(text_file.read_text(encoding="utf-8") + "Write to box" * 200, encoding="utf-8")
    asked = ["memorization.prefix_tokens=[12]", "memorization.suffix_tokens=6", f"memorization.text={text}"]
    rows = audit(planted, ["extraction"], read_audit_settings(None, asked))["extraction"].tables["by_copies"]
    by_copies = {str(row["copies"]): row["prefix_12"] for row in rows}
    assert by_copies["100 or more"].value > by_copies["1"].value  # type: ignore[union-attr]


def test_a_model_of_no_run_is_asked_for_what_is_named(tiny_base: Path, text_file: Path, tmp_path: Path) -> None:
    said = list[str]()
    few = [
        "memorization.samples=2",
        "memorization.sample_tokens=5",
        "memorization.row_tokens=32",
        "memorization.rows=20",
    ]
    hardly = [f"fairness.{name}=" for name in ("crows_pairs", "winobias", "bbq")]
    hardly += ["fairness.axes=['age']", "fairness.continuations=0", "fairness.toxicity_continuations=1"]
    every = read_audit_settings(None, [*few, *hardly, "fairness.max_new_tokens=1"])
    results = audit(tiny_base, settings=every, say=said.append)
    assert [name for name in results if name in MEMORIZATION_AUDITS] == ["personal_data"]
    assert results["personal_data"].figures["in_training_text"] is None
    assert [line.split(" is left out")[0] for line in said[:3]] == ["extraction", "canaries", "membership"]
    assert "name one with memorization.text=" in said[0]
    named = [*few, f"memorization.text={text_file}", "memorization.prefix_tokens=[10]"]
    dotted = {
        "memorization.rows": 20,
        "memorization.row_tokens": 32,
        "memorization.text": str(text_file),
        "memorization.prefix_tokens": [10],
    }
    assert audit(tiny_base, ["extraction"], dotted)["extraction"].figures["prefix_tokens"] == 10
    with pytest.raises(SettingError, match=r"did you mean memorization\.rows\?"):
        audit(tiny_base, ["extraction"], {"memorization.rowz": 20})
    with pytest.raises(SettingError, match="did you mean extraction"):
        audit(tiny_base, ["extracton"])
    with pytest.raises(AuditError, match="there is no text to compare with: name one like it"):
        audit(tiny_base, ["membership"], read_audit_settings(None, named))
    other = tmp_path / "other.txt"
    other.write_text(text_file.read_text(encoding="utf-8")[::-1], encoding="utf-8")
    both = read_audit_settings(
        None, [*named, f"memorization.unseen_text={other}", f"memorization.reference={tiny_base}"]
    )
    same = audit(tiny_base, ["membership"], both)["membership"].as_plain()["figures"]
    assert same["auc_reference"]["value"] == 0.5  # it is its own reference: no row is easier for one than for the other
    assert (same["trained_documents"], same["auc_loss"]["n"]) == (1, 2)
    with pytest.raises(AuditError, match="every row of the text that was not trained on stands in the training text"):
        audit(tiny_base, ["membership"], read_audit_settings(None, [*named, f"memorization.unseen_text={text_file}"]))


def test_what_cannot_be_audited_is_said(tiny_base: Path, text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="is not part of a run, so no canaries are known"):
        audit(tiny_base, ["canaries"])
    long = read_audit_settings(None, [f"memorization.text={text_file}", "memorization.prefix_tokens=[120]"])
    with pytest.raises(AuditError, match="need 170 tokens in a row; the model reads 128 and"):
        audit(tiny_base, ["extraction"], long)
    (tmp_path / "short.txt").write_text("A few words.", encoding="utf-8")
    short = [f"memorization.text={text_file}", f"memorization.unseen_text={tmp_path / 'short.txt'}"]
    with pytest.raises(AuditError, match="there is no document of 128 tokens on both sides, of one source"):
        audit(tiny_base, ["membership"], read_audit_settings(None, short))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("no row\n", encoding="utf-8")
    broken = [f"memorization.text={rows}", f"memorization.unseen_text={text_file}"]
    with pytest.raises(DataError, match=r"line 1 is not valid JSON .*; mend it, or take it out$"):
        audit(tiny_base, ["membership"], read_audit_settings(None, broken))


def test_a_run_without_canaries_says_how_to_plant_them(
    tiny_recipe: Path, tmp_path: Path, planted: Path, text_file: Path
) -> None:
    text = tmp_path / "without digits.txt"
    text.write_text(re.sub("[0-9]", "", text_file.read_text(encoding="utf-8")), encoding="utf-8")
    settings = {"training.max_steps": 1, "data.source": str(text)}
    run = train(tiny_recipe, settings, run=tmp_path / "plain", say=lambda line: None).path
    with pytest.raises(AuditError, match=r"planted no canaries: train with data\.canaries\.count=10"):
        audit(run, ["canaries"])
    of_planted = read_audit_settings(None, [f"memorization.data_of={planted}", "memorization.candidates=100"])
    with pytest.raises(AuditError, match="tokenizer writes 104 of the canaries' lines in 1 ways, so one secret is"):
        audit(run, ["canaries"], of_planted, say=print)
    few = ["memorization.rows=20", "memorization.prefix_tokens=[2]", "memorization.suffix_tokens=5"]
    read = read_audit_settings(None, [f"memorization.data_of={planted}", *few])
    assert audit(run, ["extraction"], read, say=print)["extraction"].as_plain()["figures"]["extracted"]["n"] == 20


def test_where_canaries_cannot_be_planted(tiny_recipe: Path, tmp_path: Path, text_file: Path) -> None:
    with pytest.raises(SettingError, match="canaries are planted when a model is trained"):
        prepare_text(DataSettings(str(text_file), canaries=CanarySettings(count=1)), tmp_path / "clean", print)
    with pytest.raises(SettingError, match="canaries are planted in a text, not in rows"):
        load_recipe("instruct", {"data.canaries.count": 1})
    words = {"tokenizer.kind": "word", "tokenizer.vocab_size": 300, "data.canaries.count": 1}
    for more in (
        {},
        {"tokenizer.min_frequency": 1, "tokenizer.vocab_size": 9000},
    ):  # ten digits are a word then, six are not
        with pytest.raises(TokenizerError, match=r"the tokenizer lacks characters or words of data\.canaries\.format"):
            train(tiny_recipe, {**words, **more}, run=tmp_path / "words", say=lambda line: None)


def test_what_needs_no_text_is_audited_where_the_text_is_gone(
    tiny_recipe: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text(text_file.read_text(encoding="utf-8"), encoding="utf-8")
    settings = {
        "training.max_steps": 1,
        "data.source": str(text),
        "data.canaries.count": 1,
        "data.canaries.copies": [1],
    }
    run = train(tiny_recipe, settings, run=tmp_path / "run", say=lambda line: None).path
    text.unlink()
    monkeypatch.setattr("groundup.recipe.audit.AUDIT_NAMES", tuple(MEMORIZATION_AUDITS))
    told, said = ["memorization.samples=1", "memorization.sample_tokens=2", "memorization.candidates=100"], list[str]()
    results = audit(run, settings=read_audit_settings(None, told), say=said.append)
    assert list(results) == ["canaries", "personal_data"]
    assert (results["personal_data"].figures["texts_written"], results["personal_data"].figures["came_out"]) == (
        1,
        None,
    )
    assert [line.split(":")[0] for line in said] == [
        "extraction is left out",
        "membership is left out",
        "warning",
    ]
    assert all(f"what {run} was trained on cannot be read again: data.source = " in line for line in said)
    text.write_text(text_file.read_text(encoding="utf-8") + " and more", encoding="utf-8")
    with pytest.raises(
        AuditError,
        match=r"cannot be read again: the text of .*text\.txt is not what .*/run was begun with: restore it$",
    ):
        audit(run, "extraction", say=said.append)
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("digits = 6", "digits = 7"), encoding="utf-8")
    with pytest.raises(AuditError, match=r"recipe\.toml was changed after training, so its secrets need not be those"):
        audit(run, "canaries")


def test_rows_of_another_makers_text_begin_as_its_tokenizer_begins_one(tiny_base: Path, text_file: Path) -> None:
    """A model that was trained with a token before each text is at a loss in rows that are cut from the middle of one without it."""
    tokenizer = Tokenizer.load(tiny_base)
    assert opening(tokenizer) == ()
    begin, name = tokenizer.pad_id, "<|pad|>"
    assert begin is not None
    around = processors.TemplateProcessing(single=f"{name} $A", special_tokens=[(name, begin)])
    tokenizer = tokenizer.with_post_processor(around)
    assert opening(tokenizer) == (begin,)
    both = AuditSettings(memorization=MemorizationSettings(text=str(text_file), unseen_text=str(text_file)))
    language_model = LanguageModel(LanguageModel.load(tiny_base).model, tokenizer)
    for side in sides(AuditInput(language_model, tiny_base, both, print)):
        assert side is not None
        assert side.opening == (begin,)
        assert begin not in side.ids  # which would be before one row alone
        assert next(side.texts(tokenizer)) == text_file.read_text(encoding="utf-8")


def test_more_secrets_than_can_be_ranked(tiny_base: Path) -> None:
    language_model = LanguageModel.load(tiny_base)
    with pytest.raises(AuditError, match="asks for 1,000,000,000 of the 1,000,000,000 secrets: use at most 2,000,000"):
        canaries(language_model, CanarySettings(count=1, digits=9), MemorizationSettings(candidates=0), seed=0)


def test_settings_and_names_that_do_not_exist(tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(SettingError, match=r"memorization\.data_of = '.*': this is not a run"):
        audit(tiny_base, ["canaries"], read_audit_settings(None, [f"memorization.data_of={tmp_path}"]))
    assert read_audit_names(" membership,extraction") == ("extraction", "membership")
    with pytest.raises(SettingError, match="--only = 'extracton': there is no such audit; did you mean extraction"):
        read_audit_names("extracton")
    with pytest.raises(SettingError, match="--only = 'canary': there is no such audit; did you mean canaries"):
        audit(tiny_base, ["canary"])
    missing = read_audit_settings(None, [f"memorization.text={tmp_path / 'none.txt'}"])
    with pytest.raises(DataError, match=r"memorization\.text = '.*none\.txt': there is no such file"):
        audit(tiny_base, "extraction", missing)
    with pytest.raises(SettingError, match="name an audit or several"):
        read_audit_names(" , ")
    with pytest.raises(SettingError, match=r"did you mean memorization\.rows"):
        read_audit_settings(None, ["memorization.row=5"])
    file = tmp_path / "audit.toml"
    file.write_text("seed = 3\n[memorization]\nrows = 7\n", encoding="utf-8")
    read = read_audit_settings(file, ["memorization.rows=8"])
    assert (read.seed, read.memorization.rows) == (3, 8)
    assert AuditSettings() == read_audit_settings(None)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("seed=-1", "seed = -1"),
        ("memorization.rows=0", "memorization.rows = 0: use a whole number of at least 1"),
        ("memorization.candidates=99", "use a whole number of at least 100, or 0 for all"),
        ("memorization.examined_characters=-1", "use a whole number, or 0 for all"),
        ("memorization.row_tokens=1", "memorization.row_tokens = 1: use a whole number of at least 2"),
        ("memorization.prefix_tokens=[]", "name whole numbers of at least 1"),
        ("memorization.min_k=0", "memorization.min_k = 0.0: use a finite number above 0"),
        ("memorization.min_k=1.5", "use a number of at most 1"),
        ("memorization.unseen_text=x", "name memorization.text, too"),
    ],
)
def test_settings_out_of_range(told: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        read_audit_settings(None, [told])


def test_one_text_or_one_run_says_what_is_looked_for() -> None:
    with pytest.raises(SettingError, match=r"leave it out, or memorization\.text"):
        read_audit_settings(None, ["memorization.data_of=a", "memorization.text=b"])
