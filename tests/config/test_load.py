"""devbox.yaml: what is accepted, and what is said about what is not."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbox.config.load import find, load, parse
from devbox.config.model import Endpoint, Interpreter
from devbox.errors import ConfigError

WHOLE = """
name: shop
host: dev@10.0.0.200
docker: {endpoint: tls-tunnel, port: 2377}
build: {dockerfile: Dockerfile.dev, context: ., image: shop-dev, args: {PYTHON: 3.12}}
sync:
  - {local: ., remote: ~/devbox/shop, container: /app}
services:
  web: {command: "python -m app", ports: ["8000:8000"], depends_on: db}
  db:
    image: postgres:16
    command: [postgres, -c, fsync=off]
    health: {command: pg_isready, interval: 0.5}
    mount: false
pycharm: {interpreter: ssh}
"""


def test_a_whole_file_is_read() -> None:
    config = parse(WHOLE)
    assert (config.name, config.host, config.image) == ("shop", "dev@10.0.0.200", "shop-dev")
    assert (config.docker.endpoint, config.docker.port) == (Endpoint.TLS_TUNNEL, 2377)
    assert config.build.args == {"PYTHON": "3.12"}
    web, db = config.services
    assert (web.name, web.command, web.ports, web.depends_on) == (
        "web",
        "python -m app",
        ("8000:8000",),
        ("db",),
    )
    assert db.command == ("postgres", "-c", "fsync=off")
    assert db.health is not None
    assert (db.health.command, db.health.interval, db.mount) == ("pg_isready", 0.5, False)
    assert config.pycharm.interpreter is Interpreter.SSH


def test_a_name_is_enough() -> None:
    config = parse("name: blog")
    assert config.image == "blog-dev"
    (mapping,) = config.sync
    assert (mapping.local, mapping.remote, mapping.container) == (".", "~/devbox/blog", "/app")


def test_each_mapping_without_a_remote_gets_a_folder_of_its_own() -> None:
    config = parse("name: blog\nsync: [{local: .}, {local: ./libs/core, container: /core}]")
    assert [mapping.remote for mapping in config.sync] == ["~/devbox/blog", "~/devbox/blog-libs-core"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name: a\nhots: b", 2, "hots is not a key devbox knows; did you mean host?"),
        ("name: a\nzzz: b", 2, "it knows name, host, docker"),
        ("host: b", 1, "name is missing"),
        ("", 1, "name is missing"),
        ("- name", 1, "the file wants a mapping, found a list"),
        ("name: Shop", 1, "lower-case letters"),
        ("name: a\nname: b", 2, "name stands here twice"),
        ("name: a\ndocker:\n  port: many", 3, "docker.port wants a whole number, found the text 'many'"),
        ("name: a\ndocker: {port: 70000}", 2, "from 1 to 65535"),
        (
            "name: a\ndocker:\n  endpoint: tsl",
            3,
            "wants one of tls, tls-tunnel, ssh, found 'tsl'; did you mean tls?",
        ),
        ("name: a\nbuild: {context: ../other}", 2, "build.context lies outside the project"),
        ("name: a\nbuild: {dockerfile: /etc/passwd}", 2, "build.dockerfile lies outside the project"),
        ("name: a\nsync:\n  - local: x/../../y", 3, "sync[0].local lies outside the project"),
        ("name: a\nsync:\n  - remote: relative/path", 3, "starts with / or ~/"),
        ("name: a\nsync: [{remote: /}]", 2, "wants a folder of its own"),
        ("name: a\nsync: [{remote: ~/../x}]", 2, "wants a folder of its own"),
        ("name: a\nservices:\n  web:\n    ports: [0:80]", 4, "services.web.ports[0]"),
        ("name: a\nservices:\n  web:\n    ports: [http]", 4, "such as 8000:8000"),
        ("name: a\nservices:\n  web: {health: {interval: 1}}", 3, "services.web.health.command is missing"),
        ("name: a\nhost: --proxy", 2, "wants [USER@]HOST"),
        ("name: a\nservices: {web: {mount: 1}}", 2, "wants true or false"),
        ("name: [unclosed", 1, "is not valid YAML"),
        ("name: &x [*x]", 1, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "devbox.yaml")
    assert caught.value.where == f"devbox.yaml:{line}"
    assert message in str(caught.value)


def test_yaml_surprises_stay_texts() -> None:
    config = parse("name: a\nservices: {web: {restart: no, ports: [22:22], environment: {ON: on, N: 1}}}")
    (web,) = config.services
    assert web.restart == "no"
    assert web.ports == ("22:22",)
    assert web.environment == {"ON": "on", "N": "1"}


def test_anchors_and_merges_are_followed() -> None:
    config = parse("name: a\nservices:\n  one: &base {command: x, user: me}\n  two: {<<: *base, command: y}")
    assert [(one.command, one.user) for one in config.services] == [("x", "me"), ("y", "me")]


def test_the_nearest_file_upward_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "devbox.yaml").write_text("name: top")
    assert find(deep) == tmp_path / "devbox.yaml"
    config = load(tmp_path / "devbox.yaml")
    assert (config.name, config.root) == ("top", str(tmp_path))


def test_a_bom_is_taken_and_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "devbox.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\n")
    assert load(path).name == "a"
    path.write_bytes("name: ä".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_container_paths_are_translated_back() -> None:
    config = parse("name: a\nsync: [{remote: /srv/a, container: /app}]")
    assert config.to_remote("/app/pkg/mod.py") == "/srv/a/pkg/mod.py"
    assert config.to_remote("/usr/lib/python3") is None


@given(st.text(max_size=200))
def test_no_text_is_a_defect(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text)
