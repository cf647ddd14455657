"""Compose files are understood as `docker compose config` understands them, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devbox.config.load import load
from devbox.config.model import Service
from devbox.errors import ConfigError
from devbox.services import envfile
from tests.config.compose_corpus import ACCEPTED, REFUSED
from tests.rehearsal import images
from tests.rehearsal.daemon import docker

ENVIRONMENT = {"WORD": "word"}
FILES = {"one.env": "A=1\nB=one\n", "two.env": "B=two\nC='3'\n", ".env": "TAG=6\n"}
_BYTES = {"": 0, "64M": 64 << 20, "256m": 256 << 20, "1g": 1 << 30}
_SECONDS = {"interval": 30.0, "timeout": 30.0, "start_period": 0.0}


def plant(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_text(content)
    (folder / "compose.yaml").write_text(text)
    (folder / "devbox.yaml").write_text("name: corpus\ncompose: compose.yaml\n")
    return folder


@pytest.fixture(scope="module")
def theirs(bench: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `docker compose config` makes of every file of the corpus."""
    top = tmp_path_factory.mktemp("corpus")
    for name, text in ACCEPTED.items():
        plant(top / name, text)
    script = (
        'for f in *; do docker compose --project-directory /c/$f -f /c/$f/compose.yaml --profile "*" config'
    )
    script += " --format json > /tmp/out || exit 1; tr -d '\\n' < /tmp/out; echo; done"
    tools = images.ensure(images.tools_recipe())
    words = ["create", "--network", "none", "-w", "/c", *(f"-e{k}={v}" for k, v in ENVIRONMENT.items())]
    made = docker(*words, tools, "sh", "-c", script).stdout.strip()
    try:
        docker("cp", f"{top}/.", f"{made}:/c")
        # What it prints is a compose file again, in which a dollar is written twice.
        said = docker("start", "-a", made).stdout.replace("$$", "$").splitlines()
    finally:
        docker("rm", "-f", made)
    return {name: json.loads(line) for name, line in zip(sorted(ACCEPTED), said, strict=True)}


