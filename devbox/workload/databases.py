"""Which database it is: by its URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from devbox.errors import UsageError
from devbox.workload.database import Database
from devbox.workload.sqlite import Sqlite


def open_database(url: str, state: Path, name: str) -> Database:
    """The database of the service `name`: on the server at `url`, or a file in `state` when that is empty."""
    if not url:
        return Sqlite(state / f"{name}.db")
    if not url.startswith(("postgresql://", "postgres://")):
        raise UsageError(f"SHOP_DATABASE wants postgresql://…, found {url.partition(':')[0]}:…")
    return _postgres(name)(url, name)


def _postgres(name: str) -> Callable[[str, str], Database]:
    try:
        from devbox.workload.postgres import Postgres
    except ImportError as error:
        raise UsageError(
            "the client library for PostgreSQL is not installed",
            where=f"the database of the {name} service",
            why=str(error),
            next_steps=['pip install "devbox[postgres]"'],
        ) from None
    return Postgres
