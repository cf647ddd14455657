"""Opt-in: how much of a span its thread was on the processor."""

from __future__ import annotations

from pathlib import Path

from tests.traces.reading import Reader, run

MS = 1_000_000
PROGRAM = """
    import asyncio, threading, time

    @tracer.traced
    def busy():
        end = time.thread_time_ns() + 30_000_000
        while time.thread_time_ns() < end: pass

    @tracer.traced
    def asleep():
        time.sleep(0.05)

    @tracer.traced
    def fails():
        raise ValueError

    async def waits():
        with tracer.span("in a coroutine"):
            await asyncio.sleep(0)

    with tracer.span("block", number=1):
        busy()
    thread = threading.Thread(target=asleep)
    thread.start()
    thread.join()
    try: fails()
    except ValueError: pass
    asyncio.run(waits())
"""


def test_cpu_time_is_told_apart_from_waiting(spool: Path, reader: Reader) -> None:
    run(PROGRAM, spool, DEVBOX_TRACE_CPU="1")
    busy, asleep, block = (reader.named(name) for name in ("__main__.busy", "__main__.asleep", "block"))
    assert 30 * MS <= busy.attributes["cpu.time"] <= busy.duration
    assert busy.attributes["cpu.time"] <= block.attributes["cpu.time"] <= block.duration
    assert block.attributes["number"] == 1
    assert 0 <= asleep.attributes["cpu.time"] <= asleep.duration - 45 * MS
    assert reader.named("__main__.fails").attributes["cpu.time"] >= 0
    assert "cpu.time" not in reader.named("in a coroutine").attributes


def test_without_asking_nothing_is_measured(spool: Path, reader: Reader) -> None:
    run(PROGRAM, spool)
    assert not any("cpu.time" in span.attributes for span in reader.spans())
