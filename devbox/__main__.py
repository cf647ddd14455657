"""`devbox` and `python -m devbox`: the way to the door, with a short cut for `--version`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; `--version` answers without loading the rest."""
    if sys.argv[1:] == ["--version"]:
        from devbox import __version__

        sys.stdout.write(f"devbox {__version__}\n")
        return
    from devbox.cli.app import run

    run()


if __name__ == "__main__":
    main()
