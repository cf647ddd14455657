"""PostgreSQL: a schema per service, in the database that the URL names."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import sql as words
from psycopg.rows import dict_row

from devbox.workload.database import Taken
from devbox.workload.failures import Unavailable

_CONNECT_SECONDS = 2
_PATIENCE = 30.0
"""Seconds for which a service that starts waits for its database."""


class Postgres:
    """The database of one service (see `Database`). What is committed survives whatever dies."""

    begin = "BEGIN"
    one_writer = False

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._url = url
        self._schema = f"shop_{name}"

    def prepare(self, schema: str) -> None:
        """See `Database.prepare`."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                connection = self.connect()
                break
            except Unavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        with connection:
            made = words.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(words.Identifier(self._schema))
            connection.execute(made)
            connection.execute(schema.encode())

    def connect(self) -> Any:
        """See `Database.connect`."""
        try:
            return psycopg.connect(
                self._url, autocommit=True, row_factory=dict_row, connect_timeout=_CONNECT_SECONDS,
                options=f"-c search_path={self._schema}",
            )  # fmt: skip
        except psycopg.OperationalError as error:
            raise Unavailable(f"PostgreSQL: {error}") from None

    def execute(self, connection: Any, sql: str, values: tuple[Any, ...]) -> Any:
        """See `Database.execute`."""
        try:
            return connection.execute(sql.replace("?", "%s").encode(), values or None)
        except psycopg.IntegrityError as error:
            raise Taken(str(error)) from None
        except psycopg.OperationalError as error:
            raise Unavailable(f"PostgreSQL: {error}") from None
