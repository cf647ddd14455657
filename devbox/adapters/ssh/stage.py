"""The one staged script: what is sent over a session's standard input, and what its output means."""

from __future__ import annotations

import re
import secrets
import shlex
from dataclasses import dataclass

from devbox.ports.host import Privilege, Script
from devbox.rendering import templates_dir

_LARGE = 8 << 20
"""From this size on (bytes), files go to the host's disk: its memory is not ours to fill."""
READY = "devbox-ready"
"""Announces a stage that waits to be fed. Not the token: that stands in no command line, so no script can
print it by showing processes."""
_NAME = re.compile(r"[A-Za-z0-9_.@+-]+(?:/[A-Za-z0-9_.@+-]+)*")


@dataclass(frozen=True, slots=True)
class Stage:
    """A script ready to travel: `driver` first, then `payload`; `token` marks our lines in its output."""

    token: str
    driver: bytes
    payload: tuple[bytes, ...]

    def command(self, prefix: str = "", announce: bool = False) -> str:
        """What the host's login shell is asked to run. It fits every shell: csh and fish quote differently.

        `announce` makes it say when it is ready to be fed.
        """
        ready = f"echo {READY}; " if announce else ""
        return f"exec {prefix}/bin/sh -c '{ready}eval \"$(head -c {len(self.driver)})\"'"


SUDO = "sudo -n -H "
SUDO_WITH_PASSWORD = "sudo -k -S -p '' -H "
"""`-k` makes sudo read a password in every case, so that it never takes a line of the script for one."""


def pack(script: Script) -> Stage:
    """The stage of a script."""
    token = f"devbox-{secrets.token_hex(8)}"
    text = script.text.encode()
    steps = [f'devbox_take {len(text)} "$stage/script"']
    for name, data in script.files.items():
        if not _NAME.fullmatch(name) or ".." in name.split("/"):
            raise ValueError(f"not a plain relative file name: {name!r}")
        steps.append(f'devbox_take {len(data)} "$stage/files/"{shlex.quote(name)}')
    size = sum(map(len, script.files.values()))
    driver = "\n".join(
        (
            f"token={token}",
            f"large={'yes' if size >= _LARGE else 'no'}",
            f"devbox_unpack() {{ {' && '.join(steps)}; }}",
            (templates_dir() / "host" / "stage.sh").read_text(encoding="utf-8"),
        )
    )
    return Stage(token, driver.encode(), (text, *script.files.values()))


def wants_sudo(script: Script, user: str) -> bool:
    """Whether this user needs sudo for this script."""
    return script.privilege is Privilege.ROOT and user != "root"
