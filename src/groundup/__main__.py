"""`groundup`, and `python -m groundup`."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C is an ordinary end, even while its modules are still being loaded."""
    try:
        from groundup.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
