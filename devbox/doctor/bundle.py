"""A bug report in one file: the chain, the config and the end of the log, redacted."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devbox.doctor.redact import Redactor
from devbox.errors import DevboxError

_LOG_END = 64 << 10


def write(
    path: Path, report: Mapping[str, Any], config: Mapping[str, Any], log: Path, hide: Redactor
) -> list[str]:
    """Write the zip (0600) and return what is in it."""
    members = {
        "doctor.json": json.dumps(hide.data(report), indent=2, default=str),
        "config.json": json.dumps(hide.data(config), indent=2, default=str),
        "devbox.log": hide.text(_end(log)),
    }
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in members.items():
                bundle.writestr(name, text)
    except OSError as error:
        raise DevboxError(
            "cannot write the bundle", where=str(path), why=error.strerror or str(error)
        ) from error
    return list(members)


def _end(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_END))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
