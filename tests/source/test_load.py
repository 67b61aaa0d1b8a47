"""Millions of rows pass through extract and validate in a small, bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import config
from tests.source import shops

pytestmark = pytest.mark.slow

ROWS = 4_000_000
AS_PYTHON_ROWS_MB = 1_500
SELECT = f"""
SELECT n % 100000 AS user_id, n % 9973 AS item_id, 'purchase' AS event_type,
       timestamptz '2026-01-01' - make_interval(secs => n) AS occurred_at,
       'order ' || n AS order_id, 1 AS quantity
FROM generate_series(1, {ROWS}) n
WHERE timestamptz '2026-01-01' - make_interval(secs => n) >= :window_start
  AND timestamptz '2026-01-01' - make_interval(secs => n) <  :window_end
"""


def test_memory_does_not_grow_with_the_table(tmp_path: Path, shop_url: str, serving_url: str) -> None:
    folder = shops.write(tmp_path / "sql", events=SELECT)
    text = config.path().read_text(encoding="utf-8")
    for before, after in (
        ("memory_limit_gb = 2.0", "memory_limit_gb = 0.25"),
        ('sql = "sql/source"', f'sql = "{folder}"'),
        ("batch_rows = 200000", "batch_rows = 100000"),
    ):
        assert before in text
        text = text.replace(before, after)
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    environment = {**os.environ, "NIGHTSHELF_SOURCE_URL": shop_url, "NIGHTSHELF_SERVING_URL": serving_url}
    for stage in ("extract", "validate"):
        command = [sys.executable, "-m", "pipeline", "run", stage, "--run-id", "load"]
        command += ["--as-of", "2026-01-01T00:00:00Z", "--config", str(tmp_path / "config.toml")]
        subprocess.run(command, check=True, cwd=config.ROOT, env=environment, capture_output=True)
        receipt = json.loads((config.home() / "runs" / "load" / "receipts" / f"{stage}.json").read_text())
        assert receipt["peak_memory_mb"] < AS_PYTHON_ROWS_MB / 2, stage
    assert json.loads((config.home() / "runs" / "load" / "validation.json").read_text())["success"]
