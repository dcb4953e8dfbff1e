"""Renew requirements.lock (constraints for all packages) and requirements-hashes.lock (the same with hashes, without torch).

torch has no hash: its builds differ by platform. Run through `make lock`; needs the package registry.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TORCH = "torch==2.13.0"
ROOT = Path(__file__).parent.parent
HEADER = "# Written by `make lock`; edit pyproject.toml instead.\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        constraint, output = Path(folder, "constraint.txt"), Path(folder, "output.txt")
        constraint.write_text(TORCH + "\n")
        options = (
            "--quiet --generate-hashes --extra dev --unsafe-package torch --strip-extras --no-annotate --no-header"
        )
        silent = "--no-emit-index-url --no-emit-find-links --no-emit-trusted-host"
        command = [sys.executable, "-m", "piptools", "compile", *options.split(), *silent.split()]
        subprocess.run([*command, "-c", str(constraint), "-o", str(output), "pyproject.toml"], cwd=ROOT, check=True)
        hashed = output.read_text()
    hashed = hashed[: hashed.index("\n# WARNING")] + "\n" if "\n# WARNING" in hashed else hashed
    pins = [line.split()[0] for line in hashed.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    (ROOT / "requirements-hashes.lock").write_text(HEADER + hashed.rstrip() + "\n")
    (ROOT / "requirements.lock").write_text(HEADER + "\n".join(sorted([*pins, TORCH])) + "\n")


if __name__ == "__main__":
    main()
