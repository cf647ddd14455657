"""scripts/prove workload: kill the shop's processes and brokers at random under load, and count."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from devbox.workload import local
from tests.workload import kills
from tests.workload.brokers import killable, urls
from tests.workload.shops import Running


def main() -> None:
    """Print one JSON line per seed and a summary; exit 1 when an order was lost or paid twice."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=40, help="per seed")
    given = parser.parse_args()
    total = kills.Count()
    for seed in range(1, given.seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            count = _one(Path(folder), seed, given.kills)
        print(json.dumps({"seed": seed, **count.as_data()}), flush=True)
        total = total + count
    print(json.dumps({"total": total.as_data()}))
    harm = total.lost + total.unpaid + total.paid_twice + total.untold
    print(
        f"{sum(total.kills.values())} kills, {total.orders} orders, lost {total.lost}, "
        f"paid twice {total.paid_twice}, not told {total.untold}, without a trace {total.untraced}"
    )
    sys.exit(1 if harm else 0)


def _one(folder: Path, seed: int, number: int) -> kills.Count:
    with killable(folder) as brokers:
        os.environ["SHOP_BROKERS"] = urls(brokers)
        # Every other time the data lies in PostgreSQL, else in SQLite.
        os.environ["SHOP_DATABASE"] = brokers["postgres"].url if seed % 2 else ""
        try:
            return kills.run(Running(local.up(folder / "shop")), seed, number, brokers)
        finally:
            local.down(folder / "shop")


if __name__ == "__main__":
    main()
