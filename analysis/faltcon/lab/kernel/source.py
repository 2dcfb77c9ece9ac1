"""Base kernel sources: fetched as a Debian package, verified, unpacked."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import InputError, ToolFailedError
from faltcon.files import sha256_of
from faltcon.lab.kernel.base import cache_dir, kernel_dir
from faltcon.lab.kernel.lock import locked
from faltcon.lab.kernel.steps import need

if TYPE_CHECKING:
    from faltcon.lab.kernel.base import BaseKernel
    from faltcon.lab.kernel.steps import Steps

__all__ = ["fetch", "pristine"]

# A base's `suite` that is not a suite: what this machine's own lists know.
SYSTEM = "system"
SECURITY_ARCHIVE = "http://deb.debian.org/debian-security"
UNPACK = 'dpkg-deb --fsys-tarfile "$1" | tar -xO "./$2" | tar -C "$3" -xJ'


def _deb(base: BaseKernel) -> Path:
    return cache_dir() / "download" / f"{base.package}_{base.version}_all.deb"


def fetch(base: BaseKernel, steps: Steps) -> Path:
    """The base's .deb, downloaded by apt-get if it is not there, its sha256 verified.

    Raises InputError when the archive has not this version any more, or the file
    is another than base.toml names.
    """
    deb = _deb(base)
    if not deb.exists():
        need("apt-get", "dpkg-deb")
        deb.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=deb.parent) as folder:
            # apt downloads as the user _apt, who must be able to write here.
            Path(folder).chmod(0o777)
            options = [] if base.suite == SYSTEM else _own_lists(base, Path(folder), steps)
            try:
                steps.run(
                    f"fetch {base.package} {base.version}",
                    "140 MB, a few seconds on a fast line",
                    ["apt-get", *options, "download", f"{base.package}={base.version}"],
                    cwd=Path(folder),
                )
            except ToolFailedError as error:
                raise _gone(base) from error
            found = sorted(Path(folder).glob("*.deb"))
            if not found:
                raise _gone(base)
            shutil.move(found[0], deb)
    digest = sha256_of(deb)
    if digest != base.sha256:
        raise InputError(
            deb,
            f"has sha256 {digest}, base.toml says {base.sha256}",
            mend="delete it and try again; if it stays so, the archive changed its content",
        )
    return deb


def _gone(base: BaseKernel) -> InputError:
    where = "this system's package lists" if base.suite == SYSTEM else f"Debian's {base.suite}"
    return InputError(
        kernel_dir() / "base.toml",
        f"{where} cannot give {base.package} {base.version}",
        place=f'base."{base.name}"',
        mend="run apt-get update; if Debian has replaced that version, unpack the new one and "
        "name its tree with --source, or put its version and sha256 there",
    )


def _own_lists(base: BaseKernel, folder: Path, steps: Steps) -> list[str]:
    """Options of apt for lists of `base.suite` alone, kept in `folder`; they are fetched.

    The system's own lists stay as they are.
    """
    sources = folder / "sources.list"
    sources.write_text(f"deb {SECURITY_ARCHIVE} {base.suite} main\n", "utf-8")
    lists, cache = folder / "lists", folder / "cache"
    for made in (lists / "partial", cache / "archives" / "partial"):
        made.mkdir(parents=True)
    options = [
        f"-oDir::Etc::sourcelist={sources}", "-oDir::Etc::sourceparts=-",
        f"-oDir::State::lists={lists}", f"-oDir::Cache={cache}",
        "-oAPT::Get::List-Cleanup=0", "-oAPT::Sandbox::User=root",
        # What a suite past its support still has is wanted, however old its lists are;
        # the package's own sha256 is what counts.
        "-oAcquire::Check-Valid-Until=false",
    ]  # fmt: skip
    try:
        steps.run(f"fetch the lists of {base.suite}", "seconds", ["apt-get", *options, "update"])
    except ToolFailedError as error:
        raise _gone(base) from error
    return options


def pristine(base: BaseKernel, steps: Steps) -> Path:
    """Folder of the base's unpacked sources, unpacked if it is not there."""
    tree = cache_dir() / "src" / f"{base.package}_{base.version}"
    with locked(tree.with_name(f".{tree.name}.lock"), steps):
        if not tree.exists():
            _unpack(fetch(base, steps), base, tree, steps)
    return tree


def _unpack(deb: Path, base: BaseKernel, tree: Path, steps: Steps) -> None:
    need("dpkg-deb", "tar", "xz")
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        steps.run(
            f"unpack {base.package}",
            "1.4 GB, about 30 s",
            ["bash", "-o", "pipefail", "-c", UNPACK, "unpack", str(deb), base.tarball, folder],
        )
        inside = [path for path in Path(folder).iterdir() if path.is_dir()]
        if len(inside) != 1:
            raise InputError(deb, "does not hold one source tree")
        inside[0].rename(tree)
