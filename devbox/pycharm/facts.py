"""Finding out what the files shall say: from the project, from the host, from the image itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from devbox.config.load import compose_services
from devbox.config.model import Composed, Config, Interpreter, Service
from devbox.errors import DevboxError
from devbox.ports.host import Finished, Host, Script
from devbox.pycharm.exclusions import Rules
from devbox.pycharm.model import Python, below
from devbox.pycharm.rules import django_package, django_settings

_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_RULE_FILES = (".gitignore", ".devboxignore")
_LARGEST_SOURCE = 1 << 20
# Nothing but sys: a minimal Python has no more.
_WHO = "import sys; print('python', sys.executable, '%d.%d.%d' % sys.version_info[:3])"

_HOST_SCRIPT = f"""\
printf 'home %s\\n' "$HOME"
printf 'owner %s:%s\\n' "$(id -u)" "$(id -g)"
PATH=$PATH:/usr/sbin:/sbin
ip -4 -o addr show docker0 2>/dev/null | sed -n 's|.* inet \\([0-9.]*\\)/.*|bridge \\1|p'
command -v python3 >/dev/null && python3 -c "{_WHO}"
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the remote side said; what it did not say is empty."""

    home: str = ""
    owner: str = ""
    host_python: Python | None = None
    container_python: Python | None = None
    bridge: str = ""
    """The host's address on Docker's default bridge."""
    absent: tuple[str, ...] = ()
    """Those of the remote folders asked about that are not there; never remembered."""

    def or_else(self, then: Answer) -> Answer:
        """This answer, with what was known before where it is silent."""
        return Answer(
            self.home or then.home,
            self.owner or then.owner,
            self.host_python or then.host_python,
            self.container_python or then.container_python,
            self.bridge or then.bridge,
            self.absent,
        )

    def to_data(self) -> dict[str, Any]:
        return {
            "home": self.home,
            "owner": self.owner,
            "bridge": self.bridge,
            "host_python": _pair(self.host_python),
            "container_python": _pair(self.container_python),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Answer:
        """The answer that was remembered; `{}` is none."""
        host, image = (
            Python(*data[name]) if data.get(name) else None for name in ("host_python", "container_python")
        )
        return cls(data.get("home", ""), data.get("owner", ""), host, image, data.get("bridge", ""))


def _pair(python: Python | None) -> list[str] | None:
    return [python.path, python.version] if python else None


class Images(Protocol):
    """The little of a daemon that is needed here."""

    def run_once(self, image: str, command: Sequence[str]) -> str: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What the remote side says now, and what kept a part of it from answering."""

    answer: Answer = Answer()
    troubles: Mapping[str, DevboxError] = field(default_factory=dict)
    """By link of the chain: `HOST_KEY`, `HOST`, `DOCKER` or `IMAGE`; what comes after it was not asked."""


HOST_KEY, HOST, DOCKER, IMAGE = "ssh host key", "host", "Docker connection", "image"


def ask_host(host: Host, remotes: Sequence[str] = ()) -> Answer:
    """Home, owner and python3 of the SSH user, and which of these folders lack, in one round trip."""
    said: dict[str, str] = {}
    absent = []
    for step in host.run(Script(_HOST_SCRIPT + "".join(_absent(one) for one in remotes) + "exit 0\n")):
        if isinstance(step, Finished):
            continue
        key, _, value = step.text.partition(" ")
        said[key] = value
        absent += [value] if key == "absent" else []
    if not said.get("home", "").startswith("/"):
        raise DevboxError("did not say where its user's home is", where=str(host.address))
    python = _python(f"python {said.get('python', '')}")
    bridge = said.get("bridge", "")
    return Answer(said["home"], said.get("owner", ""), python, bridge=bridge, absent=tuple(absent))


def _absent(remote: str) -> str:
    """A line of shell that says when the folder is not there."""
    plain = str(PurePosixPath(remote))
    path = f'"$HOME"/{shlex.quote(plain[2:])}' if plain.startswith("~/") else shlex.quote(plain)
    return f"[ -d {path} ] || printf 'absent %s\\n' {path}\n"


