"""The root and its staging folder on the host: found, made, marked."""

from __future__ import annotations

import os
import time

PART = b"part-"
KEPT = 7 * 86400
TOKEN = b"root"
LOCK = b"lock"


class Refused(Exception):
    """The root cannot be used; the arguments are the step that was refused and the reason."""


class Places:
    """Where things are. `name` is what staging folders' names begin with."""

    def __init__(self, root: bytes, name: bytes) -> None:
        if root.startswith(b"~/"):
            root = os.path.join(os.path.expanduser(b"~"), root[2:])
        self.root = os.path.normpath(root)
        self.name = name
        parent, _, last = self.root.rpartition(b"/")
        self.beside = parent + b"/" + name + b"." + last
        self.inside = self.root + b"/" + name
        self.staging = self.beside
        self.count = 0

    def at(self, path: bytes) -> bytes:
        """Where that path of the tree is."""
        return self.root + b"/" + path if path else self.root

    def staged(self) -> bytes:
        """A name in staging that nobody has."""
        self.count += 1
        return b"%s/h%d-%d" % (self.staging, os.getpid(), self.count)

    def facts(self) -> list[bytes]:
        """Root, staging, whether the root is there and empty, its token."""
        token = b""
        for place in (self.beside, self.inside):
            found = read(place + b"/" + TOKEN)
            if found and not token:
                self.staging, token = place, found
        exists = os.path.isdir(self.root)
        if not exists and os.path.lexists(self.root):
            raise Refused(b"folder", b"it is no folder")
        return [self.root, self.staging, b"%d%d" % (exists, self.empty()), token]

    def empty(self) -> bool:
        """Whether nothing but staging is in the root."""
        try:
            with os.scandir(self.root) as members:
                return all(member.name.startswith(self.name) for member in members)
        except OSError:
            return True

    def prepare(self, token: bytes) -> None:
        """Make root and staging where they are missing, and mark them."""
        facts = self.facts()
        if facts[3] != token or facts[2].startswith(b"0"):
            self.make()
            with open(self.staging + b"/" + TOKEN, "wb") as file:
                file.write(token)

    def clear(self) -> None:
        """Remove what an earlier session left half done."""
        for name in os.listdir(self.staging):
            path = self.staging + b"/" + name
            if name not in (TOKEN, LOCK) and not goes_on(path):
                remove_quietly(path)

    def make(self) -> None:
        """Root and staging; staging inside the root where this user can make none beside it."""
        try:
            os.makedirs(self.root, 0o755, exist_ok=True)
        except OSError as error:
            raise Refused(b"make", reason(error)) from error
        try:
            self.staging = self.beside
            self.usable()
        except OSError:
            self.staging = self.inside
            try:
                self.usable()
            except OSError as error:
                raise Refused(b"write", reason(error)) from error

    def usable(self) -> None:
        """Raises OSError when a file cannot be made in staging and renamed into the root."""
        if not os.path.isdir(self.staging):
            os.mkdir(self.staging, 0o700)
        source, target = self.staging + b"/probe", self.inside + b"-probe"
        os.close(os.open(source, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            os.rename(source, target)
        except OSError:
            os.unlink(source)
            raise
        os.unlink(target)


def read(path: bytes) -> bytes:
    """A small file's bytes; b"" when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except OSError:
        return b""


def goes_on(path: bytes) -> bool:
    """Whether something in staging is the part of a large file that is still waited for."""
    try:
        return os.path.basename(path).startswith(PART) and time.time() - os.stat(path).st_mtime < KEPT
    except OSError:
        return False


def reason(error: OSError) -> bytes:
    """The system's words."""
    return (error.strerror or str(error)).encode()


def remove_quietly(path: bytes) -> None:
    """Remove a file that may be gone."""
    try:  # noqa: SIM105 - contextlib would be loaded for this alone
        os.unlink(path)
    except OSError:
        pass
