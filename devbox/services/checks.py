"""The services' links of the chain, for `devbox doctor`: containers, their ports, the app's own answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from devbox.config.model import Config, Service
from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.ports.daemon import Container
from devbox.services import model
from devbox.services.knock import Reply

_STAYING = ("always", "unless-stopped")


def running(config: Config, containers: Iterable[Container]) -> list[Check]:
    """Whether each service of the config runs, by the containers with the project's labels."""
    found = _by_service(containers)
    if not found:
        return [Check("services", Stage.SERVICES, _nothing_yet)]
    wanted = [one for one in config.services if one.name in found or not one.profiles]
    return [_of_service(one, found.get(one.name)) for one in wanted]


def answering(
    config: Config,
    containers: Iterable[Container],
    addresses: Mapping[str, Sequence[str]],
    ask: Callable[[str], Reply],
) -> list[Check]:
    """Whether running services with ports are forwarded (`addresses`, per service) and answer when asked."""
    found = _by_service(containers)
    ports = [one for one in config.services if one.ports and one.name in found and found[one.name].running]
    if not ports:
        return [Check("the app answers", Stage.APP, lambda: _no_ports(config))]
    return [_of_ports(one, addresses.get(one.name, ()), ask) for one in ports]


def _by_service(containers: Iterable[Container]) -> dict[str, Container]:
    """One-off containers do not count."""
    return {model.service_of(one): one for one in containers if model.ONE_OFF not in one.labels}


def _of_service(service: Service, container: Container | None) -> Check:
    return Check(f"service {service.name}", Stage.SERVICES, lambda: _state(service, container))


def _nothing_yet() -> Finding:
    return Finding(Verdict.SKIPPED, "nothing of this project runs on the host yet (devbox up)")


def _state(service: Service, container: Container | None) -> Finding:
    again = f"devbox up {service.name}"
    if container is None:
        return Finding(Verdict.WARNING, "was not started", again)
    said = f"{again}   (devbox logs {service.name} has its last words)"
    if container.state == "exited":
        return _ended(service, container, said)
    if not container.running:
        return Finding(Verdict.FAILED, f"is {container.state}", said)
    if container.health == "unhealthy":
        return Finding(Verdict.FAILED, "runs, but its health check fails", f"devbox logs {service.name}")
    if container.health == "starting":
        return Finding(Verdict.WARNING, "runs, not healthy yet", "wait, then devbox doctor")
    return Finding(Verdict.OK, f"runs, {container.health}" if container.health else "runs")


def _ended(service: Service, container: Container, fix: str) -> Finding:
    """A service without a port, a health check and a lasting restart may be a job that is done."""
    evidence = f"ended with exit code {container.exit_code}"
    job = not (service.ports or service.health or service.restart in _STAYING)
    if job and container.exit_code == 0:
        return Finding(Verdict.OK, evidence)
    return Finding(Verdict.FAILED, evidence, fix)


def _no_ports(config: Config) -> Finding:
    named = any(service.ports for service in config.services)
    why = "no service with ports runs" if named else "no service has ports"
    return Finding(Verdict.SKIPPED, f"{why}, so nothing is asked")


def _of_ports(service: Service, addresses: Sequence[str], ask: Callable[[str], Reply]) -> Check:
    return Check(f"{service.name} answers", Stage.APP, lambda: _answer(service, addresses, ask))


def _answer(service: Service, addresses: Sequence[str], ask: Callable[[str], Reply]) -> Finding:
    if not addresses:
        evidence = "its ports are not forwarded to this machine"
        return Finding(Verdict.FAILED, evidence, "devbox up   (or devbox forward, which stays)")
    said = []
    for address in addresses:
        reply = ask(address)
        if reply.silent:
            inside = ", ".join(str(model.PortWish.parse(one).container) for one in service.ports)
            fix = f"have it listen on 0.0.0.0:{inside} in its container; devbox logs {service.name}"
            return Finding(Verdict.FAILED, f"{address}: {reply.silent}", fix)
        said.append((address, reply))
    evidence = "; ".join(f"{address}: {_words(reply)}" for address, reply in said)
    if any(reply.status >= 500 for _, reply in said):
        return Finding(Verdict.WARNING, evidence, f"devbox logs {service.name}")
    return Finding(Verdict.OK, evidence)


def _words(reply: Reply) -> str:
    what = f"HTTP {reply.status}" if reply.status else "answers (not HTTP)"
    return f"{what} in {reply.seconds * 1000:.0f} ms"
