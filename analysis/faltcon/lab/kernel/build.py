"""Configure and build one kernel; build again only what changed."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from faltcon.errors import ToolFailedError, UsageError
from faltcon.files import sha256_of, write_text
from faltcon.lab.kernel import series, source
from faltcon.lab.kernel.base import cache_dir, kernel_dir, work_dir
from faltcon.lab.kernel.lock import locked
from faltcon.lab.kernel.steps import Steps, need

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from faltcon.lab.kernel.base import BaseKernel

__all__ = [
    "Arch",
    "Build",
    "Config",
    "Variant",
    "build",
    "facts",
    "fragments",
    "missing_options",
    "warnings",
]

NOTE_FILE = "faltcon-build.txt"
TOOLS = (
    "make", "gcc", "flex", "bison", "bc", "ccache", "git", "dpkg-deb", "tar", "xz",
    "/usr/include/libelf.h",
)  # fmt: skip


class Variant(StrEnum):
    """What is built from the tree."""

    STOCK = "stock"
    FALTCON = "faltcon"
    DEBUG = "debug"
    KCSAN = "kcsan"
    KUNIT = "kunit"
    SHARED = "shared"

    @property
    def checks_itself(self) -> bool:
        """Whether this kernel reports what it does wrong: these are put under a storm."""
        return self in (Variant.DEBUG, Variant.KCSAN)

    @property
    def has_kunit(self) -> bool:
        """Whether the KUnit suite runs while this kernel boots."""
        return self in (Variant.KUNIT, Variant.DEBUG)


class Arch(StrEnum):
    """The kernel's architecture, as make calls it."""

    X86_64 = "x86_64"
    UM = "um"


class Config(StrEnum):
    """Which options besides."""

    MINIMAL = "minimal"
    DEBIAN = "debian"


@dataclass(frozen=True)
class Build:
    """One kernel: its choices, and where its files are.

    `cycles` puts the stamps of section 4.2 in, into a stock kernel too. `first`,
    if not 0, takes only so many patches of the series; all such kernels share
    one folder and one tree, for the next differs from the last in little.
    """

    base: BaseKernel
    variant: Variant = Variant.FALTCON
    arch: Arch = Arch.X86_64
    config: Config = Config.MINIMAL
    source: Path | None = None
    cycles: bool = False
    first: int = 0

    @property
    def work(self) -> Path:
        """Folder of trees and builds."""
        return work_dir() / "each" if self.first else work_dir()

    @property
    def name(self) -> str:
        """Folder name of this build."""
        origin = self.base.name if self.source is None else f"tree-{self.source.resolve().name}"
        name = f"{origin}-{self.variant}-{self.arch}-{self.config}"
        return f"{name}-cycles" if self.cycles else name

    @property
    def folder(self) -> Path:
        """Where make writes (O=)."""
        return self.work / "out" / self.name

    @property
    def image(self) -> Path:
        """The file that boots. QEMU boots vmlinux by its PVH entry, which KASAN's does not bear."""
        if self.arch is Arch.UM:
            return self.folder / "linux"
        if self.variant is Variant.DEBUG:
            return self.folder / "arch" / "x86" / "boot" / "bzImage"
        return self.folder / "vmlinux"

    @property
    def target(self) -> str:
        """What make is asked for."""
        return {"linux": "linux", "bzImage": "bzImage", "vmlinux": "vmlinux"}[self.image.name]

    @property
    def config_file(self) -> Path:
        """The kernel's .config."""
        return self.folder / ".config"


def fragments(build: Build) -> list[Path]:
    """The configuration fragments of a build, in the order in which they are merged."""
    names = ["minimal", str(build.arch)]
    if build.config is Config.DEBIAN:
        names.append("debian")
    if build.variant is not Variant.STOCK:
        names.append(str(build.variant))
    if build.variant is Variant.KUNIT and not build.first:
        names.append("tests")
    if build.cycles:
        names.append("cycles")
    return [kernel_dir() / "config" / f"{name}.config" for name in names]


def missing_options(asked: Sequence[Path], config: Path) -> list[str]:
    """Options that a fragment asks for (=y or a value) and the final .config does not have."""
    have = set(config.read_text("utf-8").splitlines())
    wanted: dict[str, str] = {}
    for fragment in asked:
        for line in fragment.read_text("utf-8").splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                wanted[name] = value
    return [
        f"{name}={value}"
        for name, value in wanted.items()
        if value != "n" and f"{name}={value}" not in have
    ]


def _environment(build: Build) -> dict[str, str]:
    # A build is the same wherever and whenever it is made; paths below the work folder are
    # given to the compiler as relative ones, so that all clones share the compiler's cache.
    return {
        "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 2026",
        "KBUILD_BUILD_USER": "faltcon",
        "KBUILD_BUILD_HOST": "faltcon",
        "CCACHE_BASEDIR": str(build.work),
        "CCACHE_NOHASHDIR": "1",
        "CCACHE_DIR": os.environ.get("CCACHE_DIR", str(cache_dir() / "ccache")),
        "CCACHE_MAXSIZE": os.environ.get("CCACHE_MAXSIZE", "2G"),
    }


