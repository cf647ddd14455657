"""SQLAlchemy: one client span per statement, through its own events. Values stay out of it."""

from __future__ import annotations

from ..layout import CLIENT
from ..making import begun
from ..places import caller
from ..recorder import RECORDER
from .sqlite import LONGEST_STATEMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_RUNNING = "_devbox_span"


def adapt_sqlalchemy(module: ModuleType) -> None:
    """Every engine, asynchronous ones included: they stand on ordinary ones."""
    engine = module.engine.Engine
    module.event.listen(engine, "before_cursor_execute", _before)
    module.event.listen(engine, "after_cursor_execute", _after)
    module.event.listen(engine, "handle_error", _failed)


def _before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    if RECORDER.spool is None or context is None:
        return
    text = " ".join(statement.split())
    system, url = connection.dialect.name, connection.engine.url
    about = {"db.system.name": system, "db.query.text": text[:LONGEST_STATEMENT]}
    if url.host:
        about["server.address"] = url.host
    if url.database:
        about["db.namespace"] = url.database
    made = begun(caller(), f"{system} {text.split(' ', 1)[0].upper()}", about, CLIENT)
    setattr(context, _RUNNING, made.begin())


def _after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    running = getattr(context, _RUNNING, None)
    if running is not None:
        running.end()


def _failed(event: Any) -> None:
    running = getattr(event.execution_context, _RUNNING, None)
    if running is not None:
        running.record_exception(event.original_exception)
        running.end()
