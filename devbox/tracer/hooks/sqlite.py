"""sqlite3: one client span per statement.

`sqlite3.connect` takes a `factory`; ours derives from the caller's, and its cursors from `Cursor`. That
is the
library's own extension point, so nothing of sqlite3 is replaced but the default of that argument.
"""

from __future__ import annotations

from ..layout import CLIENT
from ..making import begun
from ..places import caller
from ..recorder import RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

LONGEST_STATEMENT = 2000


def _statement(sql: object) -> Any:
    """A span for a statement. Values stay out: they may be secrets; the statement has placeholders for
    them.
    """
    text = " ".join(str(sql).split())
    verb = text.split(" ", 1)[0].upper()
    about = {"db.system.name": "sqlite", "db.query.text": text[:LONGEST_STATEMENT]}
    return begun(caller(), f"sqlite {verb}", about, CLIENT)


def _timed(base: type, name: str) -> Any:
    original = getattr(base, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.spool is None:
            return original(self, *args, **kwargs)
        with _statement(args[0] if args else name):
            return original(self, *args, **kwargs)

    method.__name__ = name
    return method


def adapt_sqlite3(module: ModuleType) -> None:
    """Connections made from now on use cursors that are recorded."""
    cursor = _cursor(module.Cursor)
    kinds: dict[type, type] = {}

    def make(connect: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if len(args) <= 5:  # the factory, when positional, is the sixth
                base = kwargs.get("factory") or module.Connection
                kwargs["factory"] = kinds.setdefault(base, _connection(base, cursor))
            return connect(*args, **kwargs)

        return wrapper

    replace(module, "connect", make)


def _cursor(base: type) -> type:
    # Rows are fetched lazily; that time stays with the function that fetches.
    methods = {name: _timed(base, name) for name in ("execute", "executemany", "executescript")}
    return type("Cursor", (base,), methods)


def _connection(base: Any, cursor_type: type) -> type:
    def cursor(self: Any, factory: Any = cursor_type) -> Any:
        return base.cursor(self, factory)

    def through_cursor(name: str) -> Any:
        def method(self: Any, *args: Any) -> Any:
            return getattr(self.cursor(), name)(*args)

        method.__name__ = name
        return method

    def leave(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        # `with connection:` commits or rolls back inside of C, past our methods.
        if RECORDER.spool is None or not self.in_transaction:
            return base.__exit__(self, kind, error, trace)
        with _statement("commit" if kind is None else "rollback"):
            return base.__exit__(self, kind, error, trace)

    methods = {name: through_cursor(name) for name in ("execute", "executemany", "executescript")}
    methods.update({name: _timed(base, name) for name in ("commit", "rollback")}, cursor=cursor)
    methods["__exit__"] = leave
    return type("Connection", (base,), methods)
