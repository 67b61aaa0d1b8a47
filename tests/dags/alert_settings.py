"""The alert settings and connections of these tests, with secrets that no log may hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

from pipeline import alerts, config
from pipeline.alerts import Alert
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


def failure(error: object = None, task: str = "train") -> Alert:
    """The alert of `task` in the run `night`; without an error its process was killed."""
    from nightshelf_airflow import alert_subject

    settings = config.load()
    ti = SimpleNamespace(dag_id="recommendations", run_id="night", task_id=task, try_number=1, log_url="")
    subject = alert_subject.of_running_task(settings, ti)
    return alerts.failed_task(subject, error, settings.serving.schema_name)
