"""What a service asks of its database. SQL is written once, with `?` for values, in what all understand."""

from __future__ import annotations

from typing import Any, Protocol


class Taken(Exception):
    """A row with this key is there already."""


class Database(Protocol):
    """One service's database. Rows are mappings; what `connect` gives can be closed."""

    name: str
    begin: str
    """What begins a transaction that writes."""
    one_writer: bool
    """Whether writers wait for each other anyway, so that a lock of threads may do it for less."""

    def prepare(self, schema: str) -> None:
        """Make the tables where they are missing."""
        ...

    def connect(self) -> Any:
        """A new connection, which is in no transaction until it is told `begin`."""
        ...

    def execute(self, connection: Any, sql: str, values: tuple[Any, ...]) -> Any:
        """Execute a statement; its cursor. A broken constraint is `Taken`, a lost database `Unavailable`."""
        ...
