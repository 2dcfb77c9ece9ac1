"""Where a recording comes from, and whether it is still what was recorded.

Each folder `data/raw/<experiment>/<run>/` holds a tool's output byte for byte
and a `provenance.json` of the schema in `schema/provenance.schema.json`.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from faltcon.errors import FormatError, ProvenanceError, UsageError
from faltcon.files import reading, sha256_of, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "FILE_NAME",
    "Problem",
    "describe_files",
    "describe_host_kernel",
    "describe_machine",
    "load",
    "now",
    "recorded",
    "runs",
    "schema",
    "verify",
    "verify_run",
    "write",
]

FILE_NAME = "provenance.json"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a recording."""

    file: Path
    problem: str

    def __str__(self) -> str:
        """The line a user reads."""
        return f"{self.file}: {self.problem}"


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON schema of provenance.json."""
    text = resources.files("faltcon").joinpath("schema/provenance.schema.json").read_text("utf-8")
    return dict(json.loads(text))


def now() -> str:
    """The time in the form that the schema asks for."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_machine() -> dict[str, Any]:
    """CPU model, number of CPUs, memory in bytes, clock source and kind of virtual machine."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    clock = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    return {
        "cpu_model": model,
        "cpus": os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "clock_source": clock.read_text().strip() if clock.exists() else "unknown",
        "virtualization": _virtualization(),
    }


def _virtualization() -> str:
    try:
        answer = subprocess.run(
            ["systemd-detect-virt", "--vm"], capture_output=True, text=True, check=False, timeout=10
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        hypervisor = " hypervisor" in Path("/proc/cpuinfo").read_text()
        return "unknown virtual machine" if hypervisor else "unknown"
    return answer.stdout.strip() or "unknown"


def describe_host_kernel() -> dict[str, Any]:
    """The kernel that runs this machine; its .config is named where the machine shows it."""
    release = platform.release()
    candidates = (Path("/proc/config.gz"), Path(f"/boot/config-{release}"))
    config = next((sha256_of(path) for path in candidates if path.exists()), None)
    return {
        "release": release,
        "version": platform.version(),
        "base_package": None,
        "patch_series_sha256": None,
        "config_sha256": config,
    }


def describe_files(folder: Path, descriptions: Mapping[str, str]) -> dict[str, Any]:
    """The `files` object for these files of a folder: sha256, bytes and what each holds."""
    return {
        name: {
            "sha256": sha256_of(folder / name),
            "bytes": (folder / name).stat().st_size,
            "description": text,
        }
        for name, text in sorted(descriptions.items())
    }


def write(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write a folder's provenance.json after checking it against schema and files.

    Raises ProvenanceError: a recording is born correct or not at all.
    """
    document = dict(provenance)
    problems = list(_check(folder, document))
    if problems:
        raise ProvenanceError(folder / FILE_NAME, problems[0].problem, mend="this is a bug")
    write_text(folder / FILE_NAME, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def load(folder: str | Path) -> dict[str, Any]:
    """A run's provenance as a dictionary. Raises InputError or FormatError naming the file."""
    file = Path(folder) / FILE_NAME
    with reading(file):
        text = file.read_bytes()
    try:
        document = json.loads(text)
    except ValueError as error:
        raise FormatError(file, f"is not JSON ({error})", mend="restore it from git") from error
    if not isinstance(document, dict):
        raise FormatError(file, "is not a JSON object", mend="restore it from git")
    return document


def runs(root: Path, experiment: str | None = None) -> list[Path]:
    """Folders of all recorded runs (of one experiment), sorted. Raises UsageError if none."""
    pattern = f"{experiment or '*'}/*/{FILE_NAME}"
    found = sorted(path.parent for path in root.glob(pattern))
    if not found:
        what = f"recordings of {experiment}" if experiment else "recordings"
        raise UsageError(f"no {what} under {root}; record some with `faltcon lab record`")
    return found


def recorded(root: Path, experiment: str) -> bool:
    """Whether there is any recorded run of the experiment."""
    return any(root.glob(f"{experiment}/*/{FILE_NAME}"))


def verify_run(folder: Path) -> list[Problem]:
    """What is wrong with one run's folder; empty when nothing is."""
    try:
        document = load(folder)
    except (FormatError, ProvenanceError) as error:
        return [Problem(folder / FILE_NAME, error.problem)]
    return list(_check(folder, document))


def verify(root: Path) -> tuple[int, list[Problem]]:
    """Check every folder with files below `root`: number of runs checked, and all problems.

    A folder that holds files but no provenance is a problem too: raw data
    without an origin must not exist.
    """
    problems: list[Problem] = []
    checked = 0
    for path, folders, names in os.walk(root):
        folders.sort()
        folder = Path(path)
        if FILE_NAME in names:
            checked += 1
            problems += verify_run(folder)
            folders.clear()
        else:
            problems += [Problem(folder / n, f"has no {FILE_NAME} beside it") for n in names]
    return checked, problems


def _check(folder: Path, document: dict[str, Any]) -> Iterator[Problem]:
    file = folder / FILE_NAME
    validator = jsonschema.Draft202012Validator(schema())
    for error in sorted(validator.iter_errors(document), key=lambda e: e.json_path):
        yield Problem(file, f"{error.json_path}: {error.message}")
    for field, name in (("experiment", folder.parent.name), ("run", folder.name)):
        if document.get(field) != name:
            yield Problem(file, f"{field} is {document.get(field)!r} in the folder {name!r}")
    files = document.get("files")
    if isinstance(files, dict):
        yield from _check_files(folder, files)


def _check_files(folder: Path, files: dict[str, Any]) -> Iterator[Problem]:
    file = folder / FILE_NAME
    present = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path != file
    }
    for name in sorted(present - files.keys()):
        yield Problem(folder / name, f"is not named in {FILE_NAME}")
    for name, expected in sorted(files.items()):
        if name not in present:
            yield Problem(folder / name, "is missing")
        elif not isinstance(expected, dict):
            continue  # the schema has already said so
        elif (folder / name).stat().st_size != expected.get("bytes"):
            yield Problem(folder / name, f"has not the recorded {expected.get('bytes')} bytes")
        elif sha256_of(folder / name) != expected.get("sha256"):
            yield Problem(folder / name, "has changed since it was recorded (sha256 differs)")
