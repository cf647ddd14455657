"""Room for images on the host, looked at before a build rather than found missing in its middle."""

from __future__ import annotations

from devbox.errors import DaemonError
from devbox.ports.daemon import Daemon
from devbox.ports.host import Host, Line, Script, Stream

_LITTLE, _NONE = 2_000_000_000, 100_000_000


def check(host: Host, daemon: Daemon) -> str:
    """A warning when little is left, "" when there is enough; `DaemonError` when a build cannot end well."""
    left = free(host, daemon.engine().root)
    if left is None or left >= _LITTLE:
        return ""
    said = f"{left / 1e9:.1f} GB left for images on {host.address.name}"
    advice = f"docker builder prune on the host frees up to {daemon.reclaimable() / 1e9:.1f} GB"
    if left < _NONE:
        raise DaemonError(
            "the host's disk is full", why=said, next_steps=[f"{advice}, docker image prune more"]
        )
    return f"{said}: {advice}"


def free(host: Host, folder: str) -> int | None:
    """Bytes that are free where the daemon keeps its images; None when the host does not say."""
    script = Script(f"df -Pk -- '{folder}' 2>/dev/null || df -Pk /var/lib")
    lines = [one.text for one in host.run(script) if isinstance(one, Line) and one.stream is Stream.OUT]
    fields = lines[-1].split() if lines else []
    return int(fields[3]) * 1024 if len(fields) > 3 and fields[3].isdigit() else None
