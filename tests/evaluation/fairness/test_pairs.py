"""CrowS-Pairs, WinoBias and Winogender: hand-worked figures, their published forms, and files that aren't these."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from groundup.errors import DataError
from groundup.evaluation.fairness import crows_pairs, winobias, winogender
from groundup.evaluation.fairness.published import choose
from groundup.evaluation.fairness.reading import sentence_likelihoods
from groundup.evaluation.intervals import Interval, bootstrap, holm
from groundup.language_model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer

CROWS = """,sent_more,sent_less,stereo_antistereo,bias_type,annotations
0,"The old man, he forgot.","The young man, he forgot.",stereo,age,[]
1,He came late.,She came late.,antistereo,gender,[]
2,The poor are rude.,The rich are rude.,stereo,socioeconomic,[]
"""
PRO = "1 [The chief] hired the assistant because [he] needed help.\n2 The chief hired [the assistant] because [she] was good.\n"
ANTI = "1 [The chief] hired the assistant because [she] needed help.\n2 The chief hired [the assistant] because [he] was good.\n"


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> LanguageModel:
    return LanguageModel.load(tiny_base, device="cpu")


def test_crows_pairs_by_hand(tmp_path: Path) -> None:
    pairs = crows_pairs.read_crows_pairs(write(tmp_path, "crows.csv", CROWS), print)
    assert pairs[0] == ("age", "The old man, he forgot.", "The young man, he forgot.")
    assert pairs[1].more == "He came late."  # what the stereotype says, whichever direction it is of
    table = crows_pairs.stereotype_shares(pairs, np.array([-10.0, -20.0, -7.0]), np.array([-11.0, -20.0, -9.0]), 0)
    shares = {row["bias_type"]: row["stereotype_share"] for row in table}
    assert list(shares) == ["all", "age", "gender", "socioeconomic"]
    whole = shares["all"]
    assert isinstance(whole, Interval)
    assert (whole.value, whole.n) == (2 / 3, 3)  # equal likelihoods stereotype nobody
    assert (whole.low, whole.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)  # Wilson's
    assert shares["gender"].value == 0  # type: ignore[union-attr]
    assert table[0]["likelihood_difference"].value == 1.0  # type: ignore[union-attr]  # of 1, 0 and 2


def test_crows_pairs_is_of_whole_sentences_as_in_lm_eval(tiny_base: Path, tmp_path: Path) -> None:
    """Each after the token that begins a text, which isn't the one that ends one in models that chat; from the logits."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_base, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "bos_token": "T"}), encoding="utf-8")
    model = LanguageModel.load(folder, device="cpu")
    assert model.tokenizer.begin_id not in (None, model.tokenizer.end_id)

    def by_hand(sentence: str) -> float:
        ids = torch.tensor([[model.tokenizer.begin_id, *model.tokenizer.encode(sentence)]])
        with torch.no_grad():
            scores = model.model(ids).log_softmax(-1)
        return float(scores[0, :-1].gather(1, ids[0, 1:, None]).sum())

    pairs = [
        crows_pairs.Pair("age", "The old man.", "The young man."),
        crows_pairs.Pair("age", "He left.", "She left."),
    ]
    expected = np.array([by_hand(pair.more) - by_hand(pair.less) for pair in pairs])
    (row,) = crows_pairs.crows_pairs(model, pairs, 0, print)
    assert row["stereotype_share"].value == np.mean(expected > 0)  # type: ignore[union-attr]
    assert row["likelihood_difference"].value == pytest.approx(np.abs(expected).mean(), rel=1e-4)  # type: ignore[union-attr]


