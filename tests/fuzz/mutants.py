"""Malformed payloads from a good one: fields that hold what they must not, and broken bytes.

Most keep the grammar of JSON and break what it says, the others break the bytes. The same seed
gives the same payloads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import msgspec

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

_TEXTS = (
    *(b'""', b'"NaN"', b'"nan"', b'"-Infinity"', b'"1e999"', b'"1e-999"', b'"1_000"', b'" 1"'),
    *(b'"1,5"', b'"0x10"', b'"--1"', b'"1-2"', b'"."', b'"-"', b'"+"', b'"1e"', b'"\xd9\xa3"'),
    *(b'"2026-13-45"', b'"2026-10-06"', b'"2026-10-06T14:02:11"', b'"9999-12-31T23:59:59.9Z"'),
    *(b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"', b'"2026-W41-2"'),
    *(b'"SPY261306C00770000"', b'"SPY261006X00770000"', b'"261006C00770000"', b'"null"'),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\\u202e\\u200b"'),
    *(b'"' + b"9" * 400 + b'"', b'"0.' + b"1" * 169 + b'"', b'"' + b"x" * 5_000 + b'"'),
    *(b'"' + b"9" * 30 + b'"', b'"' + b"1" * 301 + b'"', b'"1e99999"', b'"true"', b'"\xc2\xa01"'),
)
_NUMBERS = (
    *(b"0", b"-1", b"-0", b"1.5", b"12.0", b"1e3", b"1e308", b"1e999", b"-1e999", b"1e-999"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"1" * 400),
    *(b"18446744073709551616", b"99999999999", b"100000000000", b"1e15", b"4e18", b"-99999999999"),
    *(b"253402300800000", b"1" * 5_000, b"0." + b"0" * 500 + b"1"),
)
_OTHERS = (
    *(b"null", b"true", b"false", b"[]", b"{}", b"[null]", b"[{}]", b'[""]', b'["a",1]'),
    *(b"[" * 40 + b"]" * 40, b"[" * 70 + b"]" * 70, b'{"a":' * 70 + b"1" + b"}" * 70),
    b'{"status":"ok","response":{}}',
)
_BROKEN = (
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"undefined", b"01", b"1.", b".5", b"+1", b"1e"),
    *(b'"\xff"', b'"\xc3"', b'"\xe2\x82"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"a\nb"'),
    *(b'"\\x"', b'"\\u12"', b"'a'", b"tru", b"", b"[", b"{", b'"', b"[" * 5_000, b"[1,]"),
    *(b"/**/1", b"\x00", b"1 1"),
)
_VALUES = (*_TEXTS, *_NUMBERS, *_OTHERS, *_BROKEN)
_BYTES = (b"\x00", b"\xff", b"\xc3", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"1", b"\n")


def mutants(payload: bytes, chance: Random) -> Iterator[bytes]:
    """Payloads that are not the good one, without end."""
    fields = [
        (msgspec.json.encode(name), bytes(value)) for name, value in _object.decode(payload).items()
    ]
    while True:
        found = (
            _with_other_fields(fields, chance)
            if chance.random() < 0.6
            else _with_other_bytes(payload, chance)
        )
        if found != payload:
            yield found


def _with_other_fields(fields: Sequence[tuple[bytes, bytes]], chance: Random) -> bytes:
    changed = list(fields)
    for _ in range(1 + int(chance.random() * 3)):
        if not changed:
            break
        place = int(chance.random() * len(changed))
        name, value = changed[place]
        what = chance.random()
        if what < 0.70:
            changed[place] = (name, _VALUES[int(chance.random() * len(_VALUES))])
        elif what < 0.78:
            del changed[place]
        elif what < 0.84:
            changed[place] = (b'"new"', value)
        elif what < 0.90:
            changed.append((name, _VALUES[int(chance.random() * len(_VALUES))]))
        elif what < 0.95:
            changed[place] = (name, b'"' + value.strip(b'"') + b'"')
        else:
            other = int(chance.random() * len(changed))
            changed[place], changed[other] = (name, changed[other][1]), (changed[other][0], value)
    return b"{" + b",".join([name + b":" + value for name, value in changed]) + b"}"


def _with_other_bytes(payload: bytes, chance: Random) -> bytes:
    broken = bytearray(payload)
    for _ in range(1 + int(chance.random() * 4)):
        place = int(chance.random() * (len(broken) + 1))
        what = chance.random()
        if what < 0.30 and place < len(broken):
            broken[place] ^= 1 << int(chance.random() * 8)
        elif what < 0.55:
            broken[place:place] = _BYTES[int(chance.random() * len(_BYTES))]
        elif what < 0.75:
            del broken[place : place + 1 + int(chance.random() * 12)]
        elif what < 0.85:
            broken[place:place] = broken[place : place + int(chance.random() * 60)]
        elif what < 0.95:
            del broken[place:]
        else:
            broken[place:place] = chance.randbytes(1 + int(chance.random() * 8))
    return bytes(broken)
