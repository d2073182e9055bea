"""Thousands of malformed REST bodies of every endpoint that is asked all day do no harm either."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from tests.fuzz.mutants import mutants
from tests.fuzz.path import READ, REJECTED, Path, bodies

PAYLOADS = 5_000
SEED = 20_261_128


@pytest.fixture(scope="module")
def path() -> Path:
    return Path(judged_of=5)


@pytest.mark.parametrize("endpoint", bodies())
def test_malformed_bodies_end_as_rejected_with_a_reason_or_as_an_answer_on_the_log(
    path: Path, endpoint: str
) -> None:
    row = bodies()[endpoint]
    assert path.answer(endpoint, b'{"data":[' + row + b"]}") == READ
    ends: Counter[str] = Counter()
    for body in islice(malformed(row, Random(f"{SEED} {endpoint}")), PAYLOADS):
        ends[path.answer(endpoint, body)] += 1
    assert ends.total() == PAYLOADS
    assert min(ends[REJECTED], ends[READ]) > PAYLOADS // 50, ends


def malformed(row: bytes, chance: Random) -> Iterator[bytes]:
    """A malformed row in every form of body that the vendor uses."""
    forms = (b'{"data":[%s]}', b'{"data":%s}', b"[%s]", b"%s", b'{"data":null,"more":%s}')
    for payload in mutants(row, chance):
        yield forms[int(chance.random() * len(forms))] % payload
