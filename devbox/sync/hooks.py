"""What follows a save once it is visible on the host: a service restarted, a command run. Batched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from devbox.config.model import Hook
from devbox.errors import DevboxError
from devbox.ports.events import Emit, Event
from devbox.sync import rules
from devbox.sync.model import above
from devbox.sync.rules import RuleFile

Act = Callable[[Hook, Sequence[str]], None]
"""Does one hook, for the paths that it waited for; a `DevboxError` says what did not work."""


class Hooks:
    """Stands between a session and whoever listens to it.

    What happens while the hooks of one burst are done makes one more burst, not many: they never overlap and
    never hold up a save. `close` waits for those under way.
    """

    def __init__(self, hooks: Sequence[Hook], act: Act, emit: Emit) -> None:
        self._hooks = [(hook, rules.parse("\n".join(hook.paths).encode())) for hook in hooks]
        self._act, self._emit = act, emit
        self._seen: list[str] = []
        self._due: list[str] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        """Take in an event of the session, and hand it on."""
        self._emit(event)
        if event.kind == "sync.applied":
            self._seen += [str(event.data[key]) for key in ("path", "to") if key in event.data]
        elif event.kind in ("sync.followed", "sync.ready") and self._seen:
            seen, self._seen = self._seen, []
            self._begin(seen)

    def close(self) -> None:
        with self._lock:
            thread = self._thread
        if thread:
            thread.join()

    def _begin(self, paths: list[str]) -> None:
        with self._lock:
            self._due += paths
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sync-hooks", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                paths, self._due = list(dict.fromkeys(self._due)), []
                if not paths:
                    self._thread = None
                    return
            for hook, wanted in self._hooks:
                matching = [path for path in paths if _matches(path, wanted)]
                if matching:
                    self._one(hook, matching)

    def _one(self, hook: Hook, paths: Sequence[str]) -> None:
        data = {"paths": list(paths), "run": hook.run, "restart": list(hook.restart)}
        try:
            self._act(hook, paths)
        except DevboxError as error:
            self._emit(Event("sync.hook", f"hook failed: {error}", {**data, "error": error.as_data()}))
        else:
            self._emit(Event("sync.hook", f"hook done: {_words(hook)} (for {paths[0]}{_more(paths)})", data))


def _matches(path: str, wanted: RuleFile) -> bool:
    name = path.encode(errors="surrogateescape")
    return rules.ignored(name, False, [wanted]) or any(
        rules.ignored(one, True, [wanted]) for one in above(name)
    )


def _words(hook: Hook) -> str:
    run = hook.run if isinstance(hook.run, str) else " ".join(hook.run)
    return ", ".join(filter(None, [run, *(f"restart {name}" for name in hook.restart)]))


def _more(paths: Sequence[str]) -> str:
    return f" and {len(paths) - 1} more" if len(paths) > 1 else ""
