"""scripts/prove store: a flood into a small store, its collector killed again and again, for some minutes."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.traces.soak import Found, Soak


def main() -> None:
    """Print one JSON line per kill and a summary; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--bound", type=int, default=64, help="MiB")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between a thousand spans")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), given.bound, given.seed, _say)
        found = soak.run(given.seconds, given.pause)
    print(
        f"{found.ended:,} spans ended, {found.kills} kills: the store had at most"
        f" {found.store / (1 << 20):.1f} of {given.bound} MiB, {found.waiting / (1 << 20):.1f} MiB waited,"
        f" {len(found.wrong)} times something was wrong"
    )
    sys.exit(1 if found.wrong else 0)


def _say(found: Found) -> None:
    print(json.dumps(found.as_data()), flush=True)


if __name__ == "__main__":
    main()
