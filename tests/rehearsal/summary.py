"""At the end of a run: how many tests used a real host, and why any was skipped."""

from __future__ import annotations

from collections import Counter

import pytest

_MARKS = ("host", "browser")


class Summary:
    """Counts tests by their marks. (A report's keywords would not do: they hold the folders' names too.)

    The marks travel in the reports, because with several workers the process that sums up collects
    nothing itself.
    """

    def __init__(self) -> None:
        self._ran: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Let each test's report say which marks it has."""
        for item in items:
            item.user_properties += [("uses", mark) for mark in _MARKS if item.get_closest_marker(mark)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each test that ran."""
        if report.when == "call":
            self._ran.update(str(mark) for name, mark in report.user_properties if name == "uses")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it."""
        skipped = len(terminalreporter.stats.get("skipped", []))
        terminalreporter.write_line(
            f"tests that used a real host: {self._ran['host']}; "
            f"a real browser: {self._ran['browser']}; skipped: {skipped}"
        )
