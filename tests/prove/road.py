"""scripts/prove road: foreign projects from a bare folder to a page, and a save to the new page, timed."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from tests.rehearsal import hosts
from tests.road import foreign
from tests.road.terminal import Terminal

PROJECTS = {
    "django": (foreign.DJANGO, "first words", "blog/urls.py"),
    "fastapi": (foreign.FASTAPI, "first words", "src/shop/main.py"),
}


def main() -> None:
    """Print one JSON line per project and a summary."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--host", default="test")
    host = hosts.up(hosts.Wish(parser.parse_args().host))
    with tempfile.TemporaryDirectory(prefix="devbox-road-") as folder:
        top = Path(folder)
        terminal = Terminal(top / "home", top / "keys", host.name, top)
        foreign.stand_in(host, terminal.python_image, "python:3.12-slim")
        for kind, (files, page, changed) in PROJECTS.items():
            name = foreign.plant(terminal, kind, files)
            try:
                times = foreign.travel(terminal, page, changed)
            finally:
                terminal.devbox("down", "--volumes")
            host.sh(f"rm -rf /home/dev/devbox/*{name}")
            print(json.dumps({"project": kind, "first": times.first, "save": times.save}), flush=True)
            print(times.line(kind), flush=True)


if __name__ == "__main__":
    main()
