"""Another processor on this one: what numpy, scipy and the C library choose by its abilities.

All three ask what the processor can do and take other code for the same function, whose last digit
differs now and then. Told that it can do less, they compute as on an older machine.
"""

from __future__ import annotations

import asyncio
import math
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.pricing import black_scholes
from run.build import ROOT

_BY_PYTHON = ("exp", "log", "erf", "erfc", "pow", "log1p", "expm1")
_BY_NUMPY = ("exp", "log", "log1p", "expm1", "power")
_BITS = """
import math, numpy
from scipy.special import ndtr
x = numpy.linspace(0.1, 9.9, 5000)
found = [numpy.exp(-x), numpy.log(x), ndtr(x / 10), numpy.array([math.exp(-v) for v in x.tolist()])]
print(numpy.concatenate(found).tobytes().hex())
"""
_MIX = 0x9E3779B97F4A7C15


def older() -> dict[str, str]:
    """Variables of the environment under which a process computes as on an older processor."""
    multiarray = np._core._multiarray_umath  # type: ignore[attr-defined]
    able = [name for name in multiarray.__cpu_dispatch__ if multiarray.__cpu_features__.get(name)]
    found = {"NPY_DISABLE_CPU_FEATURES": " ".join(able)} if able else {}
    if platform.machine() == "x86_64" and platform.system() == "Linux":
        found["OPENBLAS_CORETYPE"] = "Nehalem"
        less = "-AVX2,-FMA,-FMA4,-AVX,-AVX512F"
        found["GLIBC_TUNABLES"] = f"glibc.cpu.hwcaps={less}"
    return found


async def verified(database_url: str, *arguments: str) -> str:
    """What verify-decisions says of a log on an older processor; its exit code comes first."""
    kept = {name: value for name, value in os.environ.items() if "STRIKETAPE" not in name}
    log = {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1/0", "ENV_FILE": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "run.replay", "verify-decisions", "--other-processor", *arguments,
        cwd=ROOT, env=kept | log | older(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return f"{process.returncode}: {said.decode()}"


def numbers(variables: dict[str, str]) -> NDArray[np.float64]:
    """What a process computes under these variables."""
    done = subprocess.run(
        [sys.executable, "-c", _BITS],
        env=os.environ | variables,
        check=True,
        capture_output=True,
        text=True,
    )
    return np.frombuffer(bytes.fromhex(done.stdout.strip()))


def compute_otherwise(monkeypatch: pytest.MonkeyPatch, relative: float) -> None:
    """Every transcendental function is off by `relative` of its value, up or down by its bits."""
    for name in _BY_PYTHON:
        monkeypatch.setattr(math, name, _one(getattr(math, name), relative))
    for name in _BY_NUMPY:
        monkeypatch.setattr(np, name, _many(getattr(np, name), relative))
    monkeypatch.setattr(black_scholes, "ndtr", _many(black_scholes.ndtr, relative))


def _one(function: Callable[..., float], relative: float) -> Callable[..., float]:
    def computed(*given: float) -> float:
        value = function(*given)
        (bits,) = struct.unpack("<Q", struct.pack("<d", value))
        return value * (1 + (relative if bits * _MIX >> 40 & 1 else -relative))

    return computed


def _many(function: Callable[..., Any], relative: float) -> Callable[..., Any]:
    def computed(*given: Any, **options: Any) -> Any:
        value = function(*given, **options)
        bits = np.atleast_1d(np.asarray(value, np.float64)).view(np.uint64) * np.uint64(_MIX)
        up = (bits >> np.uint64(40) & np.uint64(1)).astype(bool).reshape(np.shape(value))
        return value * np.where(up, 1 + relative, 1 - relative)

    return computed
