"""What a shop tells through its channels in these tests: the settings, and secrets that no log may hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.config import ROOT

TOKEN = "T0NIGHT/B0SHELF/0uSlackToken"
HOOK_TOKEN = "0uWebhookToken"
MAIL_PASSWORD = "a mail password"
CHANNELS = {
    "webhook": "ops_hook",
    "slack": "ops_slack",
    "smtp": "ops_mail",
    "email_to": ["night@shop.example"],
}


def write_settings(folder: Path, **alerts: object) -> None:
    """A config.toml with these [alerts] in `folder`."""
    text = (ROOT / "config.toml").read_text()
    for name, value in alerts.items():
        text, n = re.subn(rf"(?m)^{name} = \S+", f"{name} = {json.dumps(value)}", text)
        assert n == 1, name
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text)


def failed_task(error: object = None, task: str = "train") -> dict[str, Any]:
    """The context of a callback."""
    ti = SimpleNamespace(dag_id="recommendations", run_id="night", task_id=task, try_number=1, log_url="")
    return {"ti": ti, "exception": error}
