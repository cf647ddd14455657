"""What this machine does to Docker clients: DOCKER_HOST beats DOCKER_CONTEXT beats the context in use."""

from __future__ import annotations

from collections.abc import Mapping

from devbox.ports.check import Check, Finding, Stage, Verdict


def checks(environment: Mapping[str, str], context: str) -> list[Check]:
    """`context` is the Docker context that devbox writes for the host."""
    return [Check("environment", Stage.CLIENT, lambda: _environment(environment, context))]


def _environment(environment: Mapping[str, str], context: str) -> Finding:
    if address := environment.get("DOCKER_HOST"):
        return Finding(
            Verdict.WARNING,
            f"DOCKER_HOST={address} is set: the Docker CLI goes there whatever its context says "
            "(devbox itself does not look at it)",
            "unset DOCKER_HOST",
        )
    named = environment.get("DOCKER_CONTEXT")
    if named and named != context:
        return Finding(
            Verdict.WARNING,
            f"DOCKER_CONTEXT={named} is set: the Docker CLI goes there, not to {context}",
            f"unset DOCKER_CONTEXT, or docker --context {context} …",
        )
    if environment.get("DOCKER_TLS_VERIFY") or environment.get("DOCKER_CERT_PATH"):
        return Finding(
            Verdict.WARNING,
            "DOCKER_TLS_VERIFY or DOCKER_CERT_PATH is set: it changes how the Docker CLI connects",
            "unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH",
        )
    return Finding(Verdict.OK, "no DOCKER_* variable stands against the context")
