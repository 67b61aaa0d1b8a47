"""`.github/workflows/`, read and in parts run here: nothing of it was run by GitHub or against AWS.

GitHub's schema and GitHub's own language service say whether it would take the files. What the shell is given
is run with a stand-in for what it would call. The rules of the repository are in tests/workflows/rules.py.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import __version__, config
from pipeline.config import ROOT
from tests.containers.stack import document
from tests.docs.pages import blocks, text
from tests.test_compose import stages, usual
from tests.workflows.rules import ACTIONS, CI, FOLDER, RULES, read, scripts, steps

LANGUAGE_SERVICE = "@actions/languageservice@0.3.61"
NODE = config.home() / "node"
"""Where Node finds its packages."""
NAMES = ("ci.yml", "deploy-lambda.yml", "images.yml")
PAGE = ROOT / "docs" / "operations.md"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def source(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def script(name: str, words: str) -> str:
    """The one script of a workflow that has `words`."""
    [found] = [script for script in scripts(read(source(name))) if words in script]
    return found


def faults(workflow: str) -> list[str]:
    """What the rules find in the text of a workflow."""
    document = read(workflow)
    return [fault for rule in RULES for fault in rule(document)]


def changed(name: str, old: str, new: str) -> str:
    """A workflow with its first `old` in another form."""
    assert old in source(name), f"{name} has no {old!r}"
    return source(name).replace(old, new, 1)


def schema(*paths: Path) -> subprocess.CompletedProcess[str]:
    """check-jsonschema brings the schema of workflows along, and needs no network."""
    command = [
        Path(sys.executable).with_name("check-jsonschema"),
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    return subprocess.run([*command, *paths], capture_output=True, text=True, check=False)


def service(*paths: Path) -> list[str]:
    """What GitHub's language service finds: unknown inputs, contexts, functions, jobs, permissions."""
    assert shutil.which("node"), "no Node: apt-get install nodejs npm"
    get = f"npm install --prefix {NODE} {LANGUAGE_SERVICE}"
    assert (NODE / "node_modules" / "@actions").is_dir(), f"Node has no language service: {get}"
    folder = ROOT / "tests" / "workflows"
    command = ["node", folder / "check.mjs", NODE / "node_modules", folder / "actions.json", ROOT, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_the_workflows_are_those_looked_at_here() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == list(NAMES)
    used = {step["uses"] for name in NAMES for step in steps(read(source(name))) if "uses" in step}
    assert used == set(ACTIONS), "actions.json has the actions that are used"


def test_github_s_schema_takes_them(tmp_path: Path) -> None:
    done = schema(*(FOLDER / name for name in NAMES))
    assert done.returncode == 0, done.stdout + done.stderr
    bad = tmp_path / "ci.yml"
    bad.write_text(changed("ci.yml", "runs-on:", "runs-under:"), encoding="utf-8")
    done = schema(bad)
    assert done.returncode == 1
    assert "ci.yml" in done.stdout + done.stderr


@pytest.mark.slow
def test_github_s_language_service_finds_nothing() -> None:
    assert service(*(FOLDER / name for name in NAMES)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("images.yml", "sbom: true", "smob: true", "Invalid action input 'smob'"),
        ("deploy-lambda.yml", "aws-region:", "audience:", "Missing required input `aws-region`"),
        ("images.yml", "buildx-action@v4.0.0", "buildx-action@v9.9.9", "not in actions.json"),
        ("images.yml", "${{ matrix.target }}", "${{ matrix.traget }}", "traget"),
        ("images.yml", "steps.name.outputs", "steps.nmae.outputs", "nmae"),
        ("images.yml", "${{ github.actor }}", "${{ githbu.actor }}", "githbu"),
        ("ci.yml", "!startsWith(", "!beginsWith(", "beginsWith"),
        ("images.yml", "needs: ci", "needs: cj", "cj"),
        ("images.yml", "packages: write", "packagez: write", "packagez"),
        ("images.yml", "workflows/ci.yml\n", "workflows/ic.yml\n", "Unable to find reusable workflow"),
        ("images.yml", "workflows/ci.yml\n", "workflows/ci.yml\n    with: {fast: true}\n", "fast"),
    ],
)
def test_the_language_service_refuses(tmp_path: Path, name: str, old: str, new: str, complaint: str) -> None:
    path = tmp_path / name
    path.write_text(changed(name, old, new), encoding="utf-8")
    assert complaint in " ".join(service(path))


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_are_kept(name: str) -> None:
    assert faults(source(name)) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("deploy-lambda.yml", "run: make lambda", "run: make lamda", "no target of make: lamda"),
        ("ci.yml", "          .ci/run", "          .ci/runs", "no such path: .ci/runs"),
        ("images.yml", "p' pyproject.toml", "p' project.toml", "no such path: project.toml"),
        (
            "deploy-lambda.yml",
            "aws/template.yaml",
            "aws/templat.yaml",
            "no such path: deploy/aws/templat.yaml",
        ),
        ("deploy-lambda.yml", "override SubnetIds", "override Subnets", "template.yaml: Subnets"),
        (
            "deploy-lambda.yml",
            "override ReaderSecretArn",
            "# ReaderSecretArn",
            "without a value: ReaderSecretArn",
        ),
        ("images.yml", CI, "./.github/workflows/tests.yml", "no such path"),
        ("ci.yml", "checkout@v6.0.2", "checkout@main", "not pinned to a release: actions/checkout@main"),
        ("ci.yml", "checkout@v6.0.2", "checkout@v6", "not pinned to a release: actions/checkout@v6"),
        ("ci.yml", "checkout@v6.0.2", "checkout@v6.6.6", "not in actions.json"),
        ("ci.yml", "contents: read", "contents: write", "permissions of the workflow"),
        ("ci.yml", "permissions:\n  contents: read", "permissions: write-all", "permissions of the workflow"),
        ("images.yml", "packages: write", "actions: write", "permissions of the job image"),
        ("images.yml", "workflows/ci.yml\n", "workflows/ci.yml\n    secrets: inherit\n", "handed secrets"),
        ("images.yml", "${{ github.token }}", "${{ secrets.TOKEN }}", "a stored secret"),
        ("images.yml", "${{ github.token }}", "${{ secrets['TOKEN'] }}", "a stored secret"),
        ("deploy-lambda.yml", "role-to-assume:", "aws-access-key-id:", "a stored key of AWS"),
        ("ci.yml", "persist-credentials: false", "fetch-depth: 1", "leaves its token behind"),
        ("images.yml", "    needs: ci\n", "", "image does not wait for the tests"),
        ("deploy-lambda.yml", "    needs: ci\n", "    needs: []\n", "deploy does not wait for the tests"),
        ("deploy-lambda.yml", "    needs: ci\n", "    needs: ci\n    if: always()\n", "if in deploy"),
        (
            "ci.yml",
            "        run: |\n",
            "        continue-on-error: true\n        run: |\n",
            "continue-on-error",
        ),
        ("ci.yml", ".ci/run\n", ".ci/run ${{ github.head_ref }}\n", "an expression in a script"),
        ("ci.yml", ".ci/run\n", ".ci/run $(\n", "bash does not take it"),
        ("images.yml", "outputs.version", "outputs.versoin", "no step writes name.versoin"),
        ("images.yml", "ubuntu-24.04", "ubuntu-latest", "image runs on ubuntu-latest"),
        ("ci.yml", "    timeout-minutes: 90\n", "", "ci has no timeout-minutes"),
        ("images.yml", '"$repository:$version"', '"$repository:latest"', "latest"),
    ],
)
def test_a_rule_refuses(name: str, old: str, new: str, complaint: str) -> None:
    before = faults(source(name))
    found = [fault for fault in faults(changed(name, old, new)) if fault not in before]
    assert any(complaint in fault for fault in found), found


