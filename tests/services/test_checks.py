"""Doctor's links of services: what is said of each state, and of what an app answers."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from devbox.config.load import parse
from devbox.ports.check import Check, Finding, Verdict
from devbox.ports.daemon import Container
from devbox.services import checks, model
from devbox.services.knock import Reply, knock

CONFIG = parse(
    "name: shop\nservices:\n"
    "  web: {command: run, ports: ['8000']}\n"
    "  job: {command: migrate}\n"
    "  extra: {command: run, profiles: [more]}\n"
)


def container(service: str, state: str = "running", **more: object) -> Container:
    labels = {model.SERVICE: service}
    return Container(f"id-{service}", f"dev.shop-{service}-1", "shop-dev", state, labels, **more)  # type: ignore[arg-type]


def looked_at(found: list[Check]) -> Mapping[str, Finding]:
    return {check.name: check.probe() for check in found}


def state_of(one: Container) -> tuple[Verdict, str, str]:
    service = model.service_of(one)
    found = looked_at(checks.running(CONFIG, [one]))[f"service {service}"]
    return found.verdict, found.evidence, found.fix


def test_nothing_yet_is_no_failure_and_names_the_way() -> None:
    for found in (checks.running(CONFIG, []), checks.answering(CONFIG, [], {}, knock)):
        (finding,) = looked_at(found).values()
        assert finding.verdict is Verdict.SKIPPED
    one_off = Container("x", "shop-run-1", "shop-dev", "running", {model.ONE_OFF: "1"})
    assert "(devbox up)" in looked_at(checks.running(CONFIG, [one_off]))["services"].evidence


def test_a_profile_that_does_not_run_is_no_link() -> None:
    assert set(looked_at(checks.running(CONFIG, [container("web")]))) == {"service web", "service job"}
    assert "service extra" in looked_at(checks.running(CONFIG, [container("extra")]))


@pytest.mark.parametrize(
    ("one", "verdict", "words"),
    [
        (container("web"), Verdict.OK, "runs"),
        (container("web", health="healthy"), Verdict.OK, "runs, healthy"),
        (container("web", health="starting"), Verdict.WARNING, "not healthy yet"),
        (container("web", health="unhealthy"), Verdict.FAILED, "health check fails"),
        (container("web", "restarting"), Verdict.FAILED, "is restarting"),
        (container("web", "exited", exit_code=143), Verdict.FAILED, "exit code 143"),
        (container("web", "exited"), Verdict.FAILED, "exit code 0"),
        (container("job", "exited"), Verdict.OK, "exit code 0"),
        (container("job", "exited", exit_code=1), Verdict.FAILED, "exit code 1"),
    ],
)
def test_states(one: Container, verdict: Verdict, words: str) -> None:
    found, evidence, fix = state_of(one)
    assert (found, words in evidence) == (verdict, True), evidence
    assert bool(fix) == (verdict is not Verdict.OK)


def test_a_service_that_was_not_started() -> None:
    found = looked_at(checks.running(CONFIG, [container("web")]))["service job"]
    assert (found.verdict, found.fix) == (Verdict.WARNING, "devbox up job")


def answer(reply: Reply, *addresses: str) -> Finding:
    found = checks.answering(CONFIG, [container("web")], {"web": addresses}, lambda _: reply)
    return looked_at(found)["web answers"]


def test_what_the_app_says() -> None:
    here = "http://127.0.0.1:8000"
    assert answer(Reply(404, 0.01), here).evidence == f"{here}: HTTP 404 in 10 ms"
    assert answer(Reply(500, 0.01), here).verdict is Verdict.WARNING
    assert answer(Reply(), here).verdict is Verdict.OK
    closed = answer(Reply(silent="closed"), here)
    assert closed.verdict is Verdict.FAILED
    assert "0.0.0.0:8000" in closed.fix
    assert "devbox up" in answer(Reply(200)).fix


@pytest.fixture
def door() -> Iterator[Callable[[bytes | None], str]]:
    """Servers that say these bytes to everyone, or hang up when there are none."""
    listening: list[socket.socket] = []

    def serve(said: bytes | None) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def run() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(said or b"")

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield serve
    for server in listening:
        server.close()


def test_knocking_at_real_doors(door: Callable[[bytes | None], str]) -> None:
    assert knock(door(b"-ERR unknown command 'GET'\r\n")).status == 0
    assert knock(door(b"-ERR unknown command 'GET'\r\n")).silent == ""
    assert "without an answer" in knock(door(None)).silent
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "refused" in knock(f"http://127.0.0.1:{port}").silent.lower()


def test_knocking_at_a_web_server() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert knock(f"http://127.0.0.1:{server.server_port}").status == 404
        server.shutdown()


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass
