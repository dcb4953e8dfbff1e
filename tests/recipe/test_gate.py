"""The gate of a release: thresholds held against what was measured, and files that are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from groundup.errors import RunError, SettingError
from groundup.evaluation.memorization.membership import compare_scores
from groundup.recipe.gate import check_gate, require_passed
from groundup.run.directory import RunDirectory
from groundup.run.files import checksum
from groundup.run.measurements import read_measurement, write_measurement


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a result, an audit and an evaluation."""
    path = tmp_path_factory.mktemp("runs") / "run"
    (path / "model").mkdir(parents=True)
    (path / "model" / "config.json").write_text("{}")
    directory = RunDirectory(path)
    directory.write_manifest({"hashes": {}, "seed": 1, "measurements": {}})
    figures = {"sample": "", "sample_prompt": "", "validation": {"perplexity": 5.0}, "steps": 1, "best_step": 1}
    directory.write_result(figures)
    interval = {"value": 0.55, "low": 0.5, "high": 0.62, "n": 90}
    write_measurement(directory, "audits", "membership", {"loss": {"auc": interval}})
    generator = np.random.default_rng(0)
    scores = {"loss": generator.random(40)}
    found = compare_scores(scores, {"loss": generator.random(40)}, np.arange(80), 128, 0)
    write_measurement(directory, "audits", "membership-real", found.as_plain())
    write_measurement(directory, "evaluations", "validation", {"by": {"a.txt": {"loss": 2.0}}})
    return path


def gate(folder: Path, text: str) -> Path:
    path = folder / "gate.toml"
    path.write_text(text)
    return path


def test_figures_within_their_thresholds_pass(run: Path, tmp_path: Path) -> None:
    gates = check_gate(
        run,
        gate(
            tmp_path,
            """
            [result]
            "validation.perplexity" = { max = 5.0, min = 1 }
            [audits.membership]
            "loss.auc" = { max = 0.6 }
            [evaluations.validation]
            "by.a.txt.loss" = { max = 2.5 }
            [manifest]
            seed = { min = 1 }
            """,
        ),
    )
    assert [one.value for one in gates] == [5.0, 0.55, 2.0, 1.0]
    assert all(one.passed for one in gates)
    require_passed(gates)


def test_the_page_s_own_gate_asks_for_figures_that_there_are(run: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "chain.md").read_text(encoding="utf-8")
    shown = page.split("```toml\n")[1].split("```")[0].replace("[audits.membership]", "[audits.membership-real]")
    assert all(one.value is not None for one in check_gate(run, gate(tmp_path, shown)))


def test_a_gate_that_is_not_there_and_a_figure_that_is_no_number(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"gate = .*none\.toml'?: the file cannot be read"):
        check_gate(run, tmp_path / "none.toml")
    with pytest.raises(RunError, match=r"sample of result\.json is no number there"):
        require_passed(check_gate(run, gate(tmp_path, "[result]\nsample = { max = 1 }")))


def test_figures_of_another_model_pass_nothing(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    file = gate(tmp_path, '[evaluations.validation]\n"by.a.txt.loss" = { max = 2.5 }')
    (copy / "model" / "config.json").write_text('{"another": 1}')
    with pytest.raises(
        RunError, match=r"loss of evaluations/validation\.json is measured of model, not of this model, and has"
    ):
        require_passed(check_gate(copy, file))
    figures = RunDirectory(copy).result()
    RunDirectory(copy).write_result(figures | {"model_files": {"config.json": "0" * 64}})
    with pytest.raises(RunError, match=r"config\.json is missing or damaged"):
        check_gate(copy, file)


def test_a_measurement_that_was_edited_checksum_and_all_passes_nothing(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    path = copy / "evaluations" / "validation.json"
    measured = {**read_measurement(path), "figures": {"by": {"a.txt": {"loss": 1.0}}}}
    path.write_text(json.dumps({**measured, "checksum": checksum(measured)}))
    file = gate(tmp_path, '[evaluations.validation]\n"by.a.txt.loss" = { max = 1.5 }')
    with pytest.raises(RunError, match=r"loss of evaluations/validation\.json is not what the manifest names, and has"):
        require_passed(check_gate(copy, file))


def test_each_figure_past_its_threshold_is_named_and_so_is_one_that_nobody_measured(run: Path, tmp_path: Path) -> None:
    file = gate(
        tmp_path,
        """
        [audits.membership]
        "loss.auc" = { max = 0.6, of = "high" }
        [audits.canaries]
        exposure = { max = 3 }
        [result]
        "validation.perplexity" = { min = 6, max = 7 }
        """,
    )
    with pytest.raises(RunError, match="does not pass the gate") as failed:
        require_passed(check_gate(run, file))
    for sentence in (
        "loss.auc of audits/membership.json is 0.62, and has to be at most 0.6",
        "exposure of audits/canaries.json is not measured, and has to be at most 3",
        "validation.perplexity of result.json is 5, and has to be at least 6 and at most 7",
    ):
        assert sentence in str(failed.value)


def test_a_name_that_there_is_not_is_answered_with_the_nearest(run: Path, tmp_path: Path) -> None:
    """Of an audit, a figure's name alone; a number that is there but was not measured is not misspelt."""
    file = gate(
        tmp_path,
        """
        [audits.membership-real]
        "figures.auc_loss" = { max = 0.6 }
        "auc loss" = { max = 0.6 }
        tpr_loss = { max = 0.1 }
        [evaluations.validation]
        quality = { min = 1 }
        """,
    )
    assert [one.shown for one in check_gate(run, file)] == [
        "not among its figures (nearest: auc_loss)",
        "not among its figures (nearest: auc_loss)",
        "not measured",
        "not among its figures (nearest: by.a.txt.loss)",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it holds no threshold; write e.g."),
        ("[results]\nloss = { max = 1 }", "results = .*: a table is .result., .manifest., .evaluations.NAME."),
        ("[result]\nloss = 3", r"result\.json\.loss = 3: give a threshold"),
        ("[result]\nloss = {}", "give max, min, or both"),
        ("[result]\nloss = { maximum = 3 }", r"result\.json\.loss\.maximum"),
        ("[result]\nloss = { max = '3' }", r"result\.json\.loss\.max = '3': this should be a number"),
        ("[audits]\nmembership = 3", r"audits\.membership = 3: give a table"),
        ("[result", "not valid TOML"),
        ("[result]\nloss = { max = nan }", r"result\.json\.loss\.max = nan: give a finite number"),
        ("[result]\nloss = { min = -inf }", r"result\.json\.loss\.min = -inf: give a finite number"),
        (
            "[result]\nloss = { min = 3, max = 2 }",
            r"result\.json\.loss\.min = 3\.0: nothing is at least that and at most 2",
        ),
        (
            "[result]\nsteps = { max = 3, of = 'high' }",
            r"result\.json\.steps\.of = 'high': this figure has no interval",
        ),
        ("[result]\nvalidation.perplexity = { max = 3 }", r'in quotes, "validation\.perplexity" = . max'),
    ],
)
def test_a_file_that_is_no_gate_says_what_is_wrong(run: Path, tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        check_gate(run, gate(tmp_path, text))
