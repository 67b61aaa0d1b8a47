"""Writes the zip that AWS Lambda runs: the handler, what it reads, and its packages for Lambda's Linux.

    python deploy/aws/build_zip.py --python 3.13 --out .nightshelf/lambda.zip

The same files make the same bytes. boto3 is not in it: Lambda's Python has it. Bytecode is in it where this
is run with the Python of the zip: Lambda's file system keeps none, and compiling is half of a cold start.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ("__init__.py", "config.py", "environment.py", "errors.py")
PACKAGES = ("handler", "reading", "settings")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
DEFAULT = "3.13"
"""The Runtime of template.yaml."""
PLATFORMS = {"x86_64": "x86_64", "arm64": "aarch64"}
GLIBC = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""The newest first. Amazon Linux 2023, which Lambda runs from Python 3.12 on, has glibc 2.34."""
SETTINGS = re.compile(r"config(\.[A-Za-z0-9_-]{1,60})?\.toml")
"""Of the shops of this checkout."""
CERTIFICATES = "certificates"
"""Where the *.pem of deploy/aws/ are in the zip: they vouch for the database."""
OF_ALL_TIMES = (1980, 1, 1, 0, 0, 0)


def install(folder: Path, python: str, architecture: str) -> None:
    """Download the pinned packages for Lambda, and unpack them into `folder`."""
    tags = [f"{glibc}_{PLATFORMS[architecture]}" for glibc in GLIBC]
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", "--no-compile", "--no-deps", "--target", str(folder)]
    command += ["--python-version", python, *(f"--platform={tag}" for tag in tags)]
    subprocess.run([*command, "-r", str(ROOT / "requirements-lambda.txt")], check=True)


def gather(folder: Path) -> None:
    """Copy what the handler needs of this repository into `folder`."""
    own = [ROOT / "pipeline" / name for name in FILES]
    own += [path for path in ROOT.glob("config*.toml") if SETTINGS.fullmatch(path.name)]
    for name in PACKAGES:
        own += (ROOT / "pipeline" / name).glob("[!.]*.py")
    own += (ROOT / "sql" / "reading").glob("[!.]*.sql")
    for path in (ROOT / "deploy" / "aws").glob("*.pem"):
        (folder / CERTIFICATES).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / CERTIFICATES / path.name)
    for path in own:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def is_own(python: str) -> bool:
    """Whether this process runs that version of Python."""
    return python == f"{sys.version_info.major}.{sys.version_info.minor}"


def build(out: Path, python: str, architecture: str) -> None:
    """Write the zip to `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        install(folder, python, architecture)
        shutil.rmtree(folder / "bin", ignore_errors=True)
        gather(folder)
        if is_own(python):
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            compileall.compile_dir(folder, stripdir=temporary, quiet=1, invalidation_mode=mode)
        written = folder.with_suffix(".zip")
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                about = zipfile.ZipInfo(str(path.relative_to(folder)), OF_ALL_TIMES)
                about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(about, path.read_bytes())
        shutil.move(written, out)


def main() -> None:
    """Read the command line, build, and say what was made."""
    parser = argparse.ArgumentParser(description="Build the zip that AWS Lambda runs.")
    parser.add_argument("--python", choices=VERSIONS, default=DEFAULT, help="default: %(default)s")
    parser.add_argument("--architecture", choices=PLATFORMS, default="x86_64")
    parser.add_argument("--out", type=Path, default=ROOT / ".nightshelf" / "lambda.zip")
    options = parser.parse_args()
    build(options.out, options.python, options.architecture)
    size = options.out.stat().st_size / 1e6
    has = "with bytecode" if is_own(options.python) else "without bytecode, which that Python alone can write"
    sys.stdout.write(
        f"{options.out}: {size:.1f} MB for Python {options.python}, {options.architecture}, {has}\n"
    )


if __name__ == "__main__":
    main()
