"""`up --watch` in a real terminal on a real host: one window that goes on through restarts and lost links."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from devbox.ports.daemon import Container
from devbox.services import model
from devbox.services.analyse import changes
from tests.rehearsal.hosts import RehearsalHost
from tests.services.shop import Shop

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Screen:
    """A devbox command in a terminal; what it shows is collected as plain text."""

    def __init__(self, shop: Shop, *words: str) -> None:
        self.hand, theirs = pty.openpty()
        self.raw = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "devbox", *words],
            cwd=shop.folder,
            env={**shop.terminal.env, "TERM": "xterm", "COLUMNS": "160"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        return _COLOURS.sub("", self.raw)

    def wait_for(self, words: str, after: int = 0, seconds: float = 60) -> int:
        """Read until it shows that, after this place; the place behind it."""
        end = time.monotonic() + seconds
        while words not in self.text[after:]:
            assert time.monotonic() < end, f"never showed {words!r}:\n{self.text}"
            if select.select([self.hand], [], [], 0.2)[0]:
                try:
                    self.raw += os.read(self.hand, 65536).decode(errors="replace")
                except OSError as ended:
                    raise AssertionError(f"ended without {words!r}:\n{self.text}") from ended
        return self.text.index(words, after) + len(words)

    def press(self, key: str) -> None:
        os.write(self.hand, key.encode())

    def close(self) -> int:
        code = self.process.wait(60)
        os.close(self.hand)
        return code


def through_ssh(shop: Shop, host: RehearsalHost) -> None:
    """Reach the daemon through SSH too, so that a cut takes everything."""
    host.shell("usermod", "-aG", "docker", "dev")
    file = shop.folder / "devbox.yaml"
    file.write_text(file.read_text() + "docker: {endpoint: ssh}\n")


@pytest.mark.host
def test_one_window_for_the_day(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    through_ssh(shop, rehearsal_host)
    screen = Screen(shop, "up", "--watch")
    screen.wait_for("built ")
    # What a fresh service says first is not lost, whoever is quicker.
    screen.wait_for("restart: 1 web, 2 other")
    screen.wait_for("web   | starting")
    screen.wait_for("other | other says")
    assert "\x1b[36mother |\x1b[0m" in screen.raw
    assert shop.page() == "one"
    here = screen.wait_for("web   | asked")

    (shop.folder / "words.txt").write_text("two")
    here = screen.wait_for("words.txt", here)
    assert shop.page() == "two"

    screen.press("2")
    here = screen.wait_for("other * restarted", here)
    here = screen.wait_for("other | other says", here)

    rehearsal_host.sh("pkill -f '[s]shd: dev@' || true")
    here = screen.wait_for("the connection is back", here)
    assert shop.page() == "two"
    here = screen.wait_for("web   | asked", here)
    (shop.folder / "words.txt").write_text("three")
    screen.wait_for("words.txt", here)
    assert shop.page() == "three"
    assert screen.text.count("web   | starting") == 1  # every line once, also after the break

    screen.press("q")
    assert screen.close() == 0
    assert {row["state"] for row in shop.rows().values()} == {"running"}


@pytest.mark.host
def test_logs_are_followed_across_restarts_without_a_gap_or_an_echo(
    shop: Shop, rehearsal_host: RehearsalHost
) -> None:
    count = (
        "import itertools, time\nfor n in itertools.count(): print('n', n, flush=True); time.sleep(0.05)\n"
    )
    (shop.folder / "count.py").write_text(count)
    shop.configure(services="  count: {command: [python, count.py]}\n")
    through_ssh(shop, rehearsal_host)
    shop.terminal.devbox("up", "count")
    running = shop.terminal.start("logs", "-f", "count")
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(5)]
    rehearsal_host.sh("pkill -f '[s]shd: dev@' || true")
    lines += [running.stdout.readline() for _ in range(40)]
    rehearsal_host.shell("docker", "restart", "-t", "1", f"dev.{shop.name}-count-1")
    while lines.count("n 0\n") < 2:
        lines.append(running.stdout.readline())
    running.terminate()
    running.communicate(timeout=30)
    again = len(lines) - 1 - lines[::-1].index("n 0\n")
    assert lines[:again] == [f"n {number}\n" for number in range(again)]


@pytest.mark.host
def test_a_shell_follows_its_window(shop: Shop) -> None:
    shop.terminal.devbox("up", "other")
    screen = Screen(shop, "shell", "other")
    screen.press("echo re''ady\n")
    screen.wait_for("ready")
    _size(screen, 20, 77)
    screen.press("until test \"$(stty size)\" = '20 77'; do sleep 0.1; done; echo fol''lowed\n")
    screen.wait_for("followed")
    screen.press("exit 3\n")
    assert screen.close() == 3


def _size(screen: Screen, rows: int, columns: int) -> None:
    fcntl.ioctl(screen.hand, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen.process.send_signal(signal.SIGWINCH)


def _one(state: str = "running", health: str = "", made: str = "a", code: int = 0) -> Container:
    return Container(made, "x", "image", state, {model.SERVICE: "web"}, health, code)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, _one(), "web: running"),
        (_one(), _one(), None),
        (_one(), _one("exited", code=3), "web: ended with exit code 3"),
        (_one("exited"), _one(), "web: started again"),
        (_one(), _one(made="b", health="starting"), "web: made new, running, starting"),
        (_one(health="starting"), _one(health="healthy"), "web: healthy"),
        (_one(health="healthy"), _one(health="unhealthy"), "web: unhealthy"),
        (_one(), None, "web: removed"),
        (_one(), _one("restarting"), "web: restarting"),
    ],
)
def test_what_is_worth_saying(before: Container | None, after: Container | None, said: str | None) -> None:
    found = changes([before] if before else [], [after] if after else [])
    assert [one.text for one in found] == ([said] if said else [])
