"""At the end of a run: how many tests used a real host, and why any was skipped."""

from __future__ import annotations

import pytest


class Summary:
    """Counts tests by their marks."""

    def __init__(self) -> None:
        self.marked: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each test that ran."""
        if report.when == "call":
            for mark in ("host", "browser"):
                if mark in report.keywords:
                    self.marked[mark] = self.marked.get(mark, 0) + 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it."""
        hosts, pages = self.marked.get("host", 0), self.marked.get("browser", 0)
        skipped = len(terminalreporter.stats.get("skipped", []))
        terminalreporter.write_line(
            f"tests that used a real host: {hosts}; a real browser: {pages}; skipped: {skipped}"
        )
