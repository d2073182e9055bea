"""A projection in Redis: commands and position in one Lua call, a generation that shows a flush.

Used by projections/hot and projections/streams. The commands are data, so that the projection
itself stays pure. Keys of a projection begin with its prefix; the hash `<prefix>:state` holds
where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias, cast
from uuid import uuid4

import msgspec
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from projections.projector import RebuildLost, TargetDamaged, TargetState
from projections.rows import plain

Command: TypeAlias = tuple[Any, ...]
"""A Redis command with its arguments, its key without the prefix in second place, or one of
    HSET key {field: value}       a hash's fields, of which values may be of the PLAIN types
    HSETX key {field: value}      the same if the key exists
    KEEP index prefix count       of a sorted set keep the newest members, drop the keys of others
    BOOK key sums cents part      count the entry `key` with so many cents in the hash `sums`:
                                  realised_cents, the same:<part>, trades and winners; with
                                  empty `sums` anew where it was counted, if it was; without cents
                                  no more. The entry remembers it in fields booked_*.
    LEVELS key connection ticks at position
                                  depth ticks (JSON) on the book in a hash: fields bids and asks,
                                  as domain/analytics/depth_book.py builds them, damage, and those
                                  named; a new connection begins with an empty book

    RENEW key members session     unless the field `session` of the hash is that, drop the hash and
                                  the keys that its fields name, which begin with `members` if given

All else is texts.
"""

FIELDS_MAX = 1_000
"""Of one command; Lua hands over at most some thousands of values."""

_PASSING_KINDS = (OutOfMemoryError, ReadOnlyError)
_PASSING_CODES = ("MISCONF", "BUSY", "MASTERDOWN", "NOREPLICAS", "TRYAGAIN")
"""Answers of a server that will take the command later."""
_APPLY = """
local state = redis.call('HMGET', KEYS[1], 'generation', 'position')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] then return 0 end
local prefix = ARGV[4]
local function count(sums, part, cents, times)
    sums = prefix .. sums
    redis.call('HINCRBY', sums, 'realised_cents', cents * times)
    redis.call('HINCRBY', sums, 'realised_cents:' .. part, cents * times)
    redis.call('HINCRBY', sums, 'trades', times)
    redis.call('HINCRBY', sums, 'winners', cents > 0 and times or 0)
end
local function book(key, sums, cents, part)
    local booked = redis.call('HMGET', key, 'booked_in', 'booked_cents', 'booked_part')
    local earlier = booked[1]
    if sums == '' and not earlier then return end
    if earlier then
        -- Of a day that is no longer kept nothing is counted again.
        if redis.call('EXISTS', prefix .. earlier) == 0 then return end
        count(earlier, booked[3], tonumber(booked[2]), -1)
    end
    if cents == '' then
        redis.call('HDEL', key, 'booked_in', 'booked_cents', 'booked_part')
        return
    end
    if sums == '' then sums, part = earlier, booked[3] end
    count(sums, part, tonumber(cents), 1)
    redis.call('HSET', key, 'booked_in', sums, 'booked_cents', cents, 'booked_part', part)
end
local function rows_text(rows)
    return #rows == 0 and '[]' or cjson.encode(rows)
end
local NAMES = {[0] = 'insert', [1] = 'update', [2] = 'delete'}
local function levels(key, connection, ticks, at, position)
    local was = redis.call('HMGET', key, 'connection', 'bids', 'asks', 'damage')
    local sides, damage = {[0] = {}, [1] = {}}, ''
    if was[1] == connection then
        sides = {[0] = cjson.decode(was[3]), [1] = cjson.decode(was[2])}
        damage = was[4]
    end
    for _, tick in ipairs(cjson.decode(ticks)) do
        local row, maker, operation, side, price, size = unpack(tick)
        local rows = sides[side] or sides[0]
        local count = #rows
        if operation == 0 and row <= count then
            table.insert(rows, row + 1, {price, size, maker})
            rows[21] = nil
        elseif operation == 1 and row < count then
            rows[row + 1] = {price, size, maker}
        elseif operation == 2 and row < count then
            table.remove(rows, row + 1)
        elseif damage == '' then
            damage = string.format('%s at %d of %d levels', NAMES[operation] or '?', row, count)
        end
    end
    if #sides[0] + #sides[1] == 0 then damage = '' end
    redis.call('HSET', key, 'connection', connection, 'bids', rows_text(sides[1]),
        'asks', rows_text(sides[0]), 'damage', damage, 'received_at', at, 'position', position)
end
for _, command in ipairs(cjson.decode(ARGV[5])) do
    local name = command[1]
    command[2] = prefix .. command[2]
    if name == 'KEEP' then
        local surplus = redis.call('ZCARD', command[2]) - tonumber(command[4])
        if surplus > 0 then
            for _, member in ipairs(redis.call('ZRANGE', command[2], 0, surplus - 1)) do
                redis.call('DEL', prefix .. command[3] .. member)
                redis.call('ZREM', command[2], member)
            end
        end
    elseif name == 'BOOK' then
        book(command[2], command[3], command[4], command[5])
    elseif name == 'RENEW' then
        if redis.call('HGET', command[2], 'session') ~= command[4] then
            if command[3] ~= '' then
                for _, member in ipairs(redis.call('HKEYS', command[2])) do
                    redis.call('DEL', prefix .. command[3] .. member)
                end
            end
            redis.call('DEL', command[2])
            redis.call('HSET', command[2], 'session', command[4])
        end
    elseif name == 'LEVELS' then
        levels(command[2], command[3], command[4], command[5], command[6])
    elseif name == 'HSETX' then
        if redis.call('EXISTS', command[2]) == 1 then
            command[1] = 'HSET'
            redis.call(unpack(command))
        end
    else
        redis.call(unpack(command))
    end
