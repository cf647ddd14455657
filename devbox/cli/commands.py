"""The table of commands: what `devbox --help` shows, and where each one is loaded from when it is called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One command; `attribute` is its typer app in `module`."""

    name: str
    module: str
    help: str
    attribute: str = "app"


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "The host": (
        Entry("init", "devbox.cli.init", "Prepare a host: Docker over mutual TLS, proved and undoable."),
        Entry("host", "devbox.cli.host", "Certificates, shell lines for the Docker CLI, undo."),
        Entry(
            "doctor",
            "devbox.cli.doctor",
            "Walk the chain from DNS to the app; name the broken link.",
        ),
    ),
    "Every day": (
        Entry("up", "devbox.cli.up", "Build, sync, run the services and forward their ports."),
        Entry("down", "devbox.cli.services", "Stop and remove this project's containers.", "down_app"),
        Entry("sync", "devbox.cli.sync", "Bring the local tree to the host; --watch follows every save."),
        Entry("build", "devbox.cli.build", "Build the app image on the host from the local Dockerfile."),
        Entry("ps", "devbox.cli.services", "Show this project's containers.", "ps_app"),
        Entry("logs", "devbox.cli.services", "Show or follow what the services say.", "logs_app"),
        Entry("exec", "devbox.cli.services", "Run a command in a running service.", "exec_app"),
        Entry("shell", "devbox.cli.services", "Open a shell in a running service.", "shell_app"),
        Entry("run", "devbox.cli.services", "Run a one-off container with the same mounts.", "run_app"),
        Entry("forward", "devbox.cli.services", "Forward the services' ports and stay.", "forward_app"),
    ),
    "The IDE": (Entry("pycharm", "devbox.cli.pycharm", "Write PyCharm's settings for this project."),),
    "Seeing": (
        Entry("trace", "devbox.cli.trace", "Traces and the slowest functions."),
        Entry("workload", "devbox.cli.workload", "The shop: traced microservices to try things on."),
    ),
    "Project": (
        Entry("config", "devbox.cli.config", "Show devbox.yaml as devbox understands it; its JSON Schema."),
    ),
}


def entry(name: str) -> Entry | None:
    """The entry of that name, if there is one."""
    return next((one for entries in SECTIONS.values() for one in entries if one.name == name), None)


def names() -> list[str]:
    """All commands, in the order of the table."""
    return [one.name for entries in SECTIONS.values() for one in entries]
