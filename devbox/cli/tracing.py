"""`devbox up --trace`: what the containers are given, to record with nothing in their image."""

from __future__ import annotations

from devbox.config.model import Config
from devbox.errors import DevboxError
from devbox.ports.daemon import Mount
from devbox.ports.host import Finished, Host
from devbox.services.model import Account, Extra
from devbox.traces.injection import RECORDER, SPOOL, injection


def trace_extra(config: Config, host: Host, who: Account) -> Extra:
    """Bring the recorder to the host (once per version of it) and say what to mount and to set."""
    made = injection(config.spool)
    said = list(host.run(made.script))
    if said[-1] != Finished(0):
        raise DevboxError(
            "the recorder could not be brought to the host",
            where=str(host.address),
            why="\n".join(getattr(line, "text", "") for line in said[:-1]),
            next_steps=["devbox doctor", "devbox up   (without --trace)"],
        )
    return Extra(
        mounts=(
            Mount(RECORDER, who.absolute(made.recorder), read_only=True),
            Mount(SPOOL, who.absolute(made.spool)),
        ),
        environment=made.environment([mapping.container for mapping in config.sync]),
        python_path=RECORDER,
    )
