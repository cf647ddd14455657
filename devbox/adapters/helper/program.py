"""The host's program as one text, and the command that takes it in."""

from __future__ import annotations

from pathlib import Path

from devbox.adapters.helper import remote

COMMAND = (
    'exec env "PATH=/usr/bin:/bin:$PATH" python3 -ISc'
    " 'import sys; i = sys.stdin.buffer; exec(i.read(int(i.read(9))))'"
)
"""Reads nine digits, then that many bytes of program, and runs it: nothing of it is on the host's disk. One
line, and no character that any login shell changes inside single quotes. The system's own python3 comes
first: what pyenv and the like put before it is a script that takes longer to start than all the rest.
"""
_MODULES = ("wire", "places", "lock", "entries", "large", "work", "asked", "main")
"""In the order in which they import each other."""
_LOADER = """
import sys
for name, source in sources:
    module = sys.modules[name] = type(sys)(name)
    exec(compile(source, name, "exec"), module.__dict__)
module.main()
"""


def program() -> bytes:
    """What is sent to `COMMAND`: the length, then the modules' sources with a loader behind them."""
    folder = Path(remote.__file__).parent
    package = remote.__name__
    sources = [(package, ""), *((f"{package}.{name}", _source(folder / f"{name}.py")) for name in _MODULES)]
    text = f"sources = {sources!r}{_LOADER}".encode()
    return b"%09d" % len(text) + text


def _source(file: Path) -> str:
    return file.read_text(encoding="utf-8")
