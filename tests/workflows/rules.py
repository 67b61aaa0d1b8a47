"""What a workflow of this repository keeps to, beside GitHub's own syntax: each rule names what breaks it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import ROOT

FOLDER = ROOT / ".github" / "workflows"
CI = "./.github/workflows/ci.yml"
TEMPLATE = ROOT / "deploy" / "aws" / "template.yaml"
ACTIONS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "actions.json").read_text(encoding="utf-8")
)
"""Every action that is used, with the names of its inputs and outputs."""
MAY_WRITE = {"image": {"packages"}, "deploy": {"id-token"}}
"""What a job may write. Whatever is not named here reads the code, and no more."""
PATH = re.compile(
    r"(?<![\w/$}\"\\.-])(\.?[\w-]+(?:/[\w.-]+)+|[\w-]+\.(?:py|sh|sql|toml|txt|ya?ml|json))(?![\w/])"
)
PINNED = re.compile(r"[\w-]+/[\w/.-]+@v\d+\.\d+\.\d+")


def read(text: str) -> dict[str, Any]:
    """The workflow. YAML 1.1 takes its key `on` for a truth value."""
    document = yaml.safe_load(text)
    return {("on" if key is True else key): value for key, value in document.items()}


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every step of every job."""
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def scripts(workflow: dict[str, Any]) -> list[str]:
    """What the steps give to the shell."""
    return [step["run"] for step in steps(workflow) if "run" in step]


def make_targets() -> set[str]:
    [phony] = re.findall(r"(?m)^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"))
    return set(phony.split())


def parameters() -> dict[str, dict[str, Any]]:
    """What the template of the Lambda asks for; its short tags (`!Ref`) are read as plain values."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: node.value)
    if not TEMPLATE.exists():
        return {}
    return dict(yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)["Parameters"])


def names_that_are_missing(workflow: dict[str, Any]) -> Iterator[str]:
    """Targets of make, paths, and parameters of the template that there are not."""
    for script in scripts(workflow):
        code = re.sub(r"(^|\s)#.*", "", script)
        for target in re.findall(r"(?m)(?:^|[;&|]\s*)make ((?:[\w-]+ ?)+)", code):
            yield from (f"no target of make: {name}" for name in target.split() if name not in make_targets())
        yield from (f"no such path: {path}" for path in PATH.findall(code) if not (ROOT / path).exists())
        if " deploy " in code:
            named, template = re.findall(r"(?m)^override (\w+)", code), TEMPLATE.relative_to(ROOT)
            yield from (f"no parameter of {template}: {name}" for name in named if name not in parameters())
            for name, parameter in parameters().items():
                if name not in named and "Default" not in parameter:
                    yield f"a parameter of {template} without a value: {name}"
    for job in workflow["jobs"].values():
        used = job.get("uses", "")
        if used.startswith("./") and not (ROOT / used).exists():
            yield f"no such path: {used}"


def actions_that_can_move(workflow: dict[str, Any]) -> Iterator[str]:
    """An action is named by a release, and its inputs are known here."""
    jobs = [job["uses"] for job in workflow["jobs"].values() if "uses" in job]
    for used in (*jobs, *(step["uses"] for step in steps(workflow) if "uses" in step)):
        if not used.startswith("./"):
            if not PINNED.fullmatch(used):
                yield f"not pinned to a release: {used}"
            if used not in ACTIONS:
                yield f"not in actions.json: {used}"


def rights_too_wide(workflow: dict[str, Any]) -> Iterator[str]:
    """The workflow reads the code; a job writes what MAY_WRITE has. No stored secret is used."""
    if workflow.get("permissions") != {"contents": "read"}:
        yield "the permissions of the workflow are not `contents: read`"
    for name, job in workflow["jobs"].items():
        wanted = {"contents": "read"} | dict.fromkeys(MAY_WRITE.get(name, ()), "write")
        if job.get("permissions", {"contents": "read"}) != wanted:
            yield f"the permissions of the job {name} are not {wanted}"
        if "secrets" in job:
            yield f"the job {name} is handed secrets"
        for step in job.get("steps", []):
            given = step.get("with", {})
            is_checkout = step.get("uses", "").startswith("actions/checkout@")
            if is_checkout and given.get("persist-credentials") is not False:
                yield f"the checkout of {name} leaves its token behind"
            keys = [key for key in given if "access-key" in key or "session-token" in key]
            yield from (f"a stored key of AWS: {key}" for key in keys)
    if re.search(r"\bsecrets\s*[.\[]", str(workflow)):
        yield "a stored secret is read"


def ways_around_ci(workflow: dict[str, Any]) -> Iterator[str]:
    """Every other job waits for the tests of the same commit, and no failure is passed over."""
    jobs = workflow["jobs"]
    tests = [name for name, job in jobs.items() if job.get("uses") == CI]
    for name, job in jobs.items():
        runs_ci = any(".ci/run" in step.get("run", "") for step in job.get("steps", []))
        needs = job.get("needs", [])
        needed = {needs} if isinstance(needs, str) else set(needs)
        if not runs_ci and name not in tests and not needed & set(tests):
            yield f"the job {name} does not wait for the tests"
        for part in (job, *job.get("steps", [])):
            yield from (f"{word} in {name}" for word in ("if", "continue-on-error") if word in part)


def text_in_a_shell(workflow: dict[str, Any]) -> Iterator[str]:
    """An expression is pasted into a script before the shell reads it: values come by `env:` instead."""
    for script in scripts(workflow):
        yield from (f"an expression in a script: {found}" for found in re.findall(r"\$\{\{.*?\}\}", script))
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"bash does not take it: {done.stderr}"


def outputs_of_nothing(workflow: dict[str, Any]) -> Iterator[str]:
    """An output that is read is one that the step of this id writes."""
    by_id = {step["id"]: step for step in steps(workflow) if "id" in step}
    for identity, name in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", str(workflow)):
        step = by_id.get(identity, {})
        written = set(re.findall(r"([\w-]+)(?:=|<<)", step.get("run", "")))
        if name not in written | set(ACTIONS.get(step.get("uses", ""), {}).get("outputs", [])):
            yield f"no step writes {identity}.{name}"


def machines_that_change(workflow: dict[str, Any]) -> Iterator[str]:
    """Machines, containers and images have a version in their names, and each job has a limit."""
    for name, job in workflow["jobs"].items():
        if "uses" in job:
            continue
        if not re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"]):
            yield f"{name} runs on {job['runs-on']}"
        if "timeout-minutes" not in job:
            yield f"{name} has no timeout-minutes"
    yield from ("latest" for _ in re.findall(r"\blatest\b", str(workflow)))


RULES = (
    names_that_are_missing,
    actions_that_can_move,
    rights_too_wide,
    ways_around_ci,
    text_in_a_shell,
    outputs_of_nothing,
    machines_that_change,
)
