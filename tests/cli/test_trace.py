"""`devbox trace` as a user runs it, over spools of real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.ssh.sshd import sshd
from tests.traces.reading import ROOT, run

SHOP = """
import os, time
@tracer.traced
def slow(): time.sleep(0.1)
@tracer.traced
def broken(): raise ValueError("no such user")
for name in ("order", "user"):
    if os.fork() == 0:
        tracer.configure(name)
        with tracer.span(f"GET /{name}", kind=tracer.SERVER, parent=tracer.extract(
            {"traceparent": "00-" + "ab" * 16 + "-" + ("11" if name == "user" else "22") * 8 + "-01"}
        )):
            slow()
            try: broken()
            except ValueError: pass
        os._exit(0)
    os.wait()
"""


def devbox(tmp_path: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state"), **env}
    argv = [sys.executable, "-m", "devbox", "trace", *arguments]
    return subprocess.run(argv, env=given, cwd=tmp_path, capture_output=True, text=True, timeout=60)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    run(SHOP, folder)
    return folder


def test_the_slowest_function_comes_first(tmp_path: Path, spool: Path) -> None:
    done = devbox(tmp_path, "slow", "--spool", str(spool))
    assert done.returncode == 0, done.stderr
    header, first, *_ = done.stdout.splitlines()
    assert header.split() == ["SELF", "CALLS", "ERRORS", "P50", "P95", "P99", "SERVICE", "FUNCTION", "WHERE"]
    assert "__main__.slow" in first
    rows = json.loads(devbox(tmp_path, "slow", "--json", "--spool", str(spool)).stdout)
    assert rows[0]["operation"]["name"] == "__main__.slow"
    assert rows[0]["p50"] >= 96_800_000  # percentiles are read from buckets, within 3.2 %
    assert rows[0]["total"] >= 100_000_000
    broken = next(row for row in rows if row["operation"]["name"] == "__main__.broken")
    assert (broken["count"], broken["errors"]) == (1, 1)


def test_the_slowest_functions_of_some_traces(tmp_path: Path, spool: Path) -> None:
    run("import time\nwith tracer.span('pause', user=7): time.sleep(0.3)", spool)
    rows = json.loads(devbox(tmp_path, "slow", "user=7", "--json", "--spool", str(spool)).stdout)
    assert [row["operation"]["name"] for row in rows] == ["pause"]
    rows = json.loads(
        devbox(tmp_path, "slow", "service:order age<1h", "--json", "--spool", str(spool)).stdout
    )
    assert rows[0]["operation"]["name"] == "__main__.slow"
    done = devbox(tmp_path, "slow", "user=8", "--spool", str(spool))
    assert (done.returncode, done.stdout) == (0, "no trace fits\n")


def test_the_map_says_who_calls_whom(tmp_path: Path, spool: Path) -> None:
    done = devbox(tmp_path, "map", "--spool", str(spool))
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["FROM", "TO", "ROAD", "CALLS", "RATE", "ERRORS", "P50", "P95"]
    assert [row.split()[:4] for row in rows] == [
        ["(outside)", "order", "http", "1"],
        ["(outside)", "user", "http", "1"],
    ]
    edges = json.loads(devbox(tmp_path, "map", "--json", "--spool", str(spool)).stdout)
    assert [(edge["caller"], edge["callee"]) for edge in edges] == [
        ("(outside)", "order"),
        ("(outside)", "user"),
    ]
    assert all(edge["p50"] >= 96_800_000 for edge in edges)


def test_one_trace_over_two_services(tmp_path: Path, spool: Path) -> None:
    listed = devbox(tmp_path, "ls", "--spool", str(spool)).stdout.splitlines()
    assert len(listed) == 2
    assert listed[1].endswith("order user")
    for which in ("last", "abab", listed[1].split()[0], "ab" * 16):
        shown = devbox(tmp_path, "show", which, "--spool", str(spool))
        assert shown.returncode == 0, shown.stderr
        assert "6 spans, 2 services" in shown.stdout
        assert "\x1b" not in shown.stdout
        assert shown.stdout.count("ValueError: no such user") == 2
    whole = json.loads(devbox(tmp_path, "show", "--json", "--spool", str(spool)).stdout)
    spans = whole["spans"]
    failed = {span["span_id"] for span in spans if span["operation"]["name"] == "__main__.broken"}
    assert set(whole["failures"]) == failed
    assert whole["critical_path"][-1]["end"] == max(span["end"] for span in spans)
    slow = [span for span in spans if span["operation"]["name"] == "__main__.slow"]
    assert all(span["self_time"] >= 100_000_000 and span["critical"] for span in slow[-1:])
    assert {one["kind"] for one in whole["findings"]} == {"missing parent"}
    assert sorted(span["operation"]["name"] for span in spans) == [
        *["GET /order", "GET /user"],
        *["__main__.broken"] * 2,
        *["__main__.slow"] * 2,
    ]


def test_what_was_read_stays_when_the_spool_is_gone(tmp_path: Path, spool: Path) -> None:
    assert devbox(tmp_path, "ls", "--spool", str(spool)).returncode == 0
    assert list(spool.iterdir()) == []
    assert "6 spans" in devbox(tmp_path, "show", "--spool", str(spool)).stdout


def test_no_traces_yet(tmp_path: Path) -> None:
    empty = str(tmp_path / "nothing")
    assert devbox(tmp_path, "ls", "--spool", empty).stdout == "no traces yet\n"
    assert devbox(tmp_path, "slow", "--spool", empty).stdout == "no spans yet\n"
    shown = devbox(tmp_path, "show", "--spool", empty)
    assert shown.returncode == 2
    assert "there are no traces yet" in shown.stderr
    assert "next: devbox workload load" in shown.stderr


def test_an_id_that_fits_nothing(tmp_path: Path, spool: Path) -> None:
    done = devbox(tmp_path, "show", "ffff", "--spool", str(spool))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: no trace has an id that begins with 'ffff'",
        "  next: devbox trace ls",
    ]


def test_tail_says_each_trace_once_and_ends_with_ctrl_c(tmp_path: Path, spool: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    argv = [sys.executable, "-m", "devbox", "trace", "tail", "--json", "--spool", str(spool)]
    process = subprocess.Popen(argv, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert (first["kind"], first["data"]["spans"]) == ("trace.seen", 6)
    run("with tracer.span('the next one'): pass", spool)
    assert json.loads(process.stdout.readline())["data"]["name"] == "the next one"
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("", 130)


def test_only_traces_of_a_service_or_with_errors(tmp_path: Path, spool: Path) -> None:
    run("with tracer.span('fine'): pass", spool)
    found = {
        flags: [
            one["name"]
            for one in json.loads(devbox(tmp_path, "ls", "--json", *flags, "--spool", str(spool)).stdout)
        ]
        for flags in ((), ("--errors",), ("--service", "app"), ("--service", "ap"))
    }
    assert found[()][0] == "fine"
    assert len(found[()]) == 2
    assert "fine" not in found["--errors",]
    assert found["--service", "app"] == ["fine"]
    assert found["--service", "ap"] == []


def test_export_in_both_formats(tmp_path: Path, spool: Path) -> None:
    done = devbox(tmp_path, "export", "--spool", str(spool))
    document = json.loads(done.stdout)
    spans = [
        span
        for resource in document["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert len(spans) == 6
    assert {span["traceId"] for span in spans} == {"ab" * 16}
    failed = [span for span in spans if span["status"]["code"] == 2]
    assert {span["name"] for span in failed} == {"__main__.broken"}
    assert failed[0]["events"][0]["name"] == "exception"
    target = tmp_path / "out.json"
    devbox(tmp_path, "export", "last", "--format", "perfetto", "-o", str(target), "--spool", str(spool))
    events = json.loads(target.read_text())["traceEvents"]
    assert len([event for event in events if event["ph"] == "X"]) == 6
    assert {event["args"]["name"] for event in events if event["ph"] == "M"} == {"order", "user"}


def test_spans_of_a_host_come_over_ssh(tmp_path: Path, spool: Path) -> None:
    """The config's host; its spool folder lies in the home of the SSH user there."""
    home = tmp_path / "home"
    target = home / ".local/state/devbox/spool/app"
    target.parent.mkdir(parents=True)
    spool.rename(target)
    (tmp_path / "devbox.yaml").write_text(
        "name: app\nhost: box\nsync:\n  - {local: ., remote: ~/app, container: /app}\n"
        "services:\n  web: {command: run, environment: {DEVBOX_TRACE_SPOOL: /app/.work/spans}}\n"
    )
    own = home / "app/.work/spans"
    run("with tracer.span('of a service that says itself where'): pass", own)
    with sshd(tmp_path / "sshd", [f"SetEnv HOME={home}"]) as server:
        (tmp_path / "ssh_config").write_text(server.stanza("box"))
        env = {"DEVBOX_SSH_CONFIG": str(tmp_path / "ssh_config"), "SSH_AUTH_SOCK": ""}
        done = devbox(tmp_path, "slow", **env)
    assert done.returncode == 0, done.stderr
    assert "__main__.slow" in done.stdout.splitlines()[1]
    assert "of a service that says itself where" in done.stdout
    assert list(target.iterdir()) == list(own.iterdir()) == []


