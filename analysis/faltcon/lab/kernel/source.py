"""Base kernel sources: fetched as a Debian package, verified, unpacked."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import InputError, ToolFailedError
from faltcon.files import sha256_of
from faltcon.lab.kernel.base import work_dir
from faltcon.lab.kernel.steps import need

if TYPE_CHECKING:
    from faltcon.lab.kernel.base import BaseKernel
    from faltcon.lab.kernel.steps import Steps

__all__ = ["fetch", "pristine"]


def _deb(base: BaseKernel) -> Path:
    return work_dir() / "download" / f"{base.package}_{base.version}_all.deb"


def fetch(base: BaseKernel, steps: Steps) -> Path:
    """The base's .deb, downloaded by apt-get if it is not there, its sha256 verified.

    Raises ToolFailedError when apt does not have this version any more, and
    InputError when the file is another than base.toml names.
    """
    deb = _deb(base)
    if not deb.exists():
        need("apt-get", "dpkg-deb")
        deb.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=deb.parent) as folder:
            # apt downloads as the user _apt, who must be able to write here.
            Path(folder).chmod(0o777)
            steps.run(
                f"fetch {base.package} {base.version}",
                "140 MB, a few seconds on a fast line",
                ["apt-get", "download", f"{base.package}={base.version}"],
                cwd=Path(folder),
            )
            found = sorted(Path(folder).glob("*.deb"))
            if not found:
                raise ToolFailedError(["apt-get", "download"], 0, "it left no .deb file")
            shutil.move(found[0], deb)
    digest = sha256_of(deb)
    if digest != base.sha256:
        raise InputError(
            deb,
            f"has sha256 {digest}, base.toml says {base.sha256}",
            mend="delete it and try again; if it stays so, the archive changed its content",
        )
    return deb


def pristine(base: BaseKernel, steps: Steps) -> Path:
    """Folder of the base's unpacked sources, unpacked if it is not there."""
    tree = work_dir() / "src" / f"{base.package}_{base.version}"
    if tree.exists():
        return tree
    deb = fetch(base, steps)
    need("tar", "xz")
    tree.parent.mkdir(parents=True, exist_ok=True)
    steps.say(f"unpack {base.package} (1.4 GB, about 15 s) ...")
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        archive = Path(folder) / "source.tar.xz"
        with archive.open("wb") as stream:
            package = subprocess.Popen(
                ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE
            )
            subprocess.run(
                ["tar", "-xO", f"./{base.tarball}"], stdin=package.stdout, stdout=stream, check=True
            )
            if package.stdout is not None:
                package.stdout.close()
            package.wait()
        steps.run(f"untar {base.package}", "about 15 s", ["tar", "-C", folder, "-xf", str(archive)])
        inside = [path for path in Path(folder).iterdir() if path.is_dir()]
        if len(inside) != 1:
            raise InputError(deb, "does not hold one source tree")
        inside[0].rename(tree)
    return tree
