"""The one error tree.

Everything a person can meet is a `DevboxError`: it says what failed, where, why, and the next command to
type. Whatever else escapes is a defect of devbox and is treated as one (exit code 3, a log, no excuses).
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_DEFECT = 3
EXIT_SYNC = 4
EXIT_INTERRUPTED = 130


class DevboxError(Exception):
    """A stated failure.

    `what` is one sentence without a full stop; `where` names the host, file or line; `why` is the cause in
    the words of whoever reported it; `next_steps` are commands or edits that get the user further.
    """

    exit_code = EXIT_FAILURE

    def __init__(self, what: str, *, where: str = "", why: str = "", next_steps: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next_steps = tuple(next_steps)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}: {self.why}" if self.why else head

    def as_data(self) -> dict[str, object]:
        """The error as the `error` member of a JSON document."""
        return {
            "type": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "next": list(self.next_steps),
        }


class UsageError(DevboxError):
    """The command line itself makes no sense (exit code 2)."""

    exit_code = EXIT_USAGE


class ConfigError(DevboxError):
    """devbox.yaml is missing, unreadable or says something devbox does not understand."""


class HostError(DevboxError):
    """Something about the remote host."""


class HostUnreachable(HostError):
    """Name resolution, TCP or the SSH transport failed."""


class HostKeyError(HostError):
    """The host's SSH key is unknown, or differs from the one known: never passed over."""


class AuthError(HostError):
    """The host was reached, and did not let this user in (SSH, sudo or TLS)."""


class ConnectionLost(HostError):
    """An established connection broke; what was under way may be repeated."""


class RootRefused(HostError):
    """The remote root of a sync cannot be written to: permissions, a full disk, a read-only file system."""


class ScriptFailed(HostError):
    """A staged script ended with an error on the host."""


class SecurityError(DevboxError):
    """Something that must be refused was let in, or the other way round. Never ignorable."""


class DaemonError(DevboxError):
    """The Docker daemon answered with an error, or did not answer."""


class DaemonRefused(DaemonError):
    """The daemon said no; `status` is the HTTP status it said it with (404: there is no such thing)."""

    def __init__(self, what: str, *, status: int, where: str = "", why: str = "") -> None:
        super().__init__(what, where=where, why=why)
        self.status = status


class BuildFailed(DaemonError):
    """A build ended with an error of the Dockerfile or of one of its commands."""


class SyncHalted(DevboxError):
    """Sync stopped itself rather than do harm (exit code 4)."""

    exit_code = EXIT_SYNC


class Interrupted(DevboxError):
    """The user asked to stop (exit code 130)."""

    exit_code = EXIT_INTERRUPTED
