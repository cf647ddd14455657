"""The root's lock: a file in staging that is kept young while requests come, and gone with the channel.

The same file, by the same rules, as where devbox has plain SFTP only: what counts is how old it is.
"""

from __future__ import annotations

import os
import time

from devbox.adapters.helper.remote.places import LOCK, Refused, read, remove_quietly

BEAT = 10
OLD = 60
EMPTY = 3


class Lock:
    """Held from `take` to `drop`. `content`: the holder's key, a line end, words about it, a line end."""

    def __init__(self, staging: bytes, content: bytes) -> None:
        self.path, self.content = staging + b"/" + LOCK, content
        self.handle = self.inode = -1
        self.touched = 0.0

    def take(self) -> None:
        """Take it, from a holder that is gone as well; `Refused` says who has it."""
        for _ in range(20):
            try:
                self.handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                self.clear()
                continue
            try:
                os.write(self.handle, self.content)
            except OSError:  # on a full disk: a lock without a name would be in everybody's way
                self.handle = -1
                os.unlink(self.path)
                raise
            self.inode = os.fstat(self.handle).st_ino
            self.touched = time.monotonic()
            return
        raise Refused(b"lock", b"0", read(self.path))

    def clear(self) -> None:
        """Take away a lock that is ours, or old."""
        held, age = read(self.path), self.age()
        if not held and age <= EMPTY:  # its holder is just writing its name into it, or died before that
            time.sleep(0.3)
            return
        ours = held.split(b"\n")[0] == self.content.split(b"\n")[0]
        if held and not ours and age <= OLD:
            raise Refused(b"lock", b"%d" % age, held)
        aside = self.path + b"-broken-%d" % os.getpid()
        try:
            os.rename(self.path, aside)
        except OSError:
            return  # somebody was faster
        if read(aside) != held:
            os.rename(aside, self.path)
            raise Refused(b"lock", b"0", read(self.path))
        os.unlink(aside)

    def age(self) -> float:
        """Seconds since its holder was last heard of, by the clock of the file system."""
        clock = self.path + b"-clock-%d" % os.getpid()
        os.close(os.open(clock, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            return os.stat(clock).st_mtime - os.stat(self.path).st_mtime
        except FileNotFoundError:
            return 0.0
        finally:
            os.unlink(clock)

    def live(self) -> None:
        """The holder was heard of just now. Ends the channel where the lock was lost meanwhile.

        That may be to our own devbox: after a cut it comes back over another channel, and what the old one
        still had under way must not be done behind its back.
        """
        if self.handle < 0:
            return
        if not self.ours():
            self.handle = -1
            raise EOFError
        now = time.monotonic()
        if now - self.touched >= BEAT:
            os.utime(self.handle)
            self.touched = now

    def ours(self) -> bool:
        try:
            return os.stat(self.path).st_ino == self.inode
        except OSError:
            return False

    def drop(self) -> None:
        """Let go of it."""
        if self.handle >= 0 and self.ours():
            remove_quietly(self.path)
