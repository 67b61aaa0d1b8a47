"""deploy/aws/template.yaml: AWS's linter takes it, and what it names is there."""

from __future__ import annotations

import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.aws import build_zip
from pipeline.config import ROOT
from pipeline.environment import Environment
from pipeline.handler import records, secret
from pipeline.reading.connecting import CONNECT_SECONDS, GRACE_SECONDS
from pipeline.settings.service import Service
from tests.handler.tools import with_tools

TEMPLATE = ROOT / "deploy" / "aws" / "template.yaml"


class Loader(yaml.SafeLoader):
    """Reads `!Ref` and the like as what follows them."""


def _what_follows(loader: Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


Loader.add_multi_constructor("!", _what_follows)


def template() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)
    return document


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(with_tools("cfn-lint", str(path)), capture_output=True, text=True, check=False)


@pytest.mark.aws
def test_the_linter_takes_the_template_and_no_other(tmp_path: Path) -> None:
    done = lint(TEMPLATE)
    assert (done.returncode, done.stdout) == (0, "")
    broken = tmp_path / "template.yaml"
    text = TEMPLATE.read_text(encoding="utf-8")
    broken.write_text(text.replace("RetentionInDays: 30", "RetentionInDays: 31"), encoding="utf-8")
    assert lint(broken).returncode != 0


def test_the_function_is_what_the_makefile_builds() -> None:
    function = template()["Resources"]["Function"]["Properties"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "deploy/aws/build_zip.py" in makefile
    assert (TEMPLATE.parent / function["CodeUri"]).resolve() == ROOT / ".nightshelf" / "lambda.zip"
    python = build_zip.DEFAULT
    assert function["Runtime"] == f"python{python}"
    assert set(template()["Parameters"]["Architecture"]["AllowedValues"]) == set(build_zip.PLATFORMS)
    workflow = (ROOT / ".github" / "workflows" / "deploy-lambda.yml").read_text(encoding="utf-8")
    assert f'python-version: "{python}"' in workflow, "so that its zip has bytecode"
    module, _, name = function["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), name))


def test_a_first_call_that_waits_everywhere_has_its_reply_before_lambda_ends_it() -> None:
    statement = Service().statement_timeout_ms / 1000 + GRACE_SECONDS
    of_a_secret = 3 * secret.CONNECT_SECONDS + secret.ANSWER_SECONDS
    longest = of_a_secret + CONNECT_SECONDS + 5 * statement
    assert template()["Resources"]["Function"]["Properties"]["Timeout"] > longest


def test_every_variable_is_one_that_is_read() -> None:
    function = template()["Resources"]["Function"]["Properties"]
    known = {f"NIGHTSHELF_{field.upper()}" for field in Environment.model_fields}
    assert set(function["Environment"]["Variables"]) <= known


def test_every_alarm_is_about_a_metric_that_is_written() -> None:
    alarms = [
        each["Properties"]
        for each in template()["Resources"].values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    ]
    ours = [alarm for alarm in alarms if alarm["Namespace"] == records.NAMESPACE]
    assert {alarm["MetricName"] for alarm in ours} == {"Failed", "Latency"} <= set(records.METRICS)
    for alarm in ours:
        assert [dimension["Name"] for dimension in alarm["Dimensions"]] in records.DIMENSIONS
    assert {alarm["MetricName"] for alarm in alarms if alarm not in ours} == {"Errors", "Throttles"}


def test_nothing_is_open_to_everybody() -> None:
    resources = template()["Resources"]
    assert resources["Api"]["Properties"]["Auth"]["DefaultAuthorizer"] == "AWS_IAM"
    [statement] = resources["Function"]["Properties"]["Policies"][0]["Statement"]
    assert statement["Action"] == "secretsmanager:GetSecretValue"
    assert "*" not in statement["Resource"]
