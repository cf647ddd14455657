"""scripts/prove recorder: a million spans, nobody collects, kill the program, count what is left."""

from __future__ import annotations

import argparse
import json
import sys

from tests.tracer.losses import killed

BYTES_EACH = 128
"""More than the average span of the program needs."""


def main() -> None:
    """Print one JSON line per round and a summary; exit 1 when a span is neither stored nor counted."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    rounds = {
        "within the bound": given.spans * BYTES_EACH,
        "beyond the bound": given.spans * BYTES_EACH // 16,
    }
    lost = 0
    for name, bound in rounds.items():
        found = killed(given.spans, given.threads, bound)
        print(json.dumps({"round": name, "bound": bound, **found.as_data()}), flush=True)
        lost += abs(found.unaccounted) + (found.dropped if name == "within the bound" else 0)
    print(f"{2 * given.spans} spans ended, {lost} lost without a word or within the bound")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