end
redis.call('HSET', KEYS[1], 'position', ARGV[3], 'newest', ARGV[6])
return 1
"""
_BEGIN = """
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('DEL', key) end
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'version', ARGV[3], 'position', ARGV[4],
    'built_at', ARGV[4])
return 1
"""
_SWAP = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[3] then return -1 end
redis.call('HSET', KEYS[1], 'built_at', redis.call('HGET', KEYS[1], 'position'))
local old = redis.call('KEYS', ARGV[2] .. '*')
for _, key in ipairs(old) do redis.call('DEL', key) end
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
    redis.call('RENAME', key, ARGV[2] .. string.sub(key, string.len(ARGV[1]) + 1))
end
return #old
"""


class RedisTarget:
    """Views under one prefix, such as `striketape:hot:`."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.prefix = prefix
        self.dropped = 0
        """Keys that the last swap replaced."""
        self._redis = redis
        self._apply = redis.register_script(_APPLY)

    @property
    def _state_key(self) -> str:
        return f"{self.prefix.rstrip(':')}:state"

    async def state(self) -> TargetState | None:
        try:
            found = cast(dict[str, str], await self._redis.hgetall(self._state_key))
            return TargetState(
                generation=str(found["generation"]),
                version=int(found["version"]),
                position=int(found["position"]),
                built_at=int(found["built_at"]),
                newest=str(found.get("newest", "")),
            )
        except (KeyError, ValueError, ResponseError):
            return None  # never built, flushed, or overwritten by somebody else

    async def apply(
        self, effects: Sequence[Command], state: TargetState, position: int
    ) -> TargetState | None:
        """A long page goes in one call too: a part of it without the position would be a lie."""
        arguments: list[str | bytes] = [
            state.generation,
            str(state.position),
            str(position),
            self.prefix,
            msgspec.json.encode(merged(effects)),
            state.newest,
        ]
        try:
            done = await self._apply(keys=[self._state_key], args=arguments)
        except ResponseError as error:
            if isinstance(error, _PASSING_KINDS) or str(error).startswith(_PASSING_CODES):
                raise
            raise TargetDamaged(
                f"{self.prefix} must take its commands, answered: {error}"
            ) from error
        return replace(state, position=position) if done == 1 else None

    async def begin(self, version: int, position: int) -> TargetState:
        generation = uuid4().hex
        await self._redis.eval(
            _BEGIN, 1, self._state_key, self.prefix, generation, str(version), str(position)
        )
        return TargetState(generation, version, position, position)

    def beside(self) -> RedisTarget:
        return RedisTarget(self._redis, f"rebuilding:{self.prefix}")

    async def swap_in(self, built: TargetState) -> TargetState:
        beside = self.beside()
        dropped = cast(
            int,
            await self._redis.eval(
                _SWAP, 1, beside._state_key, beside.prefix, self.prefix, built.generation
            ),
        )
        if dropped < 0:
            raise RebuildLost(f"{beside.prefix} must hold generation {built.generation}, was gone")
        self.dropped = dropped
        return replace(built, built_at=built.position)


def merged(commands: Sequence[Command]) -> list[tuple[str, ...]]:
    """The same outcome in fewer commands, all texts: fields of one hash set again and again are
    set once.

    Only HSETs without another command between them are merged, so that order still tells.
    """
    result: list[tuple[str, ...]] = []
    books: list[tuple[str, ...]] = []
    pending: dict[str, dict[str, Any]] = {}

    def flush() -> None:
        for key, fields in pending.items():
            if len(fields) <= FIELDS_MAX:
                result.append(_texts("HSET", key, fields))
                continue
            names = list(fields)
            for start in range(0, len(names), FIELDS_MAX):
                part = {name: fields[name] for name in names[start : start + FIELDS_MAX]}
                result.append(_texts("HSET", key, part))
        pending.clear()

    for command in commands:
        if command[0] == "HSET":
            _, key, fields = command
            if key in pending:
                pending[key].update(fields)
            else:
                pending[key] = dict(fields)
        elif command[0] == "LEVELS":
            books.append(command)  # no other command touches their keys
        else:
            flush()
            result.append(_texts(*command) if command[0] == "HSETX" else command)
    flush()
    return result + books


def _texts(name: str, key: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    texts = [name, key]
    for field, value in fields.items():
        write = PLAIN.get(type(value))
        texts += (field, text(value) if write is None else write(value))
    return tuple(texts)


def text(value: Any) -> str:
    """One value as it stands in a hash field: times are ISO 8601 in UTC, Decimals keep their
    digits, absent values are empty texts, anything with structure is JSON text."""
    write = PLAIN.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, str):  # an enum
        return str(value)
    return msgspec.json.encode(plain(value)).decode()


PLAIN: Mapping[type[Any], Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "1" if value else "0",
    str: str,
    float: repr,
    int: str,
    Decimal: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
}
"""Types whose text never fails, and how they are written."""
