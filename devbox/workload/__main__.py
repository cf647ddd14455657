"""`python -m devbox.workload`: the processes of the shop. The standard library is all they need."""

from __future__ import annotations

import argparse
import sys

from devbox.errors import DevboxError
from devbox.workload import reload
from devbox.workload.contract import SERVICES
from devbox.workload.settings import Settings


def main() -> None:
    """Run what is named; settings come from the environment (see `devbox.workload.settings`)."""
    parser = argparse.ArgumentParser(prog="python -m devbox.workload", description=main.__doc__)
    parser.add_argument("what", choices=[*SERVICES, "gateway", "supervise", "healthy"])
    parser.add_argument("--reload", action="store_true", help="begin anew when the code was changed")
    given = parser.parse_args()
    try:
        if given.reload:
            reload.survive(lambda: _run(given.what, Settings.read(), True))
        else:
            _run(given.what, Settings.read(), False)
    except DevboxError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def _run(what: str, settings: Settings, reloading: bool) -> None:
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

        assembly.serve(what, settings, reloading)


if __name__ == "__main__":
    main()
