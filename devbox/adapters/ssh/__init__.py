"""The SSH socket: `ports.host.Host` over paramiko, behaving as the user's OpenSSH would.

`connection.connect` is the door. paramiko's own exceptions end here.
"""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import cast

# Without a handler, logging prints paramiko's tracebacks of broken links to stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

# paramiko imports invoke for `Match exec` in files that it reads itself, which takes a third of its loading.
# None in its place makes that import fail, which paramiko allows for; `resolve` gives it back where needed.
if "invoke" not in sys.modules:
    sys.modules["invoke"] = cast(ModuleType, None)
    import paramiko  # noqa: F401

    del sys.modules["invoke"]