def test_ci_runs_every_test_those_of_the_docs_too() -> None:
    workflow = read(source("ci.yml"))
    assert set(workflow["on"]) == {"push", "pull_request", "workflow_call"}
    assert script("ci.yml", ".ci/run").splitlines()[-1] == ".ci/run"
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1]
    assert run.split()[-2:] == ["check", "test-all"]
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "test-all"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = [line.split(" -m pytest ")[1] for line in planned.stdout.splitlines() if " -m pytest " in line]
    assert commands[0].startswith('-m "not containers" -n '), "no folder is named: all are tested"
    assert "tests" not in commands[0]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    assert settings["ini_options"]["testpaths"] == ["tests"]
    assert list((ROOT / "tests" / "docs").glob("test_*.py"))


def test_the_images_are_those_of_the_dockerfile_under_the_names_of_compose() -> None:
    job = read(source("images.yml"))["jobs"]["image"]
    built = {entry["target"]: entry["name"] for entry in job["strategy"]["matrix"]["include"]}
    assert set(built) == {"nightshelf", "service"}
    assert set(built) <= set(stages())
    services = document()["services"].values()
    in_compose = {
        usual(service["build"]["target"]): service["image"].partition(":")[0]
        for service in services
        if "build" in service
    }
    assert built.items() <= in_compose.items()
    [build] = [step["with"] for step in job["steps"] if "build-push" in step.get("uses", "")]
    arguments = {line.partition("=")[0] for line in build["build-args"].splitlines()}
    assert arguments <= {rest for _, lines in stages().values() for word, rest in lines if word == "ARG"}
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)


def run_script(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script as `shell: bash` runs it on GitHub's machines, in the checkout."""
    path = folder / "script.sh"
    path.write_text(text, encoding="utf-8")
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(path)]
    given = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("kind", "ref", "tags"),
    [
        ("tag", f"v{__version__}", [COMMIT, __version__]),
        ("branch", "main", [COMMIT]),
        ("tag", "v99.0.0", None),
    ],
)
def test_an_image_is_named_by_its_commit_and_a_release_by_its_version(
    tmp_path: Path, kind: str, ref: str, tags: list[str] | None
) -> None:
    output = tmp_path / "output"
    done = run_script(
        script("images.yml", "GITHUB_OUTPUT"),
        tmp_path,
        IMAGE="nightshelf",
        GITHUB_OUTPUT=str(output),
        GITHUB_REF_NAME=ref,
        GITHUB_REF_TYPE=kind,
        GITHUB_REPOSITORY_OWNER="Fruit-Shop",
        GITHUB_SHA=COMMIT,
    )
    if tags is None:
        assert done.returncode == 1
        assert f"::error::the tag is {ref}" in done.stdout
        assert not output.exists()
        return
    assert done.returncode == 0, done.stderr
    names = [f"ghcr.io/fruit-shop/nightshelf:{tag}" for tag in tags]
    assert output.read_text().splitlines() == [f"version={__version__}", "tags<<END", *names, "END"]


