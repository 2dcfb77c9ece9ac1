from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.errors import UsageError
from faltcon.lab.kernel import series
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import Arch, Build, Config, Variant, fragments, missing_options
from faltcon.lab.kernel.guest import Guest, command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("arch", Arch)
@pytest.mark.parametrize("config", Config)
def test_each_choice_has_its_fragments_and_its_own_folder(
    variant: Variant, arch: Arch, config: Config
) -> None:
    parts = fragments(Build(load(), variant, arch, config))
    assert all(part.exists() for part in parts)
    assert (f"{variant}.config" in [part.name for part in parts]) == (variant != Variant.STOCK)


def test_builds_do_not_share_folders() -> None:
    names = {Build(load(), v, a, c).name for v in Variant for a in Arch for c in Config}
    assert len(names) == len(Variant) * len(Arch) * len(Config)


def test_options_that_the_kernel_did_not_take_are_told(tmp_path: Path) -> None:
    fragment, config = tmp_path / "f.config", tmp_path / ".config"
    fragment.write_text("# a comment\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=16\nCONFIG_D=y\n")
    config.write_text("CONFIG_A=y\nCONFIG_C=8\n# CONFIG_D is not set\n")
    assert missing_options([fragment], config) == ["CONFIG_C=16", "CONFIG_D=y"]


def test_counting_is_asked_of_qemu(tmp_path: Path) -> None:
    build = Build(load(), Variant.STOCK)
    words = command(build, tmp_path / "i.gz", Guest(cpus=1, icount=True, cpu="max,erms=off"))
    assert words[words.index("-icount") + 1] == "shift=0,sleep=off"
    assert words[words.index("-cpu") + 1] == "max,erms=off"
    assert words[words.index("-kernel") + 1].endswith("vmlinux")


def test_kasan_boots_by_bzimage_and_um_is_a_program(tmp_path: Path) -> None:
    assert Build(load(), Variant.DEBUG).image.name == "bzImage"
    um = Build(load(), Variant.FALTCON, Arch.UM)
    assert str(um.image) in command(um, tmp_path / "i.gz", Guest())


def test_cycle_stamps_are_a_build_of_their_own() -> None:
    plain, stamped = (Build(load(), Variant.STOCK, Arch.UM, cycles=c) for c in (False, True))
    assert plain.name != stamped.name
    assert [part.name for part in fragments(stamped)][-1] == "cycles.config"
    assert series.stock_patches(load().name)


def test_a_base_without_stamps_says_so() -> None:
    with pytest.raises(UsageError, match=r"no cycle stamps for a stock 0\.1"):
        series.stock_patches("0.1")


def test_what_only_tests_use_is_no_part_of_the_series() -> None:
    ours, extra = series.patches(load().name), series.test_patches(load().name)
    assert extra
    assert not set(ours) & set(extra)
    assert series.test_patches("0.1") == []
