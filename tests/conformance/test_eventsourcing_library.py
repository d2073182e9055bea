"""The eventsourcing library's own cases for recorders, run against our store on real Postgres.

Every case of the three base classes runs unchanged. DIFFERENT names those that do not, with the
reason why our guarantee is another one; the last test holds the list to what really runs.
"""

from __future__ import annotations

from typing import Any
from unittest import TestCase

import pytest
from eventsourcing.tests import persistence as library

from tests.conformance.recorder import Bridge, OurAggregateRecorder, OurApplicationRecorder

DIFFERENT: dict[str, str] = {}
"""Class.case of the library to the reason why our guarantee is deliberately another one."""


class OnRealPostgres(TestCase):
    """Gives each case a store on a fresh database."""

    @pytest.fixture(autouse=True)
    def _fresh_database(self, database_url: str) -> None:
        self.database_url = database_url

    def bridge(self) -> Bridge:
        made = Bridge(self.database_url)
        self.addCleanup(made.close)
        return made


class TestAggregateRecorder(OnRealPostgres, library.AggregateRecorderTestCase):
    def create_recorder(self) -> OurAggregateRecorder:
        return OurAggregateRecorder(self.bridge())


class TestApplicationRecorder(
    OnRealPostgres, library.ApplicationRecorderTestCase[OurApplicationRecorder]
):
    def create_recorder(self) -> OurApplicationRecorder:
        return OurApplicationRecorder(self.bridge())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleavingNotificationIDs(
    OnRealPostgres, library.NonInterleavingNotificationIDsBaseCase
):
    def create_recorder(self) -> OurApplicationRecorder:
        return OurApplicationRecorder(self.bridge())


def _cases(cls: type[Any]) -> set[str]:
    return {name for name in dir(cls) if name.startswith("test")}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (TestAggregateRecorder, library.AggregateRecorderTestCase),
        (TestApplicationRecorder, library.ApplicationRecorderTestCase),
        (TestNonInterleavingNotificationIDs, library.NonInterleavingNotificationIDsBaseCase),
    ],
)
def test_every_case_of_the_library_runs_unless_named_different(
    ours: type[Any], theirs: type[Any]
) -> None:
    kind = theirs.__name__
    replaced = {n for n in _cases(theirs) if getattr(ours, n) is not getattr(theirs, n)}
    listed = {n.removeprefix(f"{kind}.") for n in DIFFERENT if n.startswith(f"{kind}.")}
    assert replaced == listed
