"""A settings archive, as File > Manage IDE Settings > Import Settings takes it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

MARKER = "IntelliJ IDEA Global Settings"
"""The empty entry by which the IDE knows an archive of settings."""

CARRIES = (
    "the archive carries the Docker connection, the SSH configuration and the SFTP server; the import offers "
    "interpreters (jdk.table.xml) only in versions that export them: when its list does not name them, "
    "use --install. The import replaces whole files: make the archive anew after every change in the IDE"
)


def build(files: Mapping[str, bytes]) -> bytes:
    """The archive's bytes: the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [(MARKER, b""), *sorted(files.items())]:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()
