"""A guard from its file: what becomes of texts on both sides, what is counted, what is written down, and which files are refused."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

import pytest

from groundup.errors import DataError, GroundupError, MissingExtraError, SettingError
from groundup.serving.guard.classifier import Classifier, train_classifier
from groundup.serving.guard.guard import Guard, Verdict, load_guard
from groundup.serving.guard.hooks import load_hook
from groundup.serving.guard.settings import GuardSettings, SideSettings

RUDE, KIND = ("stupid", "silly", "daft", "rotten", "foul"), ("good", "kind", "clever", "patient", "fine")
HOOKS = "tests.serving.guard.hooks_of_mine"
REFUSING = '[input]\npersonal_data = "refuse"\n[output]\npersonal_data = "redact"\nwords = "redact"\n[words]\nfiles = ["words.txt"]\n'


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    rude = [f"you are a {how} {what}" for how in RUDE for what in ("fool", "swine", "clown", "toad")]
    kind = [f"you are a {how} {what}" for how in KIND for what in ("friend", "cook", "reader", "singer")]
    return train_classifier(rude + kind, [True] * len(rude) + [False] * len(kind))


def write_guard(folder: Path, text: str) -> Path:
    (folder / "words.txt").write_text("darn\n", encoding="utf-8")
    path = folder / "guard.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_side_has_its_own_actions(tmp_path: Path) -> None:
    guard = load_guard(write_guard(tmp_path, REFUSING))
    assert guard.check_input("Write to ann@mail.org") == Verdict("refuse", "", ("personal_data: email",))
    assert guard.check_input("a darn question") == Verdict("allow", "a darn question")
    output = guard.check_output("Darn, write to ann@mail.org or call +44 20 7946 0958!")
    assert output.text == "<WORD>, write to <EMAIL> or call <PHONE>!"
    assert output.action == "redact"
    assert set(output.reasons) == {"words: word", "personal_data: email", "personal_data: phone"}
    assert guard.changes_output


def test_decisions_are_counted_once_each(tmp_path: Path) -> None:
    counts: Counter[tuple[str, str, str]] = Counter()
    guard = load_guard(write_guard(tmp_path, REFUSING), count=lambda *decision: counts.update([decision]))
    guard.check_input("ann@mail.org")
    guard.check_input("nothing")
    stream = guard.stream()
    for character in "Darn, write to ann@mail.org, or to bob@mail.org, and say nothing else to anybody at all. ":
        stream.add(character)
    stream.finish()
    stream.finish()
    guard.check_output("nothing")
    assert counts == {
        ("input", "personal_data", "refuse"): 1,
        ("input", "personal_data", "allow"): 1,
        ("output", "words", "redact"): 1,
        ("output", "personal_data", "redact"): 2,
        ("output", "personal_data", "allow"): 1,
        ("output", "words", "allow"): 1,
    }


def test_the_audit_log_holds_no_text_and_hashes_with_a_key_of_the_process(tmp_path: Path) -> None:
    path = write_guard(tmp_path, 'audit = "audit.jsonl"\n' + REFUSING)
    first, second = load_guard(path), load_guard(path)
    text = "A darn letter of ann@mail.org, and of ann@mail.org again"
    first.check_output(text, "request-1")
    second.check_output(text, "request-2")
    first.close()
    second.close()
    written = (tmp_path / "audit.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in written.splitlines()]
    assert all(word.lower() not in written.lower() for word in ("ann", "mail.org", "darn", "letter"))
    assert set(lines[0]) == {"time", "request", "side", "check", "kind", "action", "characters", "hash"}
    assert [line["characters"] for line in lines if line["kind"] == "email"] == [12] * 4
    of_first = {line["hash"] for line in lines if line["request"] == "request-1" and line["kind"] == "email"}
    of_second = {line["hash"] for line in lines if line["request"] == "request-2" and line["kind"] == "email"}
    assert len(of_first) == len(of_second) == 1
    assert of_first != of_second
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


class _Full:
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_checks_go_on_where_the_audit_log_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = load_guard(write_guard(tmp_path, 'audit = "/dev/full"\n[output]\npersonal_data = "redact"\n'))
    assert guard.check_output("to ann@mail.org").text == "to <EMAIL>"
    assert "audit log cannot be written (No space left on device)" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr", _Full())  # a file on the same disk
    assert guard.check_output("to ann@mail.org").text == "to <EMAIL>"
    guard.close()


def test_the_classifier_judges_sentence_by_sentence(tmp_path: Path, classifier: Classifier) -> None:
    classifier.save(tmp_path / "toxicity.safetensors")
    text = '[output]\ntoxicity = "redact"\n[toxicity]\nclassifier = "toxicity.safetensors"\nthreshold = 0.5\n'
    guard = load_guard(write_guard(tmp_path, text))
    said = "You are a good reader. You are a rotten swine! You are a kind cook."
    assert guard.check_output(said).text == "You are a good reader. <TOXICITY> You are a kind cook."
    stream = guard.stream()
    out = ""
    for at, character in enumerate(said, start=1):
        out += stream.add(character)
        assert "swine" not in out
        assert "rotten" not in out, f"after {at} characters"
    assert out + stream.finish() == "You are a good reader. <TOXICITY> You are a kind cook."


def test_a_hook_of_the_operator_s_own(tmp_path: Path) -> None:
    guard = load_guard(write_guard(tmp_path, '[output]\nhooks = "redact"\n'), [f"{HOOKS}:project_names"])
    assert guard.check_output("All of Bluebird is late.").text == "All of <PROJECT_NAMES> is late."


@pytest.mark.parametrize("action", ["redact", "refuse"])
def test_a_hook_that_fails_lets_nothing_through(
    tmp_path: Path, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = load_guard(write_guard(tmp_path, f'[output]\nhooks = "{action}"\n'), [f"{HOOKS}:broken"])
    verdict = guard.check_output("All of it.")
    assert verdict == Verdict(action, "<FAILED_HOOK>" if action == "redact" else "", ("hooks: failed_hook",))  # type: ignore[arg-type]
    assert capsys.readouterr().err == "groundup: the hook broken failed (RuntimeError)\n"


@pytest.mark.parametrize("name", ["out_of_bounds", "backwards", "halves", "without_end", "leaving"])
def test_one_that_reports_no_stretches_has_failed(name: str) -> None:
    assert load_hook(f"{HOOKS}:{name}").find("abcdefgh") == [(0, 8, "failed_hook")]


def test_one_that_hangs_has_failed_and_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("groundup.serving.guard.hooks.SECONDS", 0.05)
    hook, before = load_hook(f"{HOOKS}:hanging"), threading.active_count()
    for _ in range(3):
        assert hook.find("abcdefgh") == [(0, 8, "failed_hook")]
    assert threading.active_count() == before + 1
    assert capsys.readouterr().err == "groundup: the hook hanging failed (TimeoutError)\n" * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no check is switched on"),
        ('[output]\nwords = "redact"\n', "words.files = \\(\\): the check of words is switched on"),
        ('[output]\ntoxicity = "redact"\n', "toxicity.classifier = '': .*groundup guard train"),
        ('[output]\nwords = "block"\n', "output.words = 'block'"),
        ('[output]\nword = "redact"\n', "did you mean output.words"),
        ('[output]\npersonal_data = "redact"\n[personal_data]\nkinds = []\n', "personal_data.kinds = .*choose at least one"),
        ('[output]\npersonal_data = "redact"\n[personal_data]\nnames = "model"\n', "set output.whole = true"),
        ('[input]\npersonal_data = "redact"\n[personal_data]\nnames_model = " "\n', "name a spaCy pipeline"),
        ('[output]\npersonal_data = "redact"\n[toxicity]\nthreshold = 1\n', "use a probability below 1"),
        ('[output]\npersonal_data = "redact"\n[toxicity]\nthreshold = 0\n', "above 0"),
        ('[output]\nhooks = "refuse"\n', "hooks are switched on, and none is named"),
        ('audit = "missing/audit.jsonl"\n[output]\npersonal_data = "log"\n', "missing/audit.jsonl cannot be written"),
        ("[output\n", "guard = .*not valid TOML"),
        ('audit = "~nobody_here/x"\n[output]\npersonal_data = "log"\n', "audit = .*no such user"),
        ('[output]\nwords = "redact"\n[words]\nfiles = ["a\\u0000"]\n', "words.files = .*no path can hold a NUL"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GroundupError, match=message):
        load_guard(write_guard(tmp_path, text))


def test_without_spacy_names_by_a_model_name_the_extra(tmp_path: Path) -> None:
    text = '[input]\npersonal_data = "redact"\n[personal_data]\nnames = "model"\n'
    with pytest.raises(MissingExtraError, match=r"groundup\[names\]"):
        load_guard(write_guard(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("json", "is no import path"),
        ("json:", "is no import path"),
        ("../x:y", "is no import path"),
        ("nowhere_at_all:check", "there is no module nowhere_at_all"),
        (f"{HOOKS}:nothing", "has no function nothing"),
        (f"{HOOKS}:NOT_A_FUNCTION", "has no function NOT_A_FUNCTION"),
        ("unfinished_hooks:check", "cannot be imported: SyntaxError: .*unfinished_hooks.py, line 1"),
    ],
)
def test_a_hook_that_is_none_is_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unfinished_hooks.py").write_text("def check(text)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=message):
        load_hook(name)


def test_a_hook_that_no_side_uses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="hooks are off on both sides"):
        load_guard(write_guard(tmp_path, REFUSING), [f"{HOOKS}:project_names"])


def test_the_settings_alone_make_a_guard_without_a_file(tmp_path: Path) -> None:
    guard = Guard(GuardSettings(input=SideSettings(personal_data="log")), tmp_path)
    assert guard.check_input("ann@mail.org") == Verdict("log", "ann@mail.org", ("personal_data: email",))
    assert not guard.changes_output
    assert guard.check_output("ann@mail.org").action == "allow"
