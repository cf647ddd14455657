"""Root file systems: made by mmdebstrap from the machine's own package sources, kept, imported."""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from tests.rehearsal.daemon import client, docker
from tests.rehearsal.places import BenchError, as_root, cache, call, lock

PYTHON_IMAGE = "devbox-rehearsal/python:3.12-slim"
"""The stand-in for python:3.12-slim: a small Debian with python3, venv and pip."""

REGISTRY_IMAGE = "devbox-rehearsal/registry:2"
TOOLS_IMAGE = "devbox-rehearsal/docker-tools:13"
REDIS_IMAGE = "devbox-rehearsal/redis:7"
"""The stand-in for redis:7-alpine: a small Debian with its redis-server, which runs as its own user."""

_HOST = (
    "systemd systemd-sysv dbus openssh-server docker.io iptables ca-certificates python3-minimal iproute2 "
    "procps sudo rsync"
)
_PYTHON = "python3 python3-venv python3-pip ca-certificates"
_KEPT = 7 * 86400.0  # seconds; checkouts of several ages may share the folder
_SLIM = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_HOST_SETUP = """
set -e
useradd -m -s /bin/bash -u 1000 dev
mkdir -p /etc/systemd/system/ssh.service.d
own=/etc/systemd/system/ssh.service.d/keys.conf
printf '[Service]\\nExecStartPre=\\nExecStartPre=/usr/bin/ssh-keygen -A\\n' > "$own"
rm -f /etc/ssh/ssh_host_*
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
for unit in getty.target console-getty.service systemd-udevd.service systemd-timesyncd.service \\
  apt-daily.timer apt-daily-upgrade.timer; do ln -sf /dev/null "/etc/systemd/system/$unit"; done
"""
_CA = "update-ca-certificates >/dev/null 2>&1"
_PIP = "printf '[global]\\ncert = /etc/ssl/certs/ca-certificates.crt\\n' > /etc/pip.conf"
# The image that it stands in for lets pip install.
_FREE = "rm -f /usr/lib/python3*/EXTERNALLY-MANAGED; find /usr/lib -name __pycache__ -prune -exec rm -rf {} +"
_LINKS = "ln -sf /usr/bin/python3 /usr/local/bin/python; ln -sf /usr/bin/pip3 /usr/local/bin/pip"


@dataclass(frozen=True)
class Recipe:
    """What goes into one root file system."""

    image: str
    suite: str
    packages: str
    setup: str
    command: str

    @property
    def key(self) -> str:
        """Changes whenever the recipe does, so that a kept file is never a stale one."""
        text = "\0".join([self.suite, self.packages, self.setup, self.command])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def host_recipe(release: str) -> Recipe:
    """A host of that Debian release."""
    packages = _HOST + (" docker-cli" if release != "bookworm" else "")
    command = 'CMD ["/sbin/init"]'
    return Recipe(f"devbox-rehearsal/host-{release}", release, packages, _HOST_SETUP + _CA, command)


def python_recipe() -> Recipe:
    """The stand-in for python:3.12-slim."""
    return Recipe(PYTHON_IMAGE, "bookworm", _PYTHON, f"{_CA}\n{_PIP}\n{_FREE}\n{_LINKS}", 'CMD ["python3"]')


def redis_recipe() -> Recipe:
    """The stand-in for redis:7-alpine."""
    command = 'CMD ["redis-server", "--protected-mode", "no", "--dir", "/var/lib/redis"]'
    return Recipe(REDIS_IMAGE, "bookworm", "redis-server ca-certificates", _CA, command)


def registry_recipe() -> Recipe:
    """A private registry."""
    return Recipe(
        REGISTRY_IMAGE, "bookworm", "docker-registry ca-certificates", _CA, 'CMD ["docker-registry"]'
    )


def tools_recipe() -> Recipe:
    """Docker's own command line with its plugins, to compare with: compose 2 and buildx."""
    packages = "docker-cli docker-buildx docker-compose ca-certificates"
    return Recipe(TOOLS_IMAGE, "trixie", packages, _CA, 'CMD ["docker"]')


def ensure(recipe: Recipe) -> str:
    """The image is in the outer daemon when this returns; made at most once per recipe."""
    tag = recipe.image if ":" in recipe.image else f"{recipe.image}:{recipe.key}"
    with lock("image-" + recipe.image.replace("/", "-").replace(":", "-")):
        label = docker("image", "inspect", "-f", '{{index .Config.Labels "recipe"}}', tag, check=False)
        if label.stdout.strip() == recipe.key:
            return tag
        tar = cache() / f"{recipe.image.replace('/', '-').replace(':', '-')}-{recipe.key}.tar"
        if not tar.exists():
            _bootstrap(recipe, tar)
        changes = ["-c", recipe.command, "-c", f"LABEL recipe={recipe.key}"]
        call([*client(), "import", *changes, str(tar), tag])
        return tag


def _bootstrap(recipe: Recipe, tar: Path) -> None:
    for old in tar.parent.glob(tar.name.rpartition("-")[0] + "-*.tar"):
        if time.time() - old.stat().st_mtime > _KEPT:
            old.unlink()
    unfinished = tar.with_suffix(".part.tar")
    words = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={recipe.packages.replace(' ', ',')}",
    ]
    words += [f"--dpkgopt=path-exclude={path}" for path in _SLIM]
    words += [
        f"--customize-hook=copy-in {shlex.quote(str(path))} /usr/local/share/ca-certificates"
        for path in _own_cas()
    ]
    words += [f'--customize-hook=chroot "$1" sh -c {shlex.quote(recipe.setup)}']
    if recipe.suite == "sid":  # a mirror that lags by a week has an index that has expired
        words += ['--aptopt=Acquire::Check-Valid-Until "false"']
    words += [recipe.suite, str(unfinished), *_sources(recipe.suite)]
    call(as_root(words))
    unfinished.rename(tar)


def _own_cas() -> list[Path]:
    """Certificates that this machine trusts on top of Debian's: its hosts must trust them too."""
    return sorted(Path("/usr/local/share/ca-certificates").glob("*.crt"))


def _sources(suite: str) -> list[str]:
    mirror = _mirror()
    if suite == "sid":
        return [f"deb {mirror} sid main"]
    return [f"deb {mirror} {suite} main", f"deb {mirror} {suite}-updates main"]


def _mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for path in files:
        text = path.read_text(errors="replace") if path.is_file() else ""
        found = re.search(r"^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s+)?)(\S+/debian/?)(?:\s|$)", text, re.MULTILINE)
        if found:
            return found[1]
    raise BenchError("no Debian mirror in /etc/apt/sources.list*: rehearsal hosts need a Debian machine")
