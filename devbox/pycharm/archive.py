"""A settings archive, as File > Manage IDE Settings > Import Settings takes it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping

from devbox.pycharm.model import Facts

MARKER = "IntelliJ IDEA Global Settings"
"""The empty entry by which the IDE knows an archive of settings."""

# From the IDE's published source: the import lists what is marked as exportable. The table of interpreters
# was, up to 2019.3, and is not in the source of 2023.2; the Docker connections were not in that of 2021, are
# in that of 2024, and a real archive of 2022.2 holds them. Between them nothing is promised.
_SDKS_SURE_UNTIL = (2019, 3)
_SDKS_GONE_SINCE = (2023, 2)
_SERVERS_SURE_SINCE = (2022, 2)


def build(files: Mapping[str, bytes]) -> bytes:
    """The archive's bytes: the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [(MARKER, b""), *sorted(files.items())]:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def limits(facts: Facts) -> Iterator[str]:
    """What this way cannot carry into that version of PyCharm, and how it gets there all the same."""
    version = ".".join(str(part) for part in facts.version)
    yield "the import replaces whole files: make the archive anew after every change in PyCharm"
    if facts.version < _SERVERS_SURE_SINCE:
        yield (
            f"PyCharm {version} may not offer the Docker connection (remote-servers.xml) for import: where "
            "its list does not name RemoteServers, only --install brings it"
        )
    if facts.version >= _SDKS_GONE_SINCE:
        waits = f": the project waits for {facts.sdk}" if facts.sdk else ""
        yield (
            f"PyCharm {version} does not import interpreters (jdk.table.xml), by its published source: "
            f"close it and use --install, or add them by hand{waits}"
        )
    elif facts.version > _SDKS_SURE_UNTIL:
        yield (
            f"PyCharm {version} may not offer interpreters (jdk.table.xml) for import: where its list does "
            "not name them, only --install brings them"
        )
    names = [] if facts.over_ssh else [facts.collapse(facts.certificates)]
    names += [facts.collapse(facts.ssh.key)] if facts.ssh.key else []
    if names:
        where = " and ".join(names).replace("$USER_HOME$", "~")
        yield f"keys are in no archive: a PyCharm on another machine needs {where} there, in the same place"
