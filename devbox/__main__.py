"""`devbox` and `python -m devbox`: the way to the door, with a short cut for `--version`."""

from __future__ import annotations

import gc
import sys

_OBJECTS = 200_000
"""New objects between two collections: a command makes many at once (modules, then a tree's entries), keeps
them, and ends. Python's 700 cost a tenth of its time.
"""


def main() -> None:
    """Run the command line; `--version` answers without loading the rest."""
    if sys.argv[1:] == ["--version"]:
        from devbox import __version__

        sys.stdout.write(f"devbox {__version__}\n")
        return
    gc.set_threshold(_OBJECTS, 20, 20)
    from devbox.cli.app import run

    try:
        run()
    finally:
        gc.freeze()  # the process ends: Python would look through all objects once more before that


if __name__ == "__main__":
    main()
