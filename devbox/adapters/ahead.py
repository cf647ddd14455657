"""Work that is begun before its result is wanted. Its questions are asked by whoever waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from devbox.ports.ask import Ask

T = TypeVar("T")


@dataclass(slots=True)
class _Question:
    """Put to whoever waits: how to ask a person, and where the answer goes."""

    put: Callable[[Ask], object]
    answer: queue.SimpleQueue[object] = field(default_factory=queue.SimpleQueue)


class Ahead(Generic[T]):
    """Does `work` on a thread of its own. A person is asked on the thread of `result`, where ^C is heard."""

    def __init__(self, work: Callable[[Ask], T], undo: Callable[[T], None]) -> None:
        """`undo` takes back a result that nobody wants any more."""
        self._work, self._undo = work, undo
        self._inbox: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._done: list[T] = []
        self._error: BaseException | None = None
        self._lock, self._unwanted = threading.Lock(), False
        self.ended = threading.Event()
        threading.Thread(target=self._run, name="ahead", daemon=True).start()

    def result(self, ask: Ask) -> T:
        """What came of it, or raised. To be called once."""
        while question := self._inbox.get():
            question.answer.put(question.put(ask))
        if self._error:
            raise self._error
        return self._done.pop()

    def drop(self) -> None:
        """Nobody wants the result: it is taken back, now or as soon as it is there."""
        with self._lock:
            self._unwanted = True
            left = [self._done.pop()] if self._done else []
        for one in left:
            self._undo(one)

    def secret(self, prompt: str) -> str | None:
        """See `ports.ask.Ask`."""
        answer = self._ask(lambda ask: ask.secret(prompt))
        return answer if isinstance(answer, str) else None

    def confirm(self, question: str) -> bool | None:
        """See `ports.ask.Ask`."""
        answer = self._ask(lambda ask: ask.confirm(question))
        return answer if isinstance(answer, bool) else None

    def _ask(self, put: Callable[[Ask], object]) -> object:
        question = _Question(put)
        self._inbox.put(question)
        return question.answer.get()

    def _run(self) -> None:
        try:
            done = self._work(self)
            with self._lock:
                wanted = not self._unwanted
                if wanted:
                    self._done.append(done)
            if not wanted:
                self._undo(done)
        except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
            self._error = error
        finally:
            self._inbox.put(None)
            self.ended.set()
