"""`groundup`, and `python -m groundup`."""

import os
import sys

from groundup.cli.loading import INTERRUPTED, loading


def main() -> None:
    """Run the command line. Ctrl-C is an ordinary end, even while modules are still being loaded."""
    try:
        # Where a standard stream is closed, `print` would write to another, or fail.
        sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
        sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        with loading():
            from groundup.cli.main import main as command_line
        command_line()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
