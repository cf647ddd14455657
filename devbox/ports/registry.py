"""Registries: whose an image is, and whether one refused us."""

from __future__ import annotations

_REFUSALS = (
    "401 unauthorized",
    "403 forbidden",
    "no basic auth credentials",
    "authorization failed",
    "access denied",
)


def registry_of(reference: str) -> str:
    """The registry that an image's name begins with; docker.io when it names none."""
    first, slash, _ = reference.partition("/")
    return first if slash and (first == "localhost" or "." in first or ":" in first) else "docker.io"


def login(reference: str, why: str) -> list[str]:
    """The next step when a registry let nobody in, in its own words; nothing when it was something else."""
    refused = any(word in why.lower() for word in _REFUSALS)
    return [f"docker login {registry_of(reference)}   (on this machine; it stays here)"] if refused else []
