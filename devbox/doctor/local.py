"""What this machine does to Docker clients: DOCKER_HOST beats DOCKER_CONTEXT beats the context in use."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from devbox.ports.check import Check, Finding, Stage, Verdict

_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def checks(environment: Mapping[str, str], context: str, hostname: str = "") -> list[Check]:
    """`context` is the Docker context that devbox writes for the host, `hostname` where its TLS port is."""
    return [Check("environment", Stage.CLIENT, lambda: _environment(environment, context, hostname))]


def proxied(environment: Mapping[str, str], hostname: str) -> str:
    """The variable by which Docker's clients reach this host through a proxy, "" when none does."""
    name = next((name for name in _PROXIES if environment.get(name)), "")
    excepted = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    return "" if any(_covers(one.strip(), hostname) for one in excepted.split(",")) else name


def bundles(environment: Mapping[str, str]) -> list[str]:
    """Variables whose authorities the Docker SDK for Python takes in place of the host's own."""
    return [name for name in _BUNDLES if environment.get(name)]


def _covers(exception: str, hostname: str) -> bool:
    """Whether one entry of NO_PROXY is about this host: a name, the end of one, an address or a network."""
    try:
        return ip_address(hostname) in ip_network(exception, strict=False)
    except (ValueError, TypeError):
        plain = exception.lstrip("*.").lower()
        return exception == "*" or (bool(plain) and f".{hostname.lower()}".endswith(f".{plain}"))


def _environment(environment: Mapping[str, str], context: str, hostname: str) -> Finding:
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
    if hostname and (name := proxied(environment, hostname)):
        return Finding(
            Verdict.WARNING,
            f"{name}={environment[name]} is set: the Docker CLI and SDKs go to {hostname} through that proxy",
            f'export NO_PROXY="$NO_PROXY,{hostname}", or eval "$(devbox host env)"',
        )
    if hostname and (set_here := bundles(environment)):
        return Finding(
            Verdict.WARNING,
            f"{' and '.join(set_here)} set: the Docker SDK checks the host by that, not by its authority",
            f'unset {" ".join(set_here)} where the SDK runs, or eval "$(devbox host env)"',
        )
    return Finding(Verdict.OK, "no DOCKER_* variable stands against the context")
