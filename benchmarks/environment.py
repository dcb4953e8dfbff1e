"""The peers' environments: a venv each under `.venv/bench/`, made from its requirement file when it is first needed.

    python -m benchmarks.environment            all of them, made ahead of a run
    python -m benchmarks.environment litgpt

What a venv doesn't hold itself it finds in the environment that runs this (PyTorch above all, which is large); a version that a
requirement file pins comes first. A requirement file whose first line is `# on its own` shares nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = Path(__file__).parent / "environments"
HOME = ROOT / ".venv" / "bench"
ALONE = "# on its own"


class Unavailable(Exception):
    """A peer that can't be measured on this machine; the message says why."""


def available() -> list[str]:
    """The environments that can be made."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


@cache
def python_of(name: str) -> Path:
    """The interpreter of an environment, or of the one that runs this for the name "". Raises `Unavailable`."""
    if not name:
        return Path(sys.executable)
    requirements, folder = REQUIREMENTS / f"{name}.txt", HOME / name
    python, made = folder / "bin" / "python", folder / "made-from.txt"
    wanted = requirements.read_text(encoding="utf-8")
    if python.exists() and made.exists() and made.read_text(encoding="utf-8") == wanted:
        return python
    print(f"setting up {folder.relative_to(ROOT)}", file=sys.stderr, flush=True)
    alone = wanted.startswith(ALONE)
    _run([sys.executable, "-m", "venv", "--clear", *([] if alone else ["--without-pip"]), str(folder)], name)
    if not alone:
        _share_packages(folder)
    _run([str(python), "-m", "pip", "install", "-qq", "--no-input", "--requirement", str(requirements)], name)
    made.write_text(wanted, encoding="utf-8")
    return python


def _share_packages(folder: Path) -> None:
    """Let the venv see the packages of the environment that runs this, behind its own. Its pip is used, too."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shared = folder / "lib" / version / "site-packages" / "shared.pth"
    shared.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise Unavailable(
            f"its environment {name} could not be made: {last_words(errors[-1] if errors else done.stderr)}"
        )


def last_words(said: str) -> str:
    """The last line that a program said before it failed, without addresses and folders, which may be private."""
    line = (said.strip().splitlines() or ["it said nothing"])[-1]
    return re.sub(r"/\S+/", "", re.sub(r"\S+://\S+", "...", line))[:300]


def main() -> None:
    failed = False
    for name in sys.argv[1:] or available():
        if name not in available():
            sys.exit(f"there is no environment {name!r}; there are: {', '.join(available())}")
        try:
            python_of(name)
        except Unavailable as error:
            failed = True
            print(error, file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
