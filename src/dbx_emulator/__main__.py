"""The command `dbx-emulator`, as far as one line when what it needs is not installed."""

from __future__ import annotations

import sys
from io import TextIOWrapper

__all__ = ["main"]


def main() -> None:
    """Run the command line; without the extra it needs, say which one and exit with 2."""
    try:
        from dbx_emulator.cli import cli
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "dbx_emulator":
            raise
        remedy = 'pip install "dbx-kit[server]"'
        sys.stderr.write(f"dbx-emulator needs {error.name}, which is not installed: {remedy}\n")
        sys.exit(2)
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal or a file that cannot take a character gets a question mark for it, and no traceback.
        sys.stdout.reconfigure(errors="replace")
    cli()


if __name__ == "__main__":
    main()
