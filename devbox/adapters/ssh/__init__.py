"""The SSH socket: `ports.host.Host` over paramiko, behaving as the user's OpenSSH would.

`connection.connect` is the door. paramiko's own exceptions end here.
"""

from __future__ import annotations

import logging

# Without a handler, logging prints paramiko's tracebacks of broken links to stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
