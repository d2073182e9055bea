"""Thousands of malformed REST bodies of every endpoint of the schedule do no harm either."""

from __future__ import annotations

import pytest

from tests.fuzz.path import READ, REJECTED, Path, bodies, others
from tests.fuzz.send import send

PAYLOADS = 5_000
SEED = 20_261_128


@pytest.fixture(scope="module")
def path() -> Path:
    return Path(judged_of=5)


@pytest.mark.parametrize("endpoint", bodies())
def test_malformed_bodies_end_as_rejected_with_a_reason_or_as_an_answer_on_the_log(
    path: Path, endpoint: str
) -> None:
    assert path.answer(endpoint, b'{"data":[' + bodies()[endpoint] + b"]}") == READ
    ends = send(path, endpoint, SEED, PAYLOADS)
    assert ends.total() == PAYLOADS
    assert min(ends[REJECTED], ends[READ]) > PAYLOADS // 50, ends


def test_malformed_bodies_of_endpoints_that_are_only_kept_end_so_too(path: Path) -> None:
    """Five thousand among them."""
    each = -(-PAYLOADS // len(others()))
    for endpoint in others():
        ends = send(path, endpoint, SEED, each)
        assert min(ends[REJECTED], ends[READ]) > 0, (endpoint, ends)
