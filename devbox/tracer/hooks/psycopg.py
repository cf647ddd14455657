"""psycopg 3: one client span per statement, commit and rollback, of ordinary and asynchronous connections.

Its classes offer no other extension point than their methods. Values stay out: they may be secrets. COPY and
`stream` have no span: their time is the application's, which reads meanwhile.
"""

from __future__ import annotations

import sys

from ..layout import CLIENT
from ..making import begun
from ..places import caller
from ..recorder import RECORDER
from . import replace
from .sqlite import LONGEST_STATEMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_IDLE = 0
"""No transaction (libpq's PQTRANS_IDLE)."""


def adapt_psycopg(module: ModuleType) -> None:
    """All cursors and connections, whenever they were made."""
    for kind in (module.Cursor, module.ServerCursor, module.AsyncCursor, module.AsyncServerCursor):
        make = _awaited_statement if kind.__name__.startswith("Async") else _statement
        for name in {"execute", "executemany"}.intersection(vars(kind)):
            replace(kind, name, make)
    for name in ("commit", "rollback"):
        replace(module.Connection, name, _ending)
        replace(module.AsyncConnection, name, _awaited_ending)


def _is_told_already() -> bool:
    """SQLAlchemy stands above us, and its statements have their spans."""
    name = sys._getframe(2).f_globals.get("__name__", "")
    return RECORDER.spool is None or name.startswith("sqlalchemy.")


def _statement(original: Any) -> Any:
    def wrapper(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        if _is_told_already():
            return original(self, query, *args, **more)
        with _asking(self.connection, _text(query)):
            return original(self, query, *args, **more)

    return wrapper


def _awaited_statement(original: Any) -> Any:
    async def wrapper(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        if _is_told_already():
            return await original(self, query, *args, **more)
        with _asking(self.connection, _text(query)):
            return await original(self, query, *args, **more)

    return wrapper


def _ending(original: Any) -> Any:
    def wrapper(self: Any) -> None:
        if _is_told_already() or self.pgconn.transaction_status == _IDLE:
            return original(self)  # type: ignore[no-any-return]
        with _asking(self, original.__name__):
            return original(self)  # type: ignore[no-any-return]

    return wrapper


def _awaited_ending(original: Any) -> Any:
    async def wrapper(self: Any) -> None:
        if _is_told_already() or self.pgconn.transaction_status == _IDLE:
            return await original(self)  # type: ignore[no-any-return]
        with _asking(self, original.__name__):
            return await original(self)  # type: ignore[no-any-return]

    return wrapper


def _asking(connection: Any, text: str) -> Any:
    verb = text.split(" ", 1)[0].upper()
    about = {"db.system.name": "postgresql", "db.query.text": text[:LONGEST_STATEMENT]}
    if not connection.closed:
        info = connection.info
        about.update({"server.address": info.host, "server.port": info.port, "db.namespace": info.dbname})
    return begun(caller(), f"postgresql {verb}", about, CLIENT)


def _text(query: Any) -> str:
    """The statement on one line."""
    return " ".join(_words(query).split())


def _words(query: Any) -> str:
    """A statement is a text, or composed: then of texts, identifiers, and values, which are left out."""
    if isinstance(query, (str, bytes)):
        return query if isinstance(query, str) else query.decode("utf-8", "replace")
    kind = type(query).__name__
    if kind == "Composed":
        return "".join(map(_words, query))
    return str(query.as_string(None)) if kind in ("SQL", "Identifier") else "?"