@pytest.fixture
def deploy(tmp_path: Path) -> Callable[..., tuple[int, str, list[str]]]:
    """`deploy(**environment)`: exit status, errors and the arguments that SAM was given."""
    sam, told = tmp_path / "sam" / "bin" / "sam", tmp_path / "told"
    sam.parent.mkdir(parents=True)
    sam.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {told}\n", encoding="utf-8")
    sam.chmod(0o755)
    [step] = [step for step in steps(read(source("deploy-lambda.yml"))) if step.get("name") == "Deploy"]

    def deploy(**environment: str) -> tuple[int, str, list[str]]:
        given = {**dict.fromkeys(step["env"], ""), "STACK_NAME": "nightshelf", **environment}
        done = run_script(step["run"], tmp_path, RUNNER_TEMP=str(tmp_path), **given)
        return done.returncode, done.stderr, told.read_text().splitlines() if told.exists() else []

    return deploy


SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:reader-AbCdEf"


def test_what_is_set_is_handed_to_sam_and_the_rest_is_left_to_the_template(
    deploy: Callable[..., Any],
) -> None:
    status, errors, words = deploy(READER_SECRET_ARN=SECRET_ARN, SUBNET_IDS="subnet-1,subnet-2")
    assert status == 0, errors
    assert words[0] == "deploy"
    assert words[words.index("--parameter-overrides") + 1 :] == [
        f"ReaderSecretArn={SECRET_ARN}",
        "SubnetIds=subnet-1,subnet-2",
    ]
    assert words[words.index("--stack-name") + 1] == "nightshelf"
    values = {"SECURITY_GROUP_IDS": "sg-1", "SHOP": "books", "MAX_CONCURRENCY": "20"}
    status, errors, words = deploy(READER_SECRET_ARN=SECRET_ARN, **values)
    assert status == 0, errors
    assert words[-3:] == ["SecurityGroupIds=sg-1", "Shop=books", "MaxConcurrency=20"]


def test_a_value_is_no_command(deploy: Callable[..., Any], tmp_path: Path) -> None:
    value = f"$(touch {tmp_path}/run); `touch {tmp_path}/run` 'a b'"
    status, errors, words = deploy(READER_SECRET_ARN=SECRET_ARN, SUBNET_IDS=value)
    assert status == 0, errors
    assert words[-1] == f"SubnetIds={value}"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("missing", "variable"),
    [
        ("ROLE", "AWS_DEPLOY_ROLE"),
        ("REGION", "AWS_REGION"),
        ("READER_SECRET_ARN", "LAMBDA_READER_SECRET_ARN"),
        ("", ""),
    ],
)
def test_what_the_environment_lacks_is_said_before_anything_is_built(
    tmp_path: Path, missing: str, variable: str
) -> None:
    names = [step.get("name", "") for step in steps(read(source("deploy-lambda.yml")))]
    look = "Look whether the environment has what is needed"
    assert names.index(look) < names.index("Build the function")
    [step] = [step for step in steps(read(source("deploy-lambda.yml"))) if step.get("name") == look]
    given = {name: "" if name == missing else "x" for name in step["env"]}
    done = run_script(step["run"], tmp_path, **given)
    assert (done.returncode == 0) == (not missing)
    assert not missing or f"set the variable {variable} in the environment production" in done.stderr


def test_the_page_has_every_variable_the_environment_and_a_role_for_it_alone() -> None:
    part = text(PAGE).partition("\n## From a repository on GitHub\n")[2].partition("\n## ")[0]
    workflow = source("deploy-lambda.yml")
    read_there = set(re.findall(r"\bvars\.(\w+)", "".join(map(source, NAMES))))
    first_cells = re.findall(r"(?m)^\| (`[A-Z_]+`.*?) \|", part)
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells))) == read_there
    for name in NAMES:
        assert f"`{name}`" in part
    environment = read(workflow)["jobs"]["deploy"]["environment"]
    assert f"the environment `{environment}`" in " ".join(part.split())
    [policy] = [
        json.loads(block) for block in blocks("json", (PAGE,)) if "AssumeRoleWithWebIdentity" in block
    ]
    [statement] = policy["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    [(operator, conditions)] = statement["Condition"].items()
    assert operator == "StringEquals", "a pattern would let others in"
    issuer = statement["Principal"]["Federated"].partition("oidc-provider/")[2]
    assert conditions == {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": f"repo:OWNER/nightshelf:environment:{environment}",
    }