def ask_image(images: Images, image: str) -> Python:
    """The interpreter of an image, from the image. `DevboxError` when it has none."""
    why = ""
    for program in ("python3", "python"):
        try:
            said = images.run_once(image, [program, "-c", _WHO])
        except DevboxError as error:
            why = why or str(error)
            continue
        if found := _python(said):
            return found
        why = f"{program} said {said.strip()[:80]!r}"
    raise DevboxError("has no Python that answers", where=image, why=why, next_steps=["devbox build"])


def _python(text: str) -> Python | None:
    found = re.search(r"^python (/.*) (\d+\.\d+\.\d+)$", text, re.MULTILINE)
    return Python(found[1], found[2]) if found else None


@dataclass(frozen=True, slots=True)
class Compose:
    """The compose file below the project, and the service in it that holds the app; "" when there is none."""

    file: str = ""
    service: str = ""
    image: str = ""
    """The service's image as the file names it, "" when it names none that is known without compose."""
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Local:
    """What the project's folder says."""

    iml: str
    """The module's file below the project; the IDE knows the module by its name."""
    compose: Compose = Compose()
    has_dockerfile: bool = False
    tests: str = ""
    ignored: tuple[Rules, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


def look(config: Config) -> Local:
    """Read the project: only what decides about the files, nothing is run."""
    root = Path(config.root)
    return Local(
        iml=_iml(_text(root / ".idea" / "modules.xml"), config.name),
        compose=_compose(config, root),
        has_dockerfile=(root / config.build.dockerfile).is_file(),
        tests=next((name for name in ("tests", "test") if (root / name).is_dir()), ""),
        ignored=tuple(_ignored(config, root)),
        sources=_sources(config, root),
    )


def image_of(config: Config, local: Local) -> str:
    """The image that the container interpreter runs in."""
    composed = config.pycharm.interpreter is Interpreter.COMPOSE and local.compose.image
    return composed or config.image


def _compose(config: Config, root: Path) -> Compose:
    """The service that devbox.yaml has too, else one of the app's image, else one that is built."""
    file = next((name for name in (config.compose, *_COMPOSE) if name and (root / name).is_file()), "")
    found = compose_services(root / file) if file else {}
    own = [service.name for service in config.services if not service.image and service.name in found]
    same = [name for name, one in found.items() if one.image.removesuffix(":latest") == config.image]
    built = [name for name, one in found.items() if not one.image]
    name = next(iter([*own, *same, *built, *found]), "")
    service = found.get(name, Composed())
    return Compose(file, name, "" if "$" in service.image else service.image, service.mounts)


def _ignored(config: Config, root: Path) -> Iterator[Rules]:
    """The rules that hold for whole mappings, weakest first: files at the top of each, then devbox.yaml's."""
    folders = dict.fromkeys(("", *(below(one.local) for one in config.sync)))
    for name in _RULE_FILES:
        for folder in folders:
            yield Rules(folder, tuple(_text(root / folder / name).splitlines()))
    for one in config.sync:
        yield Rules(below(one.local), one.ignore)


def _iml(modules: str, name: str) -> str:
    """The project's module as modules.xml has it: the one of our name, else the first, else a new one."""
    known: list[str] = re.findall(r'filepath="\$PROJECT_DIR\$/([^"]+\.iml)"', modules)
    own = f".idea/{name}.iml"
    return own if own in known or not known else known[0]


def _sources(config: Config, root: Path) -> dict[str, str]:
    """The Python files that the services' commands can mean: scripts named, modules before a colon."""
    found = {}
    for service in config.services:
        words = service.command.split() if isinstance(service.command, str) else service.command
        for word in words:
            module = word.partition(":")[0].replace(".", "/")
            names = [word, f"{module}.py", f"{module}/__init__.py"]
            if word.endswith("manage.py") and (settings := _settings(service, _text(root / word))):
                names.append(django_package(word, settings))
            found.update(
                {name: text for name in names if name.endswith(".py") and (text := _text(root / name))}
            )
    return found


def _settings(service: Service, manage: str) -> str:
    return service.environment.get("DJANGO_SETTINGS_MODULE") or django_settings(manage)


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size <= _LARGEST_SOURCE:
            return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        pass
    return ""
