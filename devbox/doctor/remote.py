"""The synced folders on the host: all that `devbox sync` needs there. One round trip."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.ports.host import Host, Line, Script, Stream

_LOOK = """
look() {
    if [ ! -e "$1" ]; then
        above=$1
        while [ ! -e "$above" ]; do above=$(dirname -- "$above"); done
        if [ -d "$above" ] && [ -w "$above" ]; then echo new; else echo missing; fi
    elif [ ! -d "$1" ]; then echo file
    elif [ ! -w "$1" ]; then echo "owned by $(stat -c %U "$1")"
    else echo ok; fi
}
"""
_WORDS = {"missing": "is missing, and this user cannot make it", "file": "is a file, not a folder"}


def folders(host: Host, remotes: Sequence[str], init: str) -> list[Check]:
    """One check per remote folder; `init` is the command that makes them."""
    if not remotes:
        return []
    script = Script(_LOOK + "".join(f"look {_path(one)}\n" for one in remotes))
    said = [one.text for one in host.run(script) if isinstance(one, Line) and one.stream is Stream.OUT]
    states = dict(zip(remotes, said, strict=True))
    return [_check(remote, state, init) for remote, state in states.items()]


def _check(remote: str, state: str, init: str) -> Check:
    finding = _finding(remote, state, init)
    return Check(f"folder {remote}", Stage.SYNC, lambda: finding)


def _path(remote: str) -> str:
    """A remote path for the shell: `~/` is the SSH user's home."""
    return f'"$HOME"/{shlex.quote(remote[2:])}' if remote.startswith("~/") else shlex.quote(remote)


def _finding(remote: str, state: str, init: str) -> Finding:
    if state == "ok":
        return Finding(Verdict.OK, "is there and can be written")
    if state == "new":
        return Finding(
            Verdict.WARNING, "is not there yet; the first sync makes it", f"devbox sync, or {init}"
        )
    fixes = {
        "missing": f"{init}, or on the host: sudo install -d -o $USER {remote}",
        "file": f"on the host: mv {remote} {remote}.old",
    }
    fix = fixes.get(state, f"on the host: sudo chown -R $USER: {remote}")
    return Finding(Verdict.FAILED, _WORDS.get(state, f"cannot be written: {state}"), fix)
