"""`python -m devbox.workload`: the processes of the shop. The standard library is all they need."""

from __future__ import annotations

import argparse
import sys

from devbox.errors import DevboxError
from devbox.workload.contract import SERVICES
from devbox.workload.settings import Settings


def main() -> None:
    """Run what is named; settings come from the environment (see `devbox.workload.settings`)."""
    parser = argparse.ArgumentParser(prog="python -m devbox.workload", description=main.__doc__)
    parser.add_argument("what", choices=[*SERVICES, "gateway", "supervise", "healthy"])
    what = parser.parse_args().what
    try:
        _run(what, Settings.read())
    except DevboxError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def _run(what: str, settings: Settings) -> None:
    if what == "gateway":
        from devbox.workload import front

        front.serve(settings)
    elif what == "supervise":
        from devbox.workload import supervisor

        supervisor.supervise(settings)
    elif what == "healthy":
        from devbox.workload.client import Shop

        Shop(f"http://127.0.0.1:{settings.gateway}").state()
    else:
        from devbox.workload import assembly

        assembly.serve(what, settings)


if __name__ == "__main__":
    main()
