"""The server as browsers, programs and strangers meet it, over real sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from devbox.errors import DevboxError
from devbox.web.assets import Assets, policy
from devbox.web.guard import Guard
from devbox.web.live import KEPT, Channel
from devbox.web.model import Request, Response, Route
from devbox.web.server import Site, serving
from tests.web.client import connected


def echo(request: Request, **parts: str) -> Response:
    return Response(request.body or json.dumps(parts).encode())


ROUTES = [
    Route("GET", "/echo/{name}", echo),
    Route("GET", "/files/{name*}", echo),
    Route("POST", "/echo", echo, largest=1000),
    Route("POST", "/v1/traces", echo),
]


def site(host: str = "127.0.0.1") -> Site:
    return Site(ROUTES, Guard.of(host, frozenset({"/v1/traces"})), Channel())


@pytest.fixture
def running() -> Iterator[tuple[Site, str]]:
    made = site()
    with serving(made, 0) as url:
        yield made, url


def ask(url: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    chunked = not isinstance(body, (bytes, type(None)))
    link.request(method, path, body=body, headers=given, encode_chunked=chunked)
    answer = link.getresponse()
    found = answer.status, answer.read()
    link.close()
    return found


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/echo/a", 200, b'{"name": "a"}'),
        ("HEAD", "/echo/a", 200, b""),
        ("GET", "/echo/a/b", 404, b"there is no /echo/a/b here"),
        ("GET", "/files/a/b.js", 200, b'{"name": "a/b.js"}'),
        ("DELETE", "/echo/a", 405, b"does not take DELETE"),
        ("GET", "/live/poll?after=x", 400, b"`after` is a number"),
        ("GET", "/live/ws", 426, b"speaks WebSocket only"),
    ],
)
def test_requests(running: tuple[Site, str], method: str, path: str, status: int, said: bytes) -> None:
    code, body = ask(running[1], method, path)
    assert (code, said in body) == (status, True)


def test_bodies_with_a_length_and_in_chunks(running: tuple[Site, str]) -> None:
    _, url = running
    assert ask(url, "POST", "/echo", b"whole") == (200, b"whole")
    assert ask(url, "POST", "/echo", iter([b"in ", b"parts"])) == (200, b"in parts")
    assert ask(url, "POST", "/echo", bytes(1001))[0] == 413
    assert ask(url, "POST", "/echo", iter([bytes(600), bytes(600)]))[0] == 413


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/echo", {"Origin": "http://evil.example"}, 403, id="another page posts"),
        pytest.param("/echo", {"Origin": "null"}, 403, id="a sandboxed frame posts"),
        pytest.param("/echo", {"Host": "evil.example"}, 421, id="a name that was rebound to us"),
        pytest.param(
            "/v1/traces",
            {"Host": "evil.example", "Origin": "http://evil.example"},
            421,
            id="rebound, exporter's path",
        ),
        pytest.param("/v1/traces", {"Host": "host.docker.internal"}, 200, id="an exporter elsewhere"),
        pytest.param("/echo", {"Host": "localhost"}, 200, id="localhost"),
    ],
)
def test_strangers_are_kept_out(
    running: tuple[Site, str], path: str, headers: dict[str, str], status: int
) -> None:
    assert ask(running[1], "POST", path, b"x", **headers)[0] == status


def test_elsewhere_than_on_loopback_a_token_is_needed() -> None:
    with serving(site("0.0.0.0"), 0) as url:
        token = urlsplit(url).query.removeprefix("token=")
        here = f"http://127.0.0.1:{urlsplit(url).port}/"
        assert len(token) >= 32
        assert ask(here, "GET", "/echo/a")[0] == 401
        assert ask(here, "GET", "/echo/a?token=wrong")[0] == 401
        assert ask(here, "GET", f"/echo/a?token={token}")[0] == 200
        assert ask(here, "GET", "/echo/a", Authorization=f"Bearer {token}")[0] == 200
        assert ask(here, "GET", "/echo/a", Cookie=f"devbox-token={token}")[0] == 200
        assert ask(here, "POST", "/v1/traces", b"x")[0] == 401


def test_a_port_that_is_taken_is_a_stated_failure(running: tuple[Site, str]) -> None:
    port = urlsplit(running[1]).port or 0
    with pytest.raises(DevboxError, match="cannot listen on 127"), serving(site(), port):
        pass


def test_websocket_carries_messages_and_answers_pings(running: tuple[Site, str]) -> None:
    made, url = running
    with connected(url + "live/ws") as link:
        hello = json.loads(link.receive()[1])
        assert (link.status, hello["messages"], hello["gap"]) == (101, [], False)
        made.channel.publish({"n": 1})
        assert json.loads(link.receive()[1])["messages"] == [{"n": 1}]
        link.send(b"are you there", kind=0x9)
        assert link.receive() == (0xA, b"are you there")
        made.channel.publish("x" * 70_000)
        assert json.loads(link.receive()[1])["messages"] == ["x" * 70_000]
        link.send(b"\x03\xe8", kind=0x8)
        assert link.receive() == (0x8, b"\x03\xe8")


def test_websocket_of_another_page_is_refused(running: tuple[Site, str]) -> None:
    with connected(running[1] + "live/ws", Origin="http://evil.example") as link:
        assert link.status == 403


def test_a_long_poll_waits_for_the_next_message(running: tuple[Site, str]) -> None:
    made, url = running
    first = json.loads(ask(url, "GET", "/live/poll")[1])
    threading.Timer(0.2, made.channel.publish, ["late"]).start()
    path = f"/live/poll?epoch={first['epoch']}&after={first['last']}&wait=20"
    assert json.loads(ask(url, "GET", path)[1])["messages"] == ["late"]
    again = json.loads(ask(url, "GET", path.replace("wait=20", "wait=0"))[1])
    assert again["messages"] == ["late"]


def test_a_listener_that_was_away_too_long_is_told() -> None:
    channel = Channel()
    for number in range(KEPT + 5):
        channel.publish(number)
    assert channel.after(channel.epoch, 2).gap
    assert channel.after("of an earlier run", 2).gap
    kept = channel.after(channel.epoch, 5)
    assert (kept.gap, len(kept.messages), kept.last) == (False, KEPT, KEPT + 5)


def test_assets_have_a_validator_and_a_policy(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<script>let a = 1</script><script src='x.js'></script>")
    (tmp_path / "notes.txt").write_text("not for pages")
    assets = Assets(tmp_path)
    assert assets.names == ["page.html"]
    page = assets.answer(Request("GET", "/"), "page.html")
    assert "'sha256-" in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Security-Policy"].count("sha256") == 1
    again = Request("GET", "/", headers={"if-none-match": page.headers["ETag"]})
    assert assets.answer(again, "page.html").status == 304


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    assert policy("<p>").startswith("default-src 'none'")
    assert "http" not in policy("<p>")


def test_large_answers_are_compressed_for_those_far_away() -> None:
    large = [Route("GET", "/large", lambda request: Response(b"x" * 100_000))]
    made = Site(large, Guard.of("127.0.0.1"), Channel())
    with serving(made, 0) as url:
        near = ask(url, "GET", "/large", Accept_Encoding="gzip")[1]
    assert len(near) == 100_000
    made = Site(large, Guard.of("0.0.0.0"), Channel())
    with serving(made, 0) as url:
        here = f"http://127.0.0.1:{urlsplit(url).port}/"
        path = f"/large?{urlsplit(url).query}"
        far = ask(here, "GET", path, Accept_Encoding="gzip", Host="box:80")[1]
    assert gzip.decompress(far) == near
