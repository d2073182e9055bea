"""Processes on a fresh log, above all the keeper's."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from run.config import Settings
from run.service import Process
from run.worker import Recorder
from store.postgres import PostgresStore


def a_process(
    name: str, store: PostgresStore, database_url: str, redis_url: str, folder: Path
) -> Process:
    settings = Settings(
        _env_file=None, database_url=database_url, redis_url=redis_url, var_dir=folder
    )
    recorder = Recorder(store, name, "test", "run-1")
    return Process(name, "test", "run-1", settings, store, recorder, structlog.get_logger())


@pytest.fixture
def process(store: PostgresStore, database_url: str, redis_url: str, tmp_path: Path) -> Process:
    """The keeper's, with its files under tmp_path."""
    return a_process("keeper", store, database_url, redis_url, tmp_path)
