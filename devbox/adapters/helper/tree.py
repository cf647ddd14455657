"""The `Tree` port through the helper."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from devbox.adapters.helper import delta, frames
from devbox.adapters.helper.channel import CHUNK, Talk
from devbox.adapters.helper.program import program
from devbox.adapters.helper.remote import wire
from devbox.adapters.roots import cannot_make, cannot_write, held_by, locked, no_folder
from devbox.adapters.sftp.over import ByteChannel
from devbox.errors import DevboxError, RootRefused
from devbox.ports.tree import (
    STAGING,
    Abilities,
    Entry,
    Operation,
    Outcome,
    Owner,
    Put,
    Result,
    RootFacts,
    Sent,
    SourceChanged,
    Survey,
    new_digest,
)

_PATIENCE = 10.0
_DRAIN_AT = 4096
_INLINE = CHUNK
_KNOWN_FOR = 4.0
"""Seconds until the round trip is measured again."""
_SLOW = 0.008
"""Seconds of a round trip from which on what is sent is compressed: such links are slower than zlib."""


class NoHelper(Exception):
    """The account has no shell or no python3: plain SFTP it is."""


class HelperTree:
    """One remote root, worked on by the helper at the other end of `channel`. `host` is for errors' words."""

    def __init__(self, channel: ByteChannel, root: str, host: str = "") -> None:
        """Sends the program and waits for its greeting; `NoHelper` when there will be none."""
        self._talk, self._root, self._host = Talk(channel), root, host
        self._staging = ""
        self._due: dict[int, tuple[Operation, bytes]] = {}
        self._round_trip, self._measured = 0.0, float("-inf")
        first = self._talk.number()
        path, mark = root.encode(errors="surrogateescape"), STAGING.encode()
        patience = threading.Timer(_PATIENCE, channel.close)
        patience.start()
        try:
            self._talk.begin(program(), frames.question(first, wire.LOOK, path, mark))
        except (OSError, EOFError, ValueError) as error:
            channel.close()
            raise NoHelper(str(error)) from error
        finally:
            patience.cancel()
        self._greeted: int | None = first

    @property
    def abilities(self) -> Abilities:
        return Abilities("helper", fine_times=True, compare_and_swap=True)

    def look(self) -> RootFacts:
        number, self._greeted = self._greeted, None  # the first look came with the greeting
        root, staging, seen, token = self._single(number or self._ask(wire.LOOK)).split(b"\0")
        self._root, self._staging = _text(root), _text(staging)
        return RootFacts(self._root, seen[:1] == b"1", seen[1:] == b"1", token)

    def prepare(self, token: bytes, owner: Owner | None = None) -> None:
        if self._greeted is not None:
            self.look()
        start = time.perf_counter()
        self._staging = _text(
            self._single(self._ask(wire.PREPARE, content=token + (b"\0" + held_by(owner) if owner else b"")))
        )
        self._talk.compress = time.perf_counter() - start > _SLOW

    def scan(self, directories: Iterable[bytes]) -> Mapping[bytes, Entry]:
        return self.survey(dict.fromkeys(directories, b"")).entries

    def survey(self, marks: Mapping[bytes, bytes]) -> Survey:
        number = self._ask(wire.SCAN, content=frames.marked(marks))
        found: dict[bytes, Entry] = {}
        same: set[bytes] = set()
        for _result, piece in self._talk.answers(number):
            found.update(frames.listings(piece, same))
        return Survey(found, frozenset(same))

    def mark(self, members: Mapping[bytes, Entry]) -> bytes:
        return frames.mark(members)

    def digests(self, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
        number = self._ask(wire.DIGESTS, content=frames.names(paths))
        pieces = [piece for result, piece in self._talk.answers(number) if result == wire.MORE]
        return {piece[wire.DIGEST :]: piece[: wire.DIGEST] for piece in pieces}

    def read(self, path: bytes) -> Iterator[bytes]:
        for result, piece in self._talk.answers(self._ask(wire.READ, path)):
            if result == wire.MORE:
                yield piece
            elif result == wire.FAILED and path not in self.scan([path.rpartition(b"/")[0]]):
                raise FileNotFoundError(path)
            elif result == wire.FAILED:
                raise OSError(_text(piece))

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        """The helper works in the order of the requests, so that waves need no waiting in between."""
        self._due.clear()
        for wave in waves:
            for operation in wave:
                if isinstance(operation, Put):
                    yield from self._put(operation, sent)
                else:
                    number = self._talk.number()
                    self._due[number] = operation, b""
                    self._talk.add(frames.operation(number, operation))
                if len(self._due) > _DRAIN_AT:
                    self._talk.flush()
                    # Down to the half: waiting for room for one at a time would send them one at a time.
                    yield from self._rest(_DRAIN_AT // 2)
        self._talk.flush()
        yield from self._rest()

    def idle(self) -> float:
        """There is nothing to make ready: the next save must not wait for a round trip known well enough."""
        start = time.perf_counter()
        if start - self._measured > _KNOWN_FOR:
            self._single(self._ask(wire.PING))
            self._measured = time.perf_counter()
            self._round_trip = self._measured - start
        return self._round_trip

    def close(self) -> None:
        self._talk.close()

    def _outcomes(self) -> Iterator[Outcome]:
        for number, result, rest in self._talk.there():
            yield frames.outcome(*self._due.pop(number), result, rest)

    def _rest(self, left: int = 0) -> Iterator[Outcome]:
        """Wait until no more than so many are under way."""
        while len(self._due) > left:
            number, result, rest = self._talk.next()
            yield frames.outcome(*self._due.pop(number), result, rest)
            yield from self._outcomes()

    def _put(self, operation: Put, sent: Sent) -> Iterator[Outcome]:
        """Send a put. Small contents are read first: what changed meanwhile is not sent at all."""
        if operation.size > _INLINE:
            yield from self._large(operation, sent)
            return
        try:
            content = b"".join(operation.source.chunks(_INLINE))
        except SourceChanged as changed:
            yield Outcome(operation, Result.UNSTABLE, why=str(changed))
            return
        digest = new_digest(content).digest()
        number = self._talk.number()
        self._due[number] = operation, digest
        self._talk.add(frames.put(number, operation, content + digest))
        sent(len(content))

    def _large(self, operation: Put, sent: Sent) -> Iterator[Outcome]:
        """Send what is not there already. Everything before it is waited for, as the answer is needed now."""
        known: Iterator[bytes] = iter(())
        if operation.size >= wire.LARGE and not operation.in_place:
            self._talk.flush()
            yield from self._rest()
            known = delta.digests(self._talk.answers(self._ask(wire.BLOCKS, operation.path)))
        number = self._talk.number()
        self._due[number] = operation, b""
        self._talk.add(frames.put(number, operation, None))
        try:
            digest = delta.send(operation.source.chunks(wire.BLOCK), known, self._talk.add, sent)
        except SourceChanged:
            self._talk.add(wire.LENGTH.pack(wire.ABORT))
            digest = b""
        self._due[number] = operation, digest
        for _left in known:  # what follows wants answers of its own
            continue

    def _ask(self, code: int, path: bytes = b"", content: bytes = b"") -> int:
        number = self._talk.number()
        self._talk.add(frames.question(number, code, path, content=content))
        self._talk.flush()
        return number

    def _single(self, number: int) -> bytes:
        """The one answer to a question, or the refusal as an error."""
        ((result, rest),) = self._talk.answers(number)
        if result == wire.FAILED:
            raise self._refusal(rest)
        return rest

    def _refusal(self, rest: bytes) -> DevboxError:
        step, _, why = _text(rest).partition("\0")
        if step == "folder":
            return no_folder(self._root, self._host)
        if step == "lock":
            age, _, content = why.partition("\0")
            return locked(f"{self._host}:{self._root}", content, float(age))
        if step in ("make", "write"):
            told = cannot_make if step == "make" else cannot_write
            return told(self._root, self._staging, self._host, why)
        return RootRefused("the remote root cannot be used", where=f"{self._host}:{self._root}", why=step)


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
