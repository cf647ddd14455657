"""The others, as a developer would use them, over the same connection."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko

from tests.bench._ground import FULL, Ground, timed

PACKAGES = {
    "rsync": "rsync",
    "unison": "unison",
    "rclone": "rclone",
    "lsyncd": "lsyncd",
    "inotifywait": "inotify-tools",
}


def install() -> None:
    """What is missing comes from Debian; what cannot be installed is said and left out."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing and os.geteuid() == 0:
        print(f"installing {' '.join(missing)}", flush=True)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(install, capture_output=True, check=False)
    left = [program for program in PACKAGES if not shutil.which(program)]
    if left:
        print(f"left out, not installed: {' '.join(left)}", flush=True)


def rsync(at: Ground, here: Path, there: Path) -> float:
    return timed(["rsync", "-a", "--delete", "-e", at.shell, f"{here}/", f"{FULL}:{there}/"])


def tar(at: Ground, here: Path, there: Path) -> float:
    unpack = shlex.quote(f"mkdir -p {there} && tar -C {there} -xf -")
    return timed(["sh", "-c", f"tar -C {here} -cf - . | {at.shell} {FULL} {unpack}"])


def scp(at: Ground, here: Path, there: Path) -> float:
    return timed(["scp", "-q", "-r", "-p", "-F", str(at.config), f"{here}/.", f"{FULL}:{there}"])


def unison(at: Ground, here: Path, there: Path) -> float:
    return timed(_unison(at, here, there))


def _unison(at: Ground, here: Path, there: Path, *more: str) -> list[str]:
    os.environ["UNISON"] = str(at.base / "unison")
    remote = f"ssh://{FULL}/{there}"
    return ["unison", "-batch", "-silent", "-sshargs", f"-F {at.config}", *more, str(here), remote]


def rclone(at: Ground, here: Path, there: Path) -> float:
    proxy, folder = at.proxies[FULL], at.base / f"sshd-{FULL}"
    where = f":sftp,host=127.0.0.1,port={proxy.port},user={os.environ.get('USER', 'root')}"
    where += f",key_file={folder / 'user_key'}:{there}"
    return timed(["rclone", "copy", "--transfers", "16", "--checkers", "16", str(here), where])


def serial_put(at: Ground, here: Path, there: Path, most: int = 50) -> float:
    """An IDE's way: one SFTP put after the other. Measured on a few files, reckoned up to all."""
    files = [path for path in sorted(here.rglob("*")) if path.is_file()]
    with _sftp(at) as client:
        start = time.perf_counter()
        for path in files[:most]:
            with contextlib.suppress(OSError):
                client.mkdir(str(there))
            client.put(str(path), f"{there}/{path.name}")
        return (time.perf_counter() - start) / min(most, len(files)) * len(files)


@contextlib.contextmanager
def _sftp(at: Ground) -> Iterator[paramiko.SFTPClient]:
    folder, proxy = at.base / f"sshd-{FULL}", at.proxies[FULL]
    transport = paramiko.Transport(("127.0.0.1", proxy.port))
    key = paramiko.Ed25519Key.from_private_key_file(str(folder / "user_key"))
    transport.connect(username=os.environ.get("USER", "root"), pkey=key)
    client = paramiko.SFTPClient.from_transport(transport)
    assert client
    try:
        yield client
    finally:
        transport.close()


@contextlib.contextmanager
def running(argv: list[str]) -> Iterator[None]:
    """A peer that watches, with all its children."""
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def lsyncd(at: Ground, here: Path, there: Path) -> contextlib.AbstractContextManager[None]:
    file = at.fresh("lsyncd") / "conf"
    file.write_text(
        "settings{nodaemon=true}\n"
        f'sync{{default.rsync, source="{here}", target="{FULL}:{there}", delay=0, '
        f'rsync={{archive=true, rsh="{at.shell}"}}}}\n'
    )
    return running(["lsyncd", str(file)])


def rsync_loop(at: Ground, here: Path, there: Path) -> contextlib.AbstractContextManager[None]:
    events = "close_write,moved_to,moved_from,create,delete"
    once = f"rsync -a --delete -e {shlex.quote(at.shell)} {here}/ {FULL}:{there}/"
    return running(["sh", "-c", f"while inotifywait -qq -r -e {events} {here}; do {once}; done"])


def unison_repeat(at: Ground, here: Path, there: Path) -> contextlib.AbstractContextManager[None]:
    """Looking every second: Debian's package is without the program that `-repeat watch` wants."""
    return running(_unison(at, here, there, "-repeat", "1"))