def test_the_page_takes_spools_and_otlp_until_ctrl_c(tmp_path: Path, spool: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    argv = [sys.executable, "-m", "devbox", "trace", "ui", "--json", "--port", "0", "--spool", str(spool)]
    process = subprocess.Popen(argv, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["data"]["url"]
    exported = devbox(tmp_path, "export", "--spool", str(tmp_path / "elsewhere")).stdout
    assert json.loads(exported) == {"resourceSpans": []}
    run("with tracer.span('from elsewhere'): pass", tmp_path / "elsewhere")
    body = devbox(tmp_path, "export", "--spool", str(tmp_path / "elsewhere")).stdout.encode()
    request = urllib.request.Request(f"{url}v1/traces", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    names: set[str] = set()
    end = time.monotonic() + 30
    while "from elsewhere" not in names and time.monotonic() < end:
        with urllib.request.urlopen(f"{url}api/functions") as answer:
            names = {row["name"] for row in json.load(answer)}
    assert {"__main__.slow", "from elsewhere"} <= names
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_diff_says_what_became_slower(tmp_path: Path, spool: Path) -> None:
    code = "import time\nwith tracer.span('job', version={0}):\n    with tracer.span('part'): time.sleep({1})"
    run(code.format(1, 0), spool)
    run(code.format(2, 0.05), spool)
    done = devbox(tmp_path, "diff", "version=1", "version=2", "--spool", str(spool))
    assert done.returncode == 0, done.stderr
    headline, _, header, first, *_ = done.stdout.splitlines()
    assert headline.startswith("1 traces before, 1 after")
    assert header.split() == ["CHANGE", "BEFORE", "AFTER", "CALLS", "WHERE"]
    assert first.strip().startswith("+")
    assert first.endswith("app job > app part")
    none = devbox(tmp_path, "diff", "version=1", "version=3", "--spool", str(spool))
    assert (none.returncode, "no trace fits after" in none.stderr) == (2, True)