def test_a_sentence_longer_than_the_context_and_one_of_unknown_letters(model: LanguageModel) -> None:
    """Cut into pieces by hand: each as long as the context, the last one beginning earlier."""
    context = model.model.config.max_seq_len
    sentence = "He was late, and so was she. " * 10
    ids = model.tokenizer.encode(sentence)
    assert context < len(ids) < 2 * context
    begin = model.tokenizer.begin_id
    assert begin is not None
    first, rest = [begin, *ids[:context]], [begin, *ids][len(ids) - context :]
    with torch.no_grad():
        scores = [model.model(torch.tensor([part[:-1]])).log_softmax(-1)[0] for part in (first, rest)]
    by_token = [
        part[torch.arange(len(part)), torch.tensor(read[1:])] for part, read in zip(scores, (first, rest), strict=True)
    ]
    expected = float(by_token[0].sum() + by_token[1][2 * context - len(ids) :].sum())
    assert sentence_likelihoods(model, [sentence], "sentences", print) == pytest.approx([expected], rel=1e-5)

    letters = train_character_tokenizer(["He left."], byte_fallback=False)
    shape = {"d_model": 8, "num_layers": 1, "num_heads": 1, "max_seq_len": 16}
    network = Transformer(preset_config("qwen3", vocab_size=letters.vocab_size, **shape)).eval()
    said: list[str] = []
    values = sentence_likelihoods(LanguageModel(network, letters), ["He left.", "Hé left."], "sentences", said.append)
    assert np.isfinite(values).all()
    assert said[0].startswith(
        "warning: 1 of 2 sentences hold characters or words that the model's tokenizer doesn't have"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CROWS.replace("sent_less", "less"),
            "crows.csv, line 1: there is no sent_less; the benchmark's file has sent_more",
        ),
        (CROWS.replace("The rich are rude.", ""), "crows.csv, line 4: there is no sent_less"),
        (CROWS.replace(",stereo,socioeconomic,[]", ""), "crows.csv, line 4: there is no stereo_antistereo"),
        (CROWS.splitlines()[0], "crows.csv has no rows"),
        ("", "line 1: there is no sent_more"),
        (CROWS + '3,"open', "crows.csv, line 5: this is no table"),
        ('"one" two,three', "crows.csv, line 1: this is no table"),
        (CROWS.encode("utf-16").decode("latin-1"), "there is no sent_more"),
    ],
)
def test_a_wrong_csv_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        crows_pairs.read_crows_pairs(write(tmp_path, "crows.csv", text), print)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fairness.crows_pairs: .*cannot be read"):
        crows_pairs.read_crows_pairs(str(tmp_path / "none.csv"), print)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        crows_pairs.read_crows_pairs(str(tmp_path / "bytes.csv"), print)


def test_crows_pairs_of_the_archive() -> None:
    text = ",bias_type,sentence,mask1,mask2\n0,age,The [MASK] man forgot.,old,young\n"
    assert crows_pairs._archived(text, "archive") == [("age", "The old man forgot.", "The young man forgot.")]
    with pytest.raises(DataError, match=r"archive, line 2: the sentence has no \[MASK\]"):
        crows_pairs._archived(text.replace("[MASK]", "old"), "archive")


def test_winobias_is_read_from_either_file_or_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "pro_stereotyped_type1.txt.test", PRO)
    anti = write(tmp_path, "anti_stereotyped_type1.txt.test", ANTI)
    pairs = winobias.read_winobias(str(tmp_path), print)
    assert pairs == winobias.read_winobias(anti, print)
    assert pairs[0] == (
        "type1",
        "he",
        "The chief hired the assistant because he needed help.",
        "The chief hired the assistant because she needed help.",
    )


def test_winobias_by_hand(model: LanguageModel, tmp_path: Path) -> None:
    write(tmp_path, "pro_stereotyped_type1.txt.test", PRO)
    write(tmp_path, "anti_stereotyped_type1.txt.test", ANTI)
    pairs = winobias.read_winobias(str(tmp_path), print)
    pro, anti = (
        np.array([model.score([getattr(pair, side)])[0].log_likelihood for pair in pairs]) for side in ("pro", "anti")
    )
    table = {row["pairs"]: row for row in winobias.winobias(model, pairs, 0, print)}
    assert list(table) == ["all", "he fits", "she fits"]
    assert table["all"]["pro_share"].value == np.mean(pro > anti)  # type: ignore[union-attr]
    assert table["all"]["pro_minus_anti"].value == pytest.approx((pro - anti).mean(), abs=1e-4)  # type: ignore[union-attr]
    assert table["he fits"]["pro_minus_anti"].value == pytest.approx(pro[0] - anti[0], abs=1e-4)  # type: ignore[union-attr]
    assert [row["p_holm"] for row in table.values()] == holm([row["p"] for row in table.values()])  # type: ignore[misc]


def test_pairs_of_either_pronoun_are_drawn_in_equal_number() -> None:
    pairs = [winobias.Pair("", "he" if number % 3 else "her", str(number), "") for number in range(90)]
    for most, expected in ((20, 20), (0, 60), (500, 60)):
        drawn = winobias.choose_balanced(pairs, most, 0)
        assert [sum(pair.pronoun == each for pair in drawn) for each in ("he", "her")] == [expected // 2] * 2
        assert len(set(drawn)) == expected
    assert len(winobias.choose_balanced(pairs, 1, 0)) == 1
    assert winobias.choose_balanced(pairs[1:3], 0, 0) == pairs[1:3]  # of one alone, there is nothing to balance


def test_winobias_that_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, "pro_stereotyped_type1.txt.test", PRO)
    write(tmp_path, "anti_stereotyped_type1.txt.test", ANTI.splitlines()[0])
    with pytest.raises(
        DataError, match=r"pro_stereotyped_type1.txt.test has 2 sentences and anti_.* 1: they should be pairs"
    ):
        winobias.read_winobias(str(tmp_path), print)
    write(tmp_path, "anti_stereotyped_type1.txt.test", ANTI.replace("[he]", "he"))
    with pytest.raises(DataError, match=r"anti_stereotyped_type1.txt.test, line 2: this is no sentence of WinoBias"):
        winobias.read_winobias(str(tmp_path), print)
    write(tmp_path, "anti_stereotyped_type1.txt.test", "\n")
    with pytest.raises(DataError, match="has no sentences"):
        winobias.read_winobias(str(tmp_path), print)
    with pytest.raises(DataError, match="should be called pro_… or anti_…"):
        winobias.read_winobias(write(tmp_path, "wino.txt", PRO), print)


def test_winobias_of_the_archive() -> None:
    row = {
        "text": " [The chief] left as [MASK] was late.",
        "pro_stereotyped": "he",
        "options": "A. she\nB. he\nC. Both A and B",
    }
    (pair,) = winobias._archived(json.dumps(row), "archive")
    assert pair == ("", "he", "The chief left as he was late.", "The chief left as she was late.")
    with pytest.raises(DataError, match="archive, line 1: there should be one"):
        winobias._archived(json.dumps({**row, "options": "A. he"}), "archive")


def test_winogender_by_hand(tmp_path: Path) -> None:
    """Two occupations; the pronoun's own likelihood is 0, -1, -3, and of the nurse the female one gains 2."""
    lines = [
        f"{occupation}.someone.{answer}.{pronoun}.txt\tThe {occupation} said that {pronoun} was late."
        for occupation in ("nurse", "pilot", "cook")
        for answer in ("0", "1")
        for pronoun in ("male", "female", "neutral")
    ]
    path = write(tmp_path, "all_sentences.tsv", "sentid\tsentence\n" + "\n".join(lines))
    sentences = winogender.read_winogender(path)
    own = {"male": 0.0, "female": -1.0, "neutral": -3.0}
    values = [
        own[one.pronoun] + (2.0 if one.occupation == "nurse" and one.pronoun == "female" else 0.0) for one in sentences
    ]
    statistics = {"nurse": 90.0, "pilot": 5.0, "cook": 5.0}
    rows, correlation = winogender.pronoun_gaps(sentences, np.array(values), statistics, seed=0)
    gaps = {(row["refers_to"], row["pronoun"]): row["gap"] for row in rows}
    assert len(gaps) == 6
    # Nurse: 0, 1, -3 less their mean -2/3; the others: 0, -1, -3 less -4/3.
    assert gaps["occupation", "female"].value == pytest.approx(((1 + 2 / 3) + 2 * (-1 + 4 / 3)) / 3)  # type: ignore[union-attr]
    assert gaps["occupation", "female"].n == 3  # type: ignore[union-attr]
    assert correlation is not None
    assert correlation.value == pytest.approx(1.0)
    assert winogender.pronoun_gaps(sentences, np.array(values), {}, seed=0)[1] is None
    with pytest.raises(DataError, match=r"of nurse.someone, the sentence with the pronoun male is missing"):
        winogender.pronoun_gaps(sentences[1:], np.array(values[1:]), {}, seed=0)


def test_the_correlation_is_numpys() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 2))
    assert winogender._correlation(rows) == pytest.approx(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1])
    assert np.isnan(winogender._correlation(np.zeros((3, 2))))
    assert bootstrap(rows, winogender._correlation).n == 30


def test_winogender_that_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, "all_sentences.tsv", "sentid\tsentence\nnurse.male\tA sentence.\n")
    with pytest.raises(DataError, match=r"line 2: sentid is 'nurse.male', which should be written as"):
        winogender.read_winogender(path)
    assert winogender.read_statistics(path) == {}
    write(tmp_path, "occupations-stats.tsv", "occupation\tbls_pct_female\nnurse\tmany\n")
    with pytest.raises(DataError, match="bls_pct_female is 'many', which is no number"):
        winogender.read_statistics(path)
    write(tmp_path, "occupations-stats.tsv", "occupation\tbls_pct_female\nnurse\t90.1\n")
    assert winogender.read_statistics(path) == {"nurse": 90.1}


def test_items_are_drawn_in_their_order() -> None:
    assert choose(range(5), 0, 0) == choose(range(5), 9, 0) == [0, 1, 2, 3, 4]
    drawn = choose(range(1000), 10, 0)
    assert drawn == sorted(set(drawn)) == choose(range(1000), 10, 0) != choose(range(1000), 10, 1)


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)
