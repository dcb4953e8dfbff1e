"""`groundup`, and `python -m groundup`."""

import sys

from groundup.cli.loading import INTERRUPTED, loading
from groundup.cli.streams import open_streams


def main() -> None:
    """Run the command line. Ctrl-C is an ordinary end, even while modules are still being loaded."""
    try:
        open_streams()
        with loading():
            from groundup.cli.main import main as command_line
        command_line()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
