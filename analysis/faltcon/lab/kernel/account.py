"""A server alone: whole connections in a guest, the server's instructions by stage and function."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from faltcon.errors import FormatError, ToolFailedError
from faltcon.files import reading, write_text
from faltcon.lab.kernel import buckets, initramfs, programs
from faltcon.lab.kernel.base import kernel_dir, work_dir
from faltcon.lab.kernel.guest import Guest, run
from faltcon.stages import CLIENT, GIVEN

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.kernel.build import Build
    from faltcon.lab.kernel.steps import Steps

__all__ = [
    "CONNECTIONS_SOURCES",
    "PLUGIN",
    "Load",
    "Phase",
    "Raw",
    "Stages",
    "boot",
    "load_stages",
    "plugin_source",
    "stages_file",
    "write_list",
]

CONNECTIONS_SOURCES = ("connections.c", "harness.c", "net.c", "raw.c")
PLUGIN = "faltcon_account"
TRIGGER, SWITCH, SWITCHED = "__x64_sys_getsid", "__switch_to_asm", "__switch_to"
WHERE = {None: 0, "too": 1, "only": 2}
PORTS = {"accept": 8080, "nginx": 8081}
START_NGINX = """\
mkdir -p /tmp/nginx /var/log/nginx /var/lib/nginx
nginx -c /etc/nginx.conf -p /tmp/nginx"""
NGINX = """\
user root;
worker_processes 1;
pid /tmp/nginx.pid;
error_log /dev/console crit;
events { worker_connections 1024; multi_accept on; }
http {
  access_log off;
  keepalive_timeout 0;
  client_body_temp_path /tmp/nginx; proxy_temp_path /tmp/nginx; fastcgi_temp_path /tmp/nginx;
  uwsgi_temp_path /tmp/nginx; scgi_temp_path /tmp/nginx;
  server { listen 8081 backlog=1024; root /site; }
}
"""


@dataclass(frozen=True)
class Phase:
    """One phase of a boot.

    level: of net.ipv4.tcp_faltcon. server: `accept`, which closes each
    connection at once, or `nginx`. value: rounds of work before the close, or
    bytes of the file that is asked for.
    """

    level: int
    server: Literal["accept", "nginx"]
    value: int

    @property
    def word(self) -> str:
        """As the program in the guest takes it."""
        return f"{self.level},{PORTS[self.server]},{self.value}"


@dataclass(frozen=True)
class Load:
    """What a guest does: the phases, with so many connections each, so many at a time."""

    concurrent: int
    connections: int
    phases: tuple[Phase, ...]

    @property
    def words(self) -> str:
        """The command in the guest."""
        phases = " ".join(phase.word for phase in self.phases)
        return f"connections {self.concurrent} {self.connections} {phases}"


@dataclass(frozen=True)
class Stages:
    """`kernel/stages.toml`: the stages' names in the counter's numbering, and the list's lines.

    lines: for the counter, with {function} where an address goes; a function
    that a kernel does not have leaves its line out.
    """

    names: tuple[str, ...]
    absorbing: frozenset[str]
    lines: tuple[tuple[str, str], ...]


def stages_file() -> Path:
    """Where the stages are named."""
    return kernel_dir() / "stages.toml"


def plugin_source() -> Path:
    """The counter's source."""
    return kernel_dir() / "plugin" / f"{PLUGIN}.c"


def load_stages(file: Path | None = None) -> Stages:
    """Read the stages. Raises FormatError naming what the file lacks or says twice."""
    file = file or stages_file()
    with reading(file):
        text = file.read_text("utf-8")
    names = list(GIVEN)
    lines: list[tuple[str, str]] = []
    absorbing = {CLIENT}
    try:
        document = tomllib.loads(text)
        for stage in document["stage"]:
            number, where = len(names), WHERE[stage.get("leads")]
            names.append(stage["name"])
            if stage.get("absorbs"):
                absorbing.add(stage["name"])
            lines += [(name, f"mark {{}} {number} {where}") for name in stage["functions"]]
        episode = document["episode"]
        lines.append((episode["open"], f"open {{}} {len(names)}"))
        names.append(episode["otherwise"])
        for rank, stage in enumerate(episode["decide"], start=1):
            lines += [(name, f"decide {{}} {len(names)} {rank}") for name in stage["functions"]]
            names.append(stage["stage"])
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="restore it from git") from error
    except (KeyError, TypeError) as error:
        raise FormatError(
            file, f"lacks or misspells {error}", mend="restore it from git"
        ) from error
    for name in names:
        if names.count(name) > 1:
            raise FormatError(file, f"has the stage {name} twice")
    lines += [(SWITCH, "from {}"), (SWITCHED, "to {}"), (TRIGGER, "trigger {}")]
    return Stages(tuple(names), frozenset(absorbing), tuple(lines))


def write_list(stages: Stages, system_map: Path, target: Path) -> None:
    """Write the counter's list for one kernel. Raises FormatError for one without TCP."""
    addresses = buckets.symbols(system_map)
    out = [f"stage {i} {int(name in stages.absorbing)}" for i, name in enumerate(stages.names)]
    out += [f"function {a:x} {name}" for name, a in sorted(addresses.items(), key=lambda x: x[1])]
    for name, line in stages.lines:
        if name in addresses:
            out.append(line.format(f"{addresses[name]:x}"))
        elif line.startswith(("open", "from", "to", "trigger")):
            raise FormatError(system_map, f"has no {name}; connections cannot be accounted")
    out += [f"interrupt {address:x}" for address in buckets.entries(addresses)]
    write_text(target, "\n".join(out) + "\n")


@dataclass(frozen=True)
class Raw:
    """What one boot left: the counter's output and the console, and the program's own words."""

    counts: Path
    console: Path
    said: tuple[str, ...]


def boot(build: Build, load: Load, steps: Steps, *, cpu: str, memory_mib: int) -> Raw:
    """Boot, load, count. Raises ToolFailedError when the load did not end as it should."""
    folder = work_dir() / "guest" / "account"
    folder.mkdir(parents=True, exist_ok=True)
    plugin = compile_plugin(steps)
    program = initramfs.compile_program("connections", CONNECTIONS_SOURCES, steps)
    names, out = folder / f"{build.name}.list", folder / f"{build.name}.out"
    write_list(load_stages(), build.folder / "System.map", names)
    out.unlink(missing_ok=True)
    files = programs.of(["nginx"]) | {"/etc/nginx.conf": NGINX.encode()}
    files |= {f"/site/{p.value}": b"x" * p.value for p in load.phases if p.server == "nginx"}
    archive = initramfs.make(
        folder / f"{build.name}.initramfs.gz",
        f"{START_NGINX}\n{load.words}",
        {"connections": program},
        files,
    )
    extra = ("-plugin", f"{plugin},list={names},out={out}")
    guest = Guest(cpus=1, icount=True, cpu=cpu, extra=extra, memory_mib=memory_mib)
    console = folder / f"{build.name}.console"
    lines = run(build, archive, guest, console)
    said = tuple(line for line in lines if line.startswith("connections: "))
    if "connections: done" not in said or not out.exists():
        raise ToolFailedError(["connections"], 1, f"the load did not end well; see {console}")
    return Raw(out, console, said)


def compile_plugin(steps: Steps) -> Path:
    """Compile the counter, if its source changed. It needs no header of QEMU's."""
    source = plugin_source()
    target = work_dir() / "guest" / f"{PLUGIN}.so"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"]
    steps.run(f"compile {PLUGIN}", "seconds", ["gcc", *flags, "-o", str(target), str(source)])
    return target
