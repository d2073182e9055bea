"""Strategies and forecasts read only metrics that analytics compute."""

from __future__ import annotations

import re
from pathlib import Path

from domain.analytics.catalogue import UNITS
from domain.signals.closing import CLOSING
from domain.signals.fourteen_dte import FOURTEEN_DTE
from domain.signals.one_dte import ONE_DTE
from domain.signals.zero_dte import ZERO_DTE

BUCKETS = (ZERO_DTE, ONE_DTE, FOURTEEN_DTE, CLOSING)
DOMAIN = Path(__file__).parents[3] / "domain"
READERS = sorted([*DOMAIN.glob("signals/*.py"), *DOMAIN.glob("forecasts/*.py")])
READ = re.compile(
    r"""(?:reading\.(?:number|text|metric)|_squashed|_plain)\(\s*(?:reading,\s*)?"([a-z0-9_]+)\""""
)


def test_every_metric_that_is_read_is_in_the_catalogue() -> None:
    source = "\n".join(path.read_text() for path in READERS)
    names = set(READ.findall(source)) | {name for bucket in BUCKETS for name in bucket.required}
    assert len(names) > 25
    assert names <= set(UNITS)
