"""Sends malformed payloads of one kind all the way, and tells which one did harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random

from tests.domain.payloads.frames import FRAMES
from tests.fuzz.mutants import mutants
from tests.fuzz.path import Path, bodies

KINDS = (*FRAMES, *bodies())
"""Channels of the socket, and endpoints that are asked all day or fill gaps."""
_FORMS = (b'{"data":[%s]}', b'{"data":%s}', b"[%s]", b"%s", b'{"data":null,"more":%s}')


def send(path: Path, kind: str, seed: int, count: int) -> Counter[str]:
    """How so many malformed payloads of a kind ended.

    Raises:
        AssertionError: one did harm; it is named.
    """
    ends: Counter[str] = Counter()
    chance = Random(f"{seed} {kind}")
    payloads = mutants(FRAMES[kind], chance) if kind in FRAMES else answers(kind, chance)
    take = path.frame if kind in FRAMES else path.answer
    for number, payload in enumerate(islice(payloads, count)):
        try:
            ends[take(kind, payload)] += 1
        except Exception as error:
            raise AssertionError(
                f"payload {number} of seed {seed} to {kind}: {error!r}\n{payload[:2_000]!r}"
            ) from error
    return ends


def answers(endpoint: str, chance: Random) -> Iterator[bytes]:
    """A malformed row in every form of body that the vendor uses."""
    row_of = bodies().get(endpoint) or bodies()["/api/option-trades"]
    for row in mutants(row_of, chance):
        yield _FORMS[int(chance.random() * len(_FORMS))] % row
