"""A compose file of other people's, on a real host: networks, volumes, health, a job before the app."""

from __future__ import annotations

import json

import pytest

from tests.rehearsal.hosts import RehearsalHost
from tests.services.shop import Shop

pytestmark = pytest.mark.host

COMPOSE = """
services:
  web:
    build: {{context: ., dockerfile: Dockerfile.dev, args: {{PYTHON_IMAGE: "{python}"}}}}
    command: python server.py
    working_dir: /code
    volumes: [".:/code", "data:/data:ro"]
    ports: ["{port}:8000"]
    env_file: [extra.env]
    depends_on:
      migrate: {{condition: service_completed_successfully}}
      db: {{condition: service_healthy}}
    networks: [front, back]
    deploy: {{resources: {{limits: {{memory: 128M, cpus: "0.5"}}}}}}
  migrate:
    build: {{context: ., dockerfile: Dockerfile.dev, args: {{PYTHON_IMAGE: "{python}"}}}}
    user: root
    command: sh -c 'echo migrated > /data/state'
    volumes: ["data:/data"]
    networks: [back]
  db:
    image: {python}
    command: sh -c 'sleep 1; touch /tmp/up; exec sleep 600'
    healthcheck: {{test: test -e /tmp/up, interval: 200ms, timeout: 2s, retries: 50}}
    networks: {{back: {{aliases: [storage.local]}}}}
    restart: unless-stopped
    secrets: [password]
    cap_drop: [ALL]
    cap_add: [CHOWN]
    ulimits: {{nofile: {{soft: 2000, hard: 3000}}}}
    tmpfs: ["/tmp:mode=1777", "/scratch:size=1m"]
    read_only: true
    security_opt: [no-new-privileges]
    init: false
    stop_signal: SIGUSR1
    stop_grace_period: 1s
    logging: {{driver: json-file, options: {{max-size: 1m}}}}
    container_name: the-database
    hostname: db.inside
    extra_hosts: ["elsewhere:10.1.2.3"]
    shm_size: 128m
  tool: {{image: "{python}", command: sleep 600, profiles: [tools]}}
networks: {{front: , back: }}
volumes: {{data: }}
secrets: {{password: {{file: ./password.txt}}}}
"""


def test_a_compose_project(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    python = shop.terminal.python_image
    (shop.folder / "compose.yaml").write_text(COMPOSE.format(python=python, port=shop.port))
    (shop.folder / "password.txt").write_text("geheim")
    (shop.folder / "extra.env").write_text("# comment\nEXTRA=' from a file'\n")
    (shop.folder / "devbox.yaml").write_text(
        f"name: {shop.name}\nhost: {shop.terminal.host}\ncompose: compose.yaml\n"
    )
    run = shop.terminal.devbox
    said = json.loads(run("up", "--json").stdout.splitlines()[-1])["data"]
    assert said["created"] == ["migrate", "db", "web"]
    assert shop.page() == "one from a file"
    assert run("exec", "web", "sh", "-c", "cat /data/state; getent hosts db >/dev/null && pwd").stdout == (
        "migrated\n/code\n"
    )
    name = f"dev.{shop.name}-web-1"
    assert run("exec", "web", "getent", "hosts", "the-database").stdout
    inside = "hostname; getent hosts elsewhere; df -k /dev/shm | tail -1"
    said_inside = run("exec", "db", "sh", "-c", inside).stdout.split()
    assert said_inside[:3] == ["db.inside", "10.1.2.3", "elsewhere"]
    assert said_inside[4] == "131072"
    assert run("exec", "web", "getent", "hosts", "storage.local").stdout
    inside = "cat /run/secrets/password; ulimit -n; grep -E 'CapBnd|NoNewPrivs' /proc/self/status | cut -f2"
    inside += "; touch /scratch/a; touch /b 2>/dev/null || echo read-only; cat /proc/1/comm"
    expected = "geheim2000\n0000000000000001\n1\nread-only\nsleep\n"  # no init; sh -c became its exec
    assert run("exec", "db", "sh", "-c", inside).stdout == expected
    facts = "{{.HostConfig.LogConfig.Config}} {{.Config.StopSignal}} {{.Config.StopTimeout}}"
    said_ending = rehearsal_host.shell("docker", "inspect", "-f", facts, f"dev.{shop.name}-db-1")
    assert said_ending.split() == ["map[max-size:1m]", "SIGUSR1", "1"]
    facts = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{len .NetworkSettings.Networks}}"
    assert rehearsal_host.shell("docker", "inspect", "-f", facts, name).split() == [
        "134217728",
        "500000000",
        "2",
    ]
    owner = rehearsal_host.shell("stat", "-c", "%U", f"/home/dev/devbox/{shop.name}/made-by-app.txt")
    assert owner == "dev\n"

    # Nothing changed: nothing is made anew but the job, which ended and is run again as compose does.
    before = rehearsal_host.shell("docker", "inspect", "-f", "{{.Id}}", name)
    again = json.loads(run("up", "--no-build", "--no-sync", "--json").stdout.splitlines()[-1])["data"]
    assert (again["kept"], again["restarted"]) == (["db", "web"], ["migrate"])
    assert rehearsal_host.shell("docker", "inspect", "-f", "{{.Id}}", name) == before
    assert "created tool" in run("up", "--no-build", "--no-sync", "--profile", "tools").stdout

    run("down", "--volumes")
    left = "docker ps -aq; docker network ls -q; docker volume ls -q"
    for one in left.split("; "):
        assert rehearsal_host.sh(f"{one} --filter name={shop.name}") == ""
