"""redis: one client span per command or pipeline, also of the asynchronous client.

Commands are shown with their key alone: the other arguments are data.
"""

from __future__ import annotations

from ..layout import CLIENT
from ..making import begun
from ..places import caller
from ..recorder import RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

LONGEST_KEY = 200
MOST_COMMANDS = 20
_WITHOUT_KEY = frozenset(("AUTH", "HELLO", "ACL", "CONFIG", "CLIENT", "EVAL", "EVALSHA", "SCRIPT"))
"""Commands whose first argument is no key, and may be a secret or a program."""


def adapt_redis_client(module: ModuleType) -> None:
    """`Redis` and its pipelines."""
    replace(module.Redis, "execute_command", _command)
    replace(module.Pipeline, "execute", _pipeline)


def adapt_redis_asyncio_client(module: ModuleType) -> None:
    """The same of `redis.asyncio`."""
    replace(module.Redis, "execute_command", _command_async)
    replace(module.Pipeline, "execute", _pipeline_async)


def _command(original: Any) -> Any:
    def wrapper(self: Any, *args: Any, **options: Any) -> Any:
        if RECORDER.spool is None:
            return original(self, *args, **options)
        with _calling(self, [args]):
            return original(self, *args, **options)

    return wrapper


def _pipeline(original: Any) -> Any:
    def wrapper(self: Any, *args: Any, **options: Any) -> Any:
        if RECORDER.spool is None or not self.command_stack:
            return original(self, *args, **options)
        with _calling(self, [_arguments(one) for one in self.command_stack]):
            return original(self, *args, **options)

    return wrapper


def _command_async(original: Any) -> Any:
    async def wrapper(self: Any, *args: Any, **options: Any) -> Any:
        if RECORDER.spool is None:
            return await original(self, *args, **options)
        with _calling(self, [args]):
            return await original(self, *args, **options)

    return wrapper


def _pipeline_async(original: Any) -> Any:
    async def wrapper(self: Any, *args: Any, **options: Any) -> Any:
        if RECORDER.spool is None or not self.command_stack:
            return await original(self, *args, **options)
        with _calling(self, [_arguments(one) for one in self.command_stack]):
            return await original(self, *args, **options)

    return wrapper


def _arguments(queued: Any) -> tuple[Any, ...]:
    # (arguments, options) in every version of redis; newer ones have a class for it.
    found = getattr(queued, "args", None)
    return tuple(queued[0] if found is None else found)


def _calling(client: Any, commands: list[tuple[Any, ...]]) -> Any:
    verb = str(commands[0][0]).split(" ", 1)[0].upper() if len(commands) == 1 else "PIPELINE"
    about: dict[str, object] = {"db.system.name": "redis", "db.query.text": "\n".join(_shown(commands))}
    if len(commands) > 1:
        about["db.operation.batch.size"] = len(commands)
    where = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
    about["server.address"] = where.get("host") or where.get("path") or ""
    about["server.port"] = where.get("port", 0)
    return begun(caller(), f"redis {verb}", about, CLIENT)


def _shown(commands: list[tuple[Any, ...]]) -> Iterable[str]:
    for name, *rest in commands[:MOST_COMMANDS]:
        words = [str(name)]
        if rest and words[0].split(" ", 1)[0].upper() not in _WITHOUT_KEY:
            key = rest.pop(0)
            words.append(
                (key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key))[:LONGEST_KEY]
            )
        yield " ".join(words + ["?"] * min(len(rest), 3))
