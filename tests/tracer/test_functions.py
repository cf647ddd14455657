"""`traced`: the same results, the same errors, the same look, and one span per call."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace

import pytest

from devbox import tracer
from tests.tracer.inside import recording
from tests.traces.reading import Reader


@tracer.traced
def add(first: int, /, second: int = 2, *, third: int = 3) -> int:
    """Adds."""
    return first + second + third


@tracer.traced(name="renamed", kind=tracer.CLIENT)
def fails() -> None:
    tracer.current().set_attribute("seen", True)
    raise LookupError("not there")


@tracer.traced
def outer_fails() -> None:
    fails()


@tracer.traced
async def sleeps(result: int) -> int:
    await asyncio.sleep(0.001)
    return add(result)


@tracer.traced
def counts(upto: int) -> Iterator[int]:
    total = 0
    for number in range(upto):
        got = yield number
        total += got or 0
        add(number)
    return total


@tracer.traced
async def drips(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        await asyncio.sleep(0)
        yield number


def test_it_looks_like_the_function() -> None:
    assert (add.__name__, add.__doc__, add.__module__) == ("add", "Adds.", __name__)
    assert str(inspect.signature(add)).startswith("(first: 'int', /, second: 'int' = 2, *, third")
    assert inspect.iscoroutinefunction(sleeps)
    assert inspect.isgeneratorfunction(counts)
    assert inspect.isasyncgenfunction(drips)
    assert tracer.traced(add) is add
    assert tracer.traced(len) is len
    assert tracer.traced(SimpleNamespace) is SimpleNamespace


def test_switched_off_everything_works_and_nothing_is_kept(reader: Reader) -> None:
    assert add(1) == 6
    assert asyncio.run(sleeps(1)) == 6
    assert list(counts(3)) == [0, 1, 2]
    with tracer.span("x", a=1) as span:
        span.add_event("e")
        assert not span.recording
    tracer.current().set_attribute("nobody", "listens")
    assert reader.spans() == []


def test_a_call_is_a_span_with_function_file_and_line(reader: Reader) -> None:
    with recording(reader):
        assert add(1, third=4) == 7
    span = reader.named(f"{__name__}.add")
    assert span.operation.function == f"{__name__}.add"
    assert span.operation.file == __file__
    assert span.operation.line == inspect.getsourcelines(add.__wrapped__)[1]


def test_an_exception_passes_and_is_kept_with_its_stack_once(reader: Reader) -> None:
    with recording(reader), pytest.raises(LookupError, match="not there"):
        outer_fails()
    inner, outer = reader.named("renamed"), reader.named(f"{__name__}.outer_fails")
    assert (inner.operation.kind, inner.status, inner.message) == (
        "client",
        "error",
        "LookupError: not there",
    )
    assert inner.attributes["seen"] is True
    assert inner.events[0].attributes["exception.type"] == "LookupError"
    stack = inner.events[0].attributes["exception.stacktrace"].splitlines()
    assert stack[0] == "Traceback (most recent call last):"
    assert stack[-2].startswith(f'  File "{__file__}", line ')
    assert stack[-2].endswith(", in fails")
    assert stack[-1] == "LookupError: not there"
    assert (outer.status, outer.events) == ("error", [])
    assert inner.parent_id == outer.span_id


def test_coroutines_side_by_side_keep_their_own_parents(reader: Reader) -> None:
    async def both() -> list[int]:
        return await asyncio.gather(sleeps(1), sleeps(2))

    with recording(reader):
        assert asyncio.run(both()) == [6, 7]
    spans = reader.spans()
    parents = [span.span_id for span in spans if span.operation.name.endswith(".sleeps")]
    assert sorted(span.parent_id for span in spans if span.operation.name.endswith(".add")) == sorted(parents)


def test_a_cancelled_coroutine_ended_but_did_not_fail(reader: Reader) -> None:
    @tracer.traced
    async def waits() -> None:
        await asyncio.sleep(60)

    async def cancelled() -> None:
        task = asyncio.ensure_future(waits())
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with recording(reader):
        asyncio.run(cancelled())
    (span,) = reader.spans()
    assert (span.status, span.attributes["exception.type"]) == ("unset", "asyncio.exceptions.CancelledError")


def test_a_generator_is_active_only_while_it_runs(reader: Reader) -> None:
    with recording(reader), tracer.span("root") as root:
        steps = counts(2)
        assert next(steps) == 0
        assert tracer.current().span_id == root.span_id
        assert steps.send(5) == 1
        with pytest.raises(StopIteration) as stop:
            steps.send(6)
        assert stop.value.value == 11
    generator = reader.named(f"{__name__}.counts")
    inner = [span for span in reader.spans() if span.operation.name.endswith(".add")]
    assert {span.parent_id for span in inner} == {generator.span_id}
    assert generator.parent_id == reader.named("root").span_id


def test_a_generator_gets_what_is_thrown_into_it(reader: Reader) -> None:
    @tracer.traced
    def catches() -> Iterator[str]:
        try:
            yield "first"
        except KeyError:
            yield "caught"

    with recording(reader):
        steps = catches()
        next(steps)
        assert steps.throw(KeyError("x")) == "caught"
        steps.close()
    (span,) = reader.spans()
    assert span.status == "unset"


def test_asynchronous_generators(reader: Reader) -> None:
    async def use() -> list[int]:
        return [number async for number in drips(3)]

    with recording(reader):
        assert asyncio.run(use()) == [0, 1, 2]
    assert reader.named(f"{__name__}.drips").status == "unset"


def test_methods_of_all_kinds(reader: Reader) -> None:
    class Thing:
        @tracer.traced
        def plain(self) -> str:
            return "plain"

        @classmethod
        @tracer.traced
        def of_class(cls) -> str:
            return cls.__name__

        @staticmethod
        @tracer.traced
        def static() -> str:
            return "static"

    with recording(reader):
        assert (Thing().plain(), Thing.of_class(), Thing.static()) == ("plain", "Thing", "static")
    names = {span.operation.name.rpartition(".")[2] for span in reader.spans()}
    assert names == {"plain", "of_class", "static"}


def test_attributes_that_break_when_looked_at_break_nothing(reader: Reader) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

    loop: list[object] = []
    loop.append(loop)
    with recording(reader), tracer.span("x", {"a": Hostile(), "b": loop, "c": float("nan"), "d": b"\xff"}):
        pass
    assert reader.named("x").operation.service == "app"


def test_more_names_than_fit_still_have_their_names(reader: Reader) -> None:
    with recording(reader):
        for number in range(5000):
            with tracer.span(f"GET /users/{number}"):
                pass
    assert len({span.operation.name for span in reader.spans()}) == 5000


def test_a_wrapped_function_is_found_where_it_is_written() -> None:
    import functools
    import inspect

    from devbox.tracer.places import Site

    def written() -> None:
        """Here."""

    @functools.wraps(written)
    def around() -> None:
        written()

    _, file, line = Site(around, None, 0).place
    assert (file, line) == (__file__, inspect.getsourcelines(written)[1])
