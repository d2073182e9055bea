"""With CI=true a skipped test is a failure, but for the few named here.

Loaded by pyproject.toml as a pytest plugin.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

ALLOWED = (
    "tests/live/",
    # Recordings are not part of the project; the tests name the variable that points to them.
    "tests/adapters/market_model/test_market_recorded.py::",
    "tests/e2e/test_recording.py::",
    # A machine without the right to install a browser skips it loudly.
    "tests/ui/test_page_in_browser",
)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    outcome = yield
    report = outcome.get_result()
    if not report.skipped or os.environ.get("CI") != "true" or hasattr(report, "wasxfail"):
        return
    if not item.nodeid.startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"skipped although CI=true: {report.longrepr}"
