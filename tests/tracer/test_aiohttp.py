"""aiohttp, client and server, over a real connection."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from devbox import tracer
from tests.tracer.inside import recording
from tests.traces.reading import Reader, run


async def order(request: web.Request) -> web.Response:
    with tracer.span("work"):
        await asyncio.sleep(0)
    return web.Response(text=request.headers.get("traceparent", ""))


async def missing(request: web.Request) -> web.Response:
    raise web.HTTPNotFound


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/orders/8")


async def broken(request: web.Request) -> web.Response:
    raise RuntimeError("broken")


async def shop() -> tuple[web.AppRunner, str]:
    inner = web.Application()
    inner.router.add_get("/{id}", order)
    app = web.Application()
    app.add_subapp("/orders", inner)
    for path, handler in (("/missing", missing), ("/moved", moved), ("/broken", broken)):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, "http://{}:{}".format(*runner.addresses[0])


def fetch(path: str) -> tuple[int, str]:
    """Status and text of the answer."""

    async def work() -> tuple[int, str]:
        runner, url = await shop()
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{url}{path}") as answer:
                return answer.status, await answer.text()
        finally:
            await runner.cleanup()

    return asyncio.run(work())


def by_kind(reader: Reader) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for span in reader.spans():
        found.setdefault(span.operation.kind, []).append(span)
    return found


def test_a_request_is_one_trace_from_client_to_server(reader: Reader) -> None:
    with recording(reader, hooks=True), tracer.span("root") as root:
        status, sent = fetch("/orders/7?q=secret")
    assert status == 200
    found = by_kind(reader)
    (client,), (server,) = found["client"], found["server"]
    assert sent == f"00-{root.trace_id}-{client.span_id}-03"
    assert [client.parent_id, server.parent_id] == [root.span_id, client.span_id]
    assert reader.named("work").parent_id == server.span_id
    assert server.operation.name == "GET /orders/{id}"
    assert server.attributes["url.path"] == "/orders/7"
    assert server.operation.function == f"{__name__}.order"
    assert client.operation.file == __file__
    assert [one.attributes["http.response.status_code"] for one in (client, server)] == [200, 200]
    assert {one.status for one in (client, server)} == {"unset"}
    assert "secret" not in str(found)


def test_whoever_is_imported_first(spool: Path) -> None:
    code = """
        from aiohttp import ClientSession, web
        assert web.Application.__init__.__wrapped__ and ClientSession.__init__.__wrapped__
    """
    run(code, spool)


@pytest.mark.parametrize(
    ("path", "status", "failed"),
    [("/missing", 404, {"client"}), ("/nowhere", 404, {"client"}), ("/broken", 500, {"client", "server"})],
)
def test_answers_that_are_no_success(reader: Reader, path: str, status: int, failed: set[str]) -> None:
    with recording(reader, hooks=True), tracer.span("root"):
        assert fetch(path)[0] == status
    found = by_kind(reader)
    assert {kind for kind in ("client", "server") if found[kind][0].status == "error"} == failed
    assert found["client"][0].attributes["http.response.status_code"] == status


def test_a_redirect_is_one_request_of_the_client(reader: Reader) -> None:
    with recording(reader, hooks=True), tracer.span("root"):
        assert fetch("/moved")[0] == 200
    found = by_kind(reader)
    assert len(found["client"]) == 1
    statuses = [one.attributes["http.response.status_code"] for one in found["server"]]
    assert statuses == [302, 200]
    assert {one.parent_id for one in found["server"]} == {found["client"][0].span_id}


def test_a_refused_connection_is_the_calls_error(reader: Reader) -> None:
    async def work() -> None:
        async with aiohttp.ClientSession() as session:
            await session.get("http://127.0.0.1:1/")

    with recording(reader, hooks=True), tracer.span("root"), pytest.raises(aiohttp.ClientError):
        asyncio.run(work())
    (client,) = by_kind(reader)["client"]
    assert client.status == "error"
