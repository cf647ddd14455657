"""devbox: run a Python project's code in containers on a remote Linux host."""

__version__ = "0.1.0"
