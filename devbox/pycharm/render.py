"""From facts to the files we want, as elements ready for merging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devbox.config.model import Interpreter
from devbox.pycharm import kinds
from devbox.pycharm.kinds import Kind
from devbox.pycharm.model import DEBUG_PORT, App, Facts
from devbox.pycharm.rules import public
from devbox.pycharm.xml import Node, parse
from devbox.rendering import render


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file we have something to say in. `path` is relative to the project or to the IDE's folder."""

    path: str
    kind: Kind
    root: Node


@dataclass(frozen=True, slots=True)
class Plain:
    """A file that is no XML: written where there is none, and never changed where there is one."""

    path: str
    text: str


def plain() -> list[Plain]:
    """What keeps PyCharm's own state on this machine: git leaves it out, and so does `devbox sync`."""
    return [Plain(".idea/.gitignore", "# PyCharm's own state, for nobody else\n/workspace.xml\n/shelf/\n")]


def _wanted(path: str, kind: Kind, template: str, **values: Any) -> Wanted:
    return Wanted(path, kind, parse(render(f"pycharm/{template}.j2", **values).strip().encode()).root)


def project(facts: Facts) -> list[Wanted]:
    """The files of the project: `.idea/` and `.run/`."""
    return [*_idea(facts), *_configurations(facts)]


def _idea(facts: Facts) -> Iterator[Wanted]:
    names = _server(facts, "project")
    yield _wanted(".idea/deployment.xml", kinds.DEPLOYMENT, "project/deployment.xml", facts=facts)
    yield _wanted(".idea/webServers.xml", kinds.WEB_SERVERS, "web_servers.xml", root="project", **names)
    yield _wanted(".idea/sshConfigs.xml", kinds.SSH_CONFIGS, "ssh_configs.xml", root="project", **names)
    if facts.sdk:
        yield _wanted(".idea/misc.xml", kinds.MISC, "project/misc.xml", facts=facts)
    yield _wanted(
        ".idea/externalDependencies.xml",
        kinds.EXTERNAL,
        "project/external_dependencies.xml",
        facts=facts,
    )
    yield _wanted(".idea/modules.xml", kinds.MODULES, "project/modules.xml", facts=facts)
    yield _wanted(facts.iml, kinds.IML, "project/module.iml", facts=facts)
    if facts.host_python and not facts.targets:
        yield _wanted(
            ".idea/remote-mappings.xml", kinds.REMOTE_MAPPINGS, "project/remote_mappings.xml", facts=facts
        )


def _server(facts: Facts, scope: str) -> dict[str, Any]:
    """Ids and names of the SSH and SFTP connection in a scope; the IDE lists both scopes together."""
    own = f"{facts.label} (IDE)" if scope == "ide" else facts.label
    return {
        "facts": facts,
        "title": own,
        "ssh_name": own,
        "server_id": facts.identifier(f"{scope} webServer"),
        "ssh_id": facts.identifier(f"{scope} sshConfig"),
    }


# The real files up to 2022 are called docker.xml.
_DOCKER_TOOLS_SINCE = (2023, 1)
_APP_TEMPLATES = {"module": "python", "script": "python"}
_UNBUFFERED = frozenset({"module", "script", "django"})


def _configurations(facts: Facts) -> Iterator[Wanted]:
    if facts.build:
        arguments = public(facts.build.args)
        yield _run(facts, "devbox build", "dockerfile", arguments=arguments)
        ports = facts.apps[0].ports if facts.apps else ()
        yield _run(facts, "devbox image", "image", ports=ports)
    if facts.compose_file:
        yield _run(facts, "devbox compose", "compose")
    for app in facts.apps:
        yield _app(facts, app, f"devbox service {app.name}")
    if facts.tests:
        yield _app(facts, App("", "pytest", facts.tests, network=facts.network), "devbox pytest")
    yield _run(facts, "devbox debug server", "debug", port=DEBUG_PORT)


def _app(facts: Facts, app: App, name: str) -> Wanted:
    template = _APP_TEMPLATES.get(app.kind, app.kind)
    return _run(facts, name, template, app=app, environment=_environment(facts, app))


def _environment(facts: Facts, app: App) -> dict[str, str]:
    """As `devbox up` sets it: HOME, because the SSH user's uid is nobody in most images."""
    unbuffered = {"PYTHONUNBUFFERED": "1"} if app.kind in _UNBUFFERED else {}
    home = {"HOME": "/tmp"} if facts.in_container and (app.user or facts.owner) else {}
    return {**unbuffered, **home, **app.environment}


def _run(facts: Facts, name: str, template: str, **values: Any) -> Wanted:
    return _wanted(
        f".run/{name}.run.xml", kinds.RUN, f"run/{template}.xml", facts=facts, title=name, **values
    )


def ide(facts: Facts) -> list[Wanted]:
    """The files of the IDE's own configuration folder: what a project cannot carry."""
    names = _server(facts, "ide")
    wanted = [_wanted("options/remote-servers.xml", kinds.REMOTE_SERVERS, "ide/remote_servers.xml", **names)]
    scope = {"root": "application", **names}
    if facts.ssh_sdk or facts.over_ssh:
        wanted.append(_wanted("options/sshConfigs.xml", kinds.IDE_SSH_CONFIGS, "ssh_configs.xml", **scope))
    if facts.ssh_sdk:
        wanted.append(_wanted("options/webServers.xml", kinds.IDE_WEB_SERVERS, "web_servers.xml", **scope))
    if facts.container_sdk or facts.ssh_sdk:
        wanted.append(_jdk_table(facts, names))
    if facts.interpreter is Interpreter.COMPOSE and (facts.docker_cli or facts.compose_cli):
        name = "docker-tools.xml" if facts.version >= _DOCKER_TOOLS_SINCE else "docker.xml"
        wanted.append(_wanted(f"options/{name}", kinds.DOCKER_TOOLS, "ide/docker_tools.xml", facts=facts))
    return wanted


def _jdk_table(facts: Facts, names: dict[str, Any]) -> Wanted:
    python = facts.container_python
    path = python.path if python else ""
    compose = f"docker-compose://[{facts.root}/{facts.compose_file}]:{facts.compose_service}/{path}"
    return _wanted(
        "options/jdk.table.xml",
        kinds.JDK_TABLE,
        "ide/jdk_table.xml",
        facts=facts,
        server_id=names["server_id"],
        server_name=names["title"],
        sdk_id=facts.identifier("container sdk"),
        ssh_sdk_id=facts.identifier("ssh sdk"),
        helpers=f"/home/{facts.ssh.user}/.pycharm_helpers",
        legacy_home=f"docker://{facts.tagged}/{path}" if facts.in_container else compose,
    )
