"""Headless Chromium, driven over its DevTools protocol by a client of a hundred lines: open a page, run a
script in it, press keys, look at what it said. (https://chromedevtools.github.io/devtools-protocol/)
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.web.client import WebSocket

PATIENCE = 20.0
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
    "--window-size=1440,860",
)


class Page:
    """One tab. `problems` are errors of the console, uncaught exceptions and requests that failed."""

    def __init__(self, address: str) -> None:
        self._link = WebSocket(address)
        self._last = 0
        self.problems: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol; its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        self._link.send(json.dumps(message).encode())
        while True:
            found = json.loads(self._link.receive()[1])
            if found.get("id") == self._last:
                assert "error" not in found, found
                return found["result"]
            self._note(found)

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(told["exceptionDetails"].get("exception", {}).get("description")))
        elif event.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.problems.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event.get("method") == "Network.loadingFailed" and not told.get("canceled"):
            self.problems.append(f"a request failed: {told['errorText']}")

    def open(self, url: str) -> None:
        """Go there; returns when the page's own loading is over."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page (of its promise, if it is one)."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + PATIENCE
        while not self.run(f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"):
            assert time.monotonic() < end, f"never true: {script}\n{self.text('body')[:2000]}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """What one can read in the first element that fits."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def texts(self, selector: str) -> list[str]:
        """What one can read in each element that fits."""
        found: list[str] = self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"
        )
        return found

    def press(self, key: str) -> None:
        """A key, as from a keyboard."""
        known = {"Enter": "\r"}.get(key, key if len(key) == 1 else None)
        more = {"text": known} if known else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector: str) -> None:
        """Click the first element that fits, once it is there."""
        self.until(f"!!document.querySelector({json.dumps(selector)})")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def screenshot(self, path: Path) -> None:
        """What it looks like, as PNG."""
        found = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    def resize(self, width: int, height: int) -> None:
        """A window of that size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def wait(self, there: Callable[[], bool]) -> None:
        """Wait for something outside of the page, which goes on meanwhile."""
        end = time.monotonic() + PATIENCE
        while not there():
            assert time.monotonic() < end, "it never came"
            self.run("1")
            time.sleep(0.02)

    def dark(self, wanted: bool) -> None:
        """As for somebody whose desktop is dark, or light."""
        value = "dark" if wanted else "light"
        features = [{"name": "prefers-color-scheme", "value": value}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def close(self) -> None:
        self.call("Page.close")
        self._link.close()


class Browser:
    """A running browser with a profile of its own."""

    def __init__(self, address: str) -> None:
        self._address = address

    @contextlib.contextmanager
    def page(self) -> Iterator[Page]:
        """A new tab; at its end, whatever it complained of fails the test."""
        request = urllib.request.Request(f"http://{self._address}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request) as answer:
            page = Page(json.load(answer)["webSocketDebuggerUrl"])
        try:
            yield page
            page.run("1")  # what happened until now is noted
        finally:
            page.close()
        assert page.problems == [], page.problems


def program() -> str | None:
    """The browser's program, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """A browser for a `with` block."""
    found = program()
    assert found, "no Chromium here: apt-get install chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [found, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Browser(f"127.0.0.1:{_port(Path(profile))}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _port(profile: Path) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int((profile / "DevToolsActivePort").read_text().split()[0])
        time.sleep(0.05)
    raise AssertionError("Chromium did not start")