def _tree(build: Build, steps: Steps) -> Path:
    """The tree that this build compiles."""
    if build.source is not None and not (build.source / "Kbuild").exists():
        raise UsageError(f"{build.source} is no kernel source tree")
    origin = build.source.resolve() if build.source else source.pristine(build.base, steps)
    trees = build.work / "src"
    tree = trees / f"{origin.name}-faltcon"
    with locked(trees / ".lock", steps):
        if build.variant is not Variant.STOCK:
            name = build.base.name
            ours = [*series.patches(name), *series.test_patches(name)]
            if build.first:
                ours = series.patches(name)[: build.first]
            series.apply(origin, tree, ours, steps)
        elif build.cycles:
            tree = trees / f"{origin.name}-cycles"
            series.apply(origin, tree, series.stock_patches(build.base.name), steps)
        elif build.source is None:
            tree = trees / origin.name
            series.linked_copy(origin, tree, steps)
        else:
            tree = origin
    return tree


def _configure(build: Build, tree: Path, make: list[str], steps: Steps) -> None:
    parts = fragments(build)
    stamp = "\n".join(f"{sha256_of(part)} {part.name}" for part in parts)
    if build.first:
        # The next patch may bring an option that the last tree did not have.
        stamp += f"\nwith the first {build.first} patches"
    note = build.folder / NOTE_FILE
    if build.config_file.exists() and note.exists() and note.read_text("utf-8") == stamp:
        steps.run("check the configuration", "seconds", [*make, "olddefconfig"])
        return
    steps.run("make tinyconfig", "10 s", [*make, "tinyconfig"])
    merge = [str(tree / "scripts/kconfig/merge_config.sh"), "-m", "-O", str(build.folder)]
    steps.run(
        "merge the fragments",
        "a second",
        [*merge, str(build.config_file), *map(str, parts)],
        environment={"ARCH": str(build.arch)},
    )
    steps.run("complete the configuration", "seconds", [*make, "olddefconfig"])
    write_text(note, stamp)
    lost = missing_options(parts, build.config_file)
    if lost:
        steps.say(f"this tree does not have, or overrides: {' '.join(lost)}")


def build(what: Build, steps: Steps | None = None, jobs: int | None = None) -> Path:
    """Build one kernel and return the bootable image's path.

    Raises ToolFailedError with the place of the log when a step fails.
    """
    need(*TOOLS)
    steps = steps or Steps(what.folder / "logs")
    if platform.machine() != "x86_64":
        raise UsageError(f"kernels are built on x86_64 only, this machine is {platform.machine()}")
    tree = _tree(what, steps)
    with locked(what.folder / ".lock", steps):
        _compile(what, tree, steps, jobs)
    return what.image


def _compile(what: Build, tree: Path, steps: Steps, jobs: int | None) -> None:
    make = ["make", "-C", str(tree), f"O={what.folder}", f"ARCH={what.arch}", "CC=ccache gcc"]
    _configure(what, tree, make, steps)
    cold = not (what.folder / "vmlinux").exists()
    takes = "5 to 25 minutes on 2 CPUs" if cold else "seconds to minutes, what changed"
    workers = jobs or os.cpu_count() or 1
    steps.run(
        f"build {what.name}", takes, [*make, f"-j{workers}", what.target],
        environment=_environment(what),
    )  # fmt: skip
    if not what.image.exists():
        raise ToolFailedError(make, 0, f"{what.image} is not there")


def warnings(
    what: Build, files: Collection[str], steps: Steps, *, sparse: bool = False
) -> list[str]:
    """What the compiler says with W=1 of those of `files` (paths of C files) that are built in.

    With `sparse`, what sparse says of them too. `what` is built. Its objects of these
    files are made again, and once more by the next build, which has not these options.
    """
    objects = [file[:-2] + ".o" for file in sorted(files) if file.endswith(".c")]
    objects = [name for name in objects if (what.folder / name).exists()]
    if not objects:
        return []
    step = f"warnings of {len(objects)} files"
    with locked(what.folder / ".lock", steps):
        for name in objects:
            (what.folder / name).unlink()
        # The folder's own Makefile knows its tree.
        make = ["make", "-C", str(what.folder), f"ARCH={what.arch}", "CC=ccache gcc", "W=1"]
        if sparse:
            make.append("C=2")
        steps.run(step, "a minute", [*make, *objects], environment=_environment(what))
    text = steps.log_of(step).read_text("utf-8", errors="replace")
    return [line for line in text.splitlines() if "warning:" in line or "error:" in line]


def release(what: Build) -> str:
    """The kernel's release, as uname -r will say."""
    file = what.folder / "include" / "config" / "kernel.release"
    return file.read_text("utf-8").strip() if file.exists() else what.base.release


def facts(what: Build) -> dict[str, str | None]:
    """The field `kernel` of the provenance of what was recorded in a guest with this kernel."""
    patched = what.variant is not Variant.STOCK
    return {
        "release": what.base.release,
        "version": "",
        "base_package": f"{what.base.package} {what.base.version}",
        "patch_series_sha256": series.digest(series.patches(what.base.name)) if patched else None,
        "config_sha256": sha256_of(what.config_file),
    }


def compiler() -> str:
    """The compiler's version line."""
    done = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]
