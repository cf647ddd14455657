"""Facts of an example project, and variations of them."""

from __future__ import annotations

from dataclasses import replace

from devbox.config.model import Build, Endpoint, Interpreter
from devbox.pycharm.exclusions import Rules, excluded
from devbox.pycharm.model import App, Facts, Folder, Python, Ssh

APPS = (
    App("web", "module", "shop.web", "--port 8000", ports=(("8000", "8000"),), environment={"MODE": "dev"}),
    App("job", "script", "scripts/job.py"),
    App("admin", "django", "site/manage.py", "--noreload", "0.0.0.0", "8001", settings="shop/settings.py"),
    App("front", "flask", "flask", "--host=0.0.0.0", environment={"FLASK_APP": "front.app"}),
    App("api", "fastapi", "api/main.py", "--port 8002", application="app"),
)
NEIGHBOURLY = App(
    "web",
    "module",
    "shop.web",
    ports=(("8000", "8000"),),
    env_file=".env",
    user="0",
    network="dev.shop_default",
)

FACTS = Facts(
    project="shop",
    root="/home/me/code/shop",
    host="dev@10.0.0.200",
    ssh=Ssh("dev", "10.0.0.200", 22, "/home/me/.ssh/id_ed25519"),
    folders=(Folder("", "/home/dev/devbox/shop", "/app"),),
    image="shop-dev",
    certificates="/home/me/.config/devbox/hosts/10.0.0.200",
    container_python=Python("/usr/local/bin/python3", "3.12.3"),
    host_python=Python("/usr/bin/python3", "3.11.2"),
    owner="1000:1000",
    excluded=excluded([Rules("", (".venv", "*.log", "docs/_build/"))]),
    apps=APPS,
    build=Build(target="dev", args={"PYTHON_IMAGE": "python:3.12-slim"}),
    compose_file="compose.yaml",
    compose_service="web",
    iml=".idea/shop.iml",
    tests="tests",
    home="/home/me",
    docker_cli="/usr/bin/docker",
    compose_cli="/usr/local/bin/docker-compose",
)

VARIATIONS = {
    "docker": FACTS,
    "upload": replace(FACTS, upload=True),
    "compose": replace(FACTS, interpreter=Interpreter.COMPOSE),
    "neighbours": replace(FACTS, apps=(NEIGHBOURLY,)),
    "ssh": replace(FACTS, interpreter=Interpreter.SSH),
    "agent": replace(FACTS, ssh=Ssh("dev", "10.0.0.200", 2222)),
    "older": replace(FACTS, version=(2023, 2)),
    "older compose": replace(FACTS, version=(2023, 2), interpreter=Interpreter.COMPOSE),
    "two folders": replace(FACTS, folders=(*FACTS.folders, Folder("lib", "/srv/lib", "/lib/shop"))),
    "over ssh": replace(FACTS, endpoint=Endpoint.SSH),
    "nothing known": replace(FACTS, container_python=None, host_python=None, owner="", apps=(), build=None),
}
