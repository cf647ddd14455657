"""`scripts/prove sync [--seeds N] [--ops M] [--first S] [--workers W]`: chaos over many seeds.

Prints JSON and a summary.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from tests.sync.chaos import Result, run_seed

_SAID = 10
"""So many seeds between two words on how far it is."""


def main() -> int:
    """1 when any seed was not good; its folder is kept."""
    parser = argparse.ArgumentParser(prog="scripts/prove sync", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds (20)")
    parser.add_argument("--ops", type=int, default=300, help="operations per seed (300)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--workers", type=int, default=1, help="seeds that run beside each other (1)")
    wish = parser.parse_args()
    results = list(_run(range(wish.first, wish.first + wish.seeds), wish.ops, wish.workers))
    bad = [one for one in results if not one.good]
    summary = {
        "seeds": len(results),
        "operations": wish.ops * len(results),
        "faults": dict(sum((one.faults for one in results), Counter[str]())),
        "reads": sum(one.reads for one in results),
        "steady_reads": sum(one.steady_reads for one in results),
        "torn": sum(len(one.torn) for one in results),
        "missing": sum(len(one.missing) for one in results),
        "mismatches": sum(len(one.mismatches) + len(one.index) for one in results),
        "ended": sum(len(one.ended) for one in results),
        "bad_seeds": [one.seed for one in bad],
        "seconds": round(sum(one.seconds for one in results), 1),
    }
    print(json.dumps(summary, indent=2))
    words = (
        f"{name} {summary[name]}" for name in ("seeds", "operations", "faults", "reads", "torn", "missing")
    )
    print("; ".join(words), f"; mismatches {summary['mismatches']}", file=sys.stderr)
    return 1 if bad else 0


def _run(seeds: Sequence[int], operations: int, workers: int) -> Iterator[Result]:
    with ProcessPoolExecutor(workers) as pool:
        for number, result in enumerate(pool.map(_one, seeds, repeat(operations)), 1):
            if number % _SAID == 0:
                print(f"{number} of {len(seeds)} seeds done", file=sys.stderr, flush=True)
            yield result


def _one(seed: int, operations: int) -> Result:
    base = Path(tempfile.mkdtemp(prefix=f"devbox-chaos-{seed}-"))
    result = run_seed(seed, operations, base)
    if result.good:
        shutil.rmtree(base)
    else:
        print(f"seed {seed}: {result}\n  kept in {base}", file=sys.stderr)
    return result


if __name__ == "__main__":
    sys.exit(main())
