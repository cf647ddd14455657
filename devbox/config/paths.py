"""Where devbox keeps what does not belong into the project: platform folders, XDG variables honoured."""

from __future__ import annotations

import re
from pathlib import Path

import platformdirs


def config_dir() -> Path:
    """What must not be lost: keys and certificates, one folder per host (0700)."""
    return Path(platformdirs.user_config_dir("devbox", appauthor=False))


def state_dir() -> Path:
    """What can be made again, slowly: sync indexes, journals, logs, sockets."""
    return Path(platformdirs.user_state_dir("devbox", appauthor=False))


def slug(name: str) -> str:
    """`name` as one path component; different names of one host stay different."""
    return re.sub(r"[^A-Za-z0-9._@-]", lambda found: f"%{ord(found[0]):02x}", name).strip(".") or "_"


def host_dir(host: str) -> Path:
    """Keys, certificates and manifest of one host; `host` as written in devbox.yaml without its user."""
    return config_dir() / "hosts" / slug(host.rpartition("@")[2])


def project_state_dir(root: str, host: str, file: str = "") -> Path:
    """Index, journal and control socket of one project on one host.

    `file` tells apart the configs of one folder (`--config other.yaml`).
    """
    other = f"\0{Path(file).name}" if file and Path(file).name != "devbox.yaml" else ""
    return state_dir() / "projects" / f"{Path(root).name}-{stable(f'{root}{chr(0)}{host}{other}')}"


def log_file() -> Path:
    """Where a defect's traceback and `-v` details go."""
    return state_dir() / "devbox.log"


def stable(text: str) -> str:
    """Twelve characters that stand for the text, on every machine and in every version."""
    import hashlib

    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]
