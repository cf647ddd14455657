"""`scripts/prove init [--every N]`: `devbox init` cut and killed everywhere, on a real host of its own.

The link is cut before every command of the staged script, and devbox is killed after every event. After each
the host is old or new, and the next run says which. JSON lines and a summary.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.host.desk import sit_down
from tests.host.sweep import Outcome, Sweep
from tests.rehearsal import hosts

_EVENTS = 13
"""What a first `init --json` says before its end: plan, steps, checks."""


def main() -> int:
    """1 when any state was neither old nor new."""
    parser = argparse.ArgumentParser(prog="scripts/prove init", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every N-th command (1: all)")
    parser.add_argument("--first", type=int, default=1, help="begin with this command (1)")
    parser.add_argument("--verbs", default="apply,commit", help="which scripts are cut (apply,commit)")
    parser.add_argument("--kills", type=int, default=_EVENTS, help=f"kills, one after each event ({_EVENTS})")
    wish = parser.parse_args()
    host = hosts.up(hosts.Wish(hosts.shared_name("sweep"), python_image=False))
    try:
        with tempfile.TemporaryDirectory(prefix="devbox-sweep-") as folder:
            outcomes, commands = _sweep(Sweep(sit_down(Path(folder), host)), wish)
    finally:
        hosts.down(host.name)
    bad = [one for one in outcomes if not one.good]
    states = Counter(one.state for one in outcomes)
    summary = {
        "commands": commands,
        "cuts": len(outcomes),
        "states": states,
        "bad": [one.where for one in bad],
    }
    print(json.dumps(summary, indent=2))
    print(f"{len(outcomes)} cuts: {dict(states)}; neither old nor new: {len(bad)}", file=sys.stderr)
    return 1 if bad else 0


def _sweep(sweep: Sweep, wish: argparse.Namespace) -> tuple[list[Outcome], dict[str, int]]:
    commands = sweep.commands()
    outcomes = []
    for verb in filter(None, wish.verbs.split(",")):
        for point in range(wish.first, commands[verb] + 1, wish.every):
            outcomes.append(_told(sweep.cut(verb, point)))
    outcomes += [_told(sweep.kill(number)) for number in range(1, wish.kills + 1)]
    return outcomes, commands


def _told(outcome: Outcome) -> Outcome:
    print(json.dumps({"cut": outcome.where, "state": outcome.state, "said": outcome.said}), flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