@pytest.mark.host
@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_accepted_as_compose_understands_it(
    name: str, theirs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", ENVIRONMENT["WORD"])
    folder = plant(tmp_path / name, ACCEPTED[name])
    config = load(folder / "devbox.yaml")
    ours = {one.name: _ours(one, envfile.variables(config, one)) for one in config.services}
    services = theirs[name]["services"]
    files = {key: one["file"] for key, one in theirs[name].get("secrets", {}).items()}
    expected = {service: _theirs(said, files, f"/c/{name}") for service, said in services.items()}
    for service in {*ours, *expected}:
        differing = {key for key in expected[service] if ours[service].get(key) != expected[service][key]}
        assert {key: ours[service].get(key) for key in differing} == {
            key: expected[service][key] for key in differing
        }
    assert ours == expected
    built = [said["build"] for said in services.values() if "build" in said]
    for build in built:
        assert build["context"] == f"/c/{name}/{config.build.context}".removesuffix("/.")
        assert config.build.dockerfile == f"{config.build.context}/{build['dockerfile']}".removeprefix("./")
        assert build.get("args", {}) == config.build.args
        assert build.get("target", "") == config.build.target


@pytest.mark.parametrize("text", sorted(REFUSED))
def test_refused_by_name_and_line(text: str, tmp_path: Path) -> None:
    folder = plant(tmp_path / "refused", text)
    with pytest.raises(ConfigError) as stated:
        load(folder / "devbox.yaml")
    assert REFUSED[text] in str(stated.value)
    assert "compose.yaml:" in str(stated.value)


def test_our_own_services_and_build_come_first(tmp_path: Path) -> None:
    folder = plant(tmp_path / "own", "services: {web: {build: .}, db: {image: postgres}}")
    with (folder / "devbox.yaml").open("a") as file:
        file.write("build: {dockerfile: Mine}\nservices: {web: {command: mine}}\n")
    config = load(folder / "devbox.yaml")
    assert [(one.name, one.command, one.mount) for one in config.services] == [
        ("web", "mine", True),
        ("db", (), False),
    ]
    assert config.build.dockerfile == "Mine"


def test_a_compose_file_in_a_folder_means_its_own_paths(tmp_path: Path) -> None:
    folder = plant(tmp_path / "deep", "services: {}")
    (folder / "ops").mkdir()
    text = "services: {web: {build: .., env_file: a.env, volumes: ['../src:/src', './x:/x']}}"
    (folder / "ops" / "compose.yaml").write_text(text)
    (folder / "devbox.yaml").write_text("name: deep\ncompose: ops/compose.yaml\n")
    config = load(folder / "devbox.yaml")
    (web,) = config.services
    assert web.volumes == ("./src:/src", "./ops/x:/x")
    assert (web.env_file, config.build.context, config.build.dockerfile) == (
        ("ops/a.env",),
        ".",
        "Dockerfile",
    )


def _ours(one: Service, variables: dict[str, str]) -> dict[str, Any]:
    """Our service in the words of `docker compose config`."""
    found = {
        "image": one.image,
        "command": list(one.command),
        "entrypoint": list(one.entrypoint or ()),
        "environment": {**variables, **one.environment},
        "labels": dict(one.labels),
        "ports": [_numbers(text) for text in one.ports],
        "volumes": [tuple(text.split(":")) for text in one.volumes],
        "depends_on": dict(one.conditions),
        "restart": one.restart,
        "profiles": list(one.profiles),
        "networks": sorted(one.networks or ("default",)),
        "limits": (one.cpus, _BYTES[one.memory], _BYTES[one.shm_size]),
        "names": (one.alias, one.hostname, sorted(text.replace(":", "=", 1) for text in one.extra_hosts)),
        "user": one.user,
        "working_dir": one.working_dir,
        "terminal": (one.tty, one.stdin),
        "dangers": ("privileged" in one.allow, "host-network" in one.allow),
        "aliases": {network: list(names) for network, names in one.network_aliases.items()},
        "capabilities": (list(one.runtime.cap_add), list(one.runtime.cap_drop)),
        "ulimits": dict(one.runtime.ulimits),
        "tmpfs": [":".join(part for part in pair if part) for pair in one.runtime.tmpfs.items()],
        "logging": (one.runtime.log_driver, dict(one.runtime.log_options)),
        "ending": (one.runtime.stop_signal, one.runtime.stop_grace),
        "flags": (one.runtime.read_only, one.runtime.init, one.runtime.no_new_privileges),
    }
    if one.health:
        test = one.health.command
        words = ["CMD-SHELL", test] if isinstance(test, str) else ["CMD", *test]
        times = (one.health.interval, one.health.timeout, one.health.start_period, one.health.retries)
        found["health"] = (words, times)
    if found["dangers"][1]:
        found["networks"] = []
    return found


def _numbers(text: str) -> tuple[str, str]:
    local, _, target = text.rpartition(":")
    return local, target


def _theirs(said: dict[str, Any], secrets: dict[str, str], folder: str) -> dict[str, Any]:
    limits = said.get("deploy", {}).get("resources", {}).get("limits", {})
    found = {
        "image": "" if "build" in said else said["image"],
        "command": said.get("command") or [],
        "entrypoint": said.get("entrypoint") or [],
        "environment": {
            key: value for key, value in said.get("environment", {}).items() if value is not None
        },
        "labels": said.get("labels", {}),
        "ports": [(port.get("published", ""), str(port["target"])) for port in said.get("ports", [])],
        "volumes": [
            *(_volume(one, folder) for one in said.get("volumes", [])),
            *(_secret(one, secrets, folder) for one in said.get("secrets", [])),
        ],
        "depends_on": {name: one["condition"] for name, one in said.get("depends_on", {}).items()},
        "restart": said.get("restart", "no"),
        "profiles": said.get("profiles", []),
        "networks": sorted(said.get("networks", {})),
        "limits": (
            float(limits.get("cpus") or said.get("cpus") or 0),
            int(limits.get("memory") or said.get("mem_limit") or 0),
            int(said.get("shm_size") or 0),
        ),
        "names": (
            said.get("container_name", ""),
            said.get("hostname", ""),
            sorted(said.get("extra_hosts", [])),
        ),
        "user": said.get("user", ""),
        "working_dir": said.get("working_dir", ""),
        "terminal": (said.get("tty", False), said.get("stdin_open", False)),
        "dangers": (said.get("privileged", False), said.get("network_mode") == "host"),
        "aliases": {
            network: one["aliases"]
            for network, one in said.get("networks", {}).items()
            if one and one["aliases"]
        },
        "capabilities": (said.get("cap_add", []), said.get("cap_drop", [])),
        "ulimits": {name: _ulimit(one) for name, one in said.get("ulimits", {}).items()},
        "tmpfs": said.get("tmpfs", []),
        "logging": (
            said.get("logging", {}).get("driver", ""),
            said.get("logging", {}).get("options", {}),
        ),
        "ending": (
            said.get("stop_signal", ""),
            _seconds(said["stop_grace_period"]) if "stop_grace_period" in said else None,
        ),
        # devbox gives each container an init, unless the file says no.
        "flags": (said.get("read_only", False), said.get("init", True), "security_opt" in said),
    }
    health = said.get("healthcheck", {})
    if not health.get("disable") and health.get("test", ["NONE"]) != ["NONE"]:
        times = [_seconds(health[key]) if key in health else _SECONDS[key] for key in _SECONDS]
        found["health"] = (health["test"], (*times, health.get("retries", 3)))
    return found


def _ulimit(one: Any) -> tuple[int, int]:
    return (one["soft"], one["hard"]) if isinstance(one, dict) else (one, one)


def _secret(one: dict[str, Any], files: dict[str, str], folder: str) -> tuple[str, str, str]:
    target = one.get("target") or one["source"]
    place = target if target.startswith("/") else f"/run/secrets/{target}"
    return f".{files[one['source']].removeprefix(folder)}", place, "ro"


def _volume(one: dict[str, Any], folder: str) -> tuple[str, ...]:
    source = one.get("source", "")
    if one["type"] == "bind" and source.startswith(folder):
        source = f".{source.removeprefix(folder)}"
        source = "./." if source == "." else source
    return (source, one["target"], *(["ro"] if one.get("read_only") else []))


def _seconds(text: str) -> float:
    return {"1m30s": 90.0, "500ms": 0.5, "5s": 5.0}[text]
