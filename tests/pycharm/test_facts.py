"""Finding out: from the project's folder, and from an image that answers for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devbox.config.load import load
from devbox.config.model import Config, Interpreter
from devbox.errors import DaemonError, DevboxError
from devbox.pycharm.assemble import Here, assemble, debugging, gaps, questions, reaching, remarks
from devbox.pycharm.facts import Answer, ask_image, image_of, look
from devbox.pycharm.model import Facts, Python, Ssh

YAML = """\
name: shop
host: dev@10.0.0.200
sync: [{local: ., ignore: [/data/raw]}]
services:
  api: {command: "uvicorn api.main:app", ports: ["8000:8000"], environment: {DB_PASSWORD: x}}
  cron: {command: "./run.sh"}
  cache: {image: "redis:7"}
"""


@dataclass
class Machine:
    """A daemon of images that knows what each program prints in each image."""

    says: dict[tuple[str, str], str]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def run_once(self, image: str, command: Sequence[str]) -> str:
        self.asked.append((image, command[0]))
        if (image, command[0]) not in self.says:
            raise DaemonError(f"{command[0]} is not in {image}")
        return self.says[image, command[0]]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "devbox.yaml").write_text(YAML)
    (tmp_path / "api").mkdir()
    (tmp_path / "api/main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    (tmp_path / ".gitignore").write_text(".venv/\n*.log\n")
    (tmp_path / "tests").mkdir()
    return load(tmp_path / "devbox.yaml")


def facts(config: Config, answer: Answer) -> Facts:
    here = Here(Ssh("dev", "10.0.0.200"), "/certs", "/home/me")
    return assemble(config, look(config), answer, here)


def test_the_image_says_where_its_python_is() -> None:
    machine = Machine({("a", "python3"): "noise\npython /usr/local/bin/python3 3.12.3\n"})
    assert ask_image(machine, "a") == Python("/usr/local/bin/python3", "3.12.3")
    older = Machine({("a", "python"): "python /opt/my python 3.8.1"})
    assert ask_image(older, "a") == Python("/opt/my python", "3.8.1")
    assert older.asked == [("a", "python3"), ("a", "python")]


@pytest.mark.parametrize(
    "said", ["", "Python 3.12", "python bin/python 3.1.1", "python /x three", "x python /x 3.1.1"]
)
def test_an_image_that_does_not_answer_is_not_guessed_at(said: str) -> None:
    with pytest.raises(DevboxError, match="has no Python that answers"):
        ask_image(Machine({("a", "python3"): said, ("a", "python"): said}), "a")


def test_the_project_says_the_rest(config: Config) -> None:
    found = facts(config, Answer("/srv/dev", "1000:1000", Python("/usr/bin/python3", "3.11.2")))
    assert [app.name for app in found.apps] == ["api"]
    assert found.apps[0].kind == "fastapi"
    assert found.folders[0].remote == "/srv/dev/devbox/shop"
    assert found.excluded.names[-2:] == (".venv", "*.log")
    assert found.excluded.folders == ("data/raw",)
    assert (found.tests, found.iml, found.build, found.compose_file) == ("tests", ".idea/shop.iml", None, "")


def test_rule_files_and_their_order(config: Config) -> None:
    root = Path(config.root)
    (root / ".devboxignore").write_text("!.venv/\n!kept.log\n")
    (root / "lib").mkdir()
    (root / "lib/.gitignore").write_text("/out\nnotes\n")
    lib = replace(config.sync[0], local="lib", ignore=("/made",))
    said = facts(replace(config, sync=(*config.sync, lib)), Answer()).excluded
    assert ".venv" not in said.names  # .devboxignore is stronger than .gitignore and takes the rule back
    assert said.folders == ("lib/out", "data/raw", "lib/made")
    assert said.unsaid == ("notes", "!kept.log")  # a name below one folder only, an exception


def test_what_pycharm_cannot_exclude_is_said(config: Config) -> None:
    (Path(config.root) / ".gitignore").write_text("*.log\n!kept.log\n")
    known = Answer("/home/dev", "1:1", Python("/p", "3.1.1"), Python("/q", "3.2.2"))
    said = list(gaps(config, look(config), known, facts(config, known)))
    assert "only devbox sync follows these ignore rules, PyCharm's upload cannot: !kept.log" in said


COMPOSE = """\
services:
  cache: {image: "redis:7"}
  app: {build: ., image: "shop-dev:latest"}
  api: {build: .}
"""


@pytest.mark.parametrize(
    ("text", "service", "image"),
    [
        (COMPOSE, "api", ""),  # devbox.yaml has it too
        (COMPOSE.replace("  api", "  other"), "app", "shop-dev:latest"),  # the app's own image
        ("services: {db: {image: postgres}, web: {build: .}}", "web", ""),
        ("services: {one: {image: 'made:${TAG}'}}", "one", ""),
        ("services: [", "", ""),
        ("services: []", "", ""),
        ("- a list", "", ""),
    ],
)
def test_the_compose_service_that_holds_the_app(config: Config, text: str, service: str, image: str) -> None:
    (Path(config.root) / "compose.yaml").write_text(text)
    found = look(config).compose
    assert (found.file, found.service, found.image) == ("compose.yaml", service, image)


def test_the_compose_file_of_devbox_yaml_comes_before_the_usual_names(config: Config) -> None:
    root = Path(config.root)
    (root / "compose.yaml").write_text("services: {other: {build: .}}")
    (root / "deploy").mkdir()
    (root / "deploy/dev.yml").write_text("services: {app: {build: ..}}")
    found = look(replace(config, compose="deploy/dev.yml")).compose
    assert (found.file, found.service) == ("deploy/dev.yml", "app")


def test_the_image_asked_is_the_compose_services(config: Config) -> None:
    (Path(config.root) / "compose.yaml").write_text("services: {web: {image: 'other:2'}}")
    assert image_of(config, look(config)) == "shop-dev"
    composed = replace(config, pycharm=replace(config.pycharm, interpreter=Interpreter.COMPOSE))
    assert image_of(composed, look(composed)) == "other:2"


@pytest.mark.parametrize(
    ("volumes", "missing"),
    [
        ("[]", True),
        ("['.:/app']", True),  # a folder of this machine, which the remote daemon would make, empty
        ("[/home/dev/devbox/shop:/app]", False),
        ("['/home/dev/devbox/shop:/app:rw', data:/data]", False),
        ("[{type: bind, source: /home/dev/devbox/shop, target: /app}]", False),
        ("['${CODE}:/app']", False),
    ],
)
def test_a_compose_service_without_the_synced_code_is_named(
    config: Config, volumes: str, missing: bool
) -> None:
    (Path(config.root) / "compose.yaml").write_text(f"services: {{web: {{volumes: {volumes}}}}}")
    composed = replace(config, pycharm=replace(config.pycharm, interpreter=Interpreter.COMPOSE))
    known = Answer("/home/dev", "1:1", Python("/p", "3.1.1"), Python("/q", "3.2.2"))
    said = list(gaps(composed, look(composed), known, facts(composed, known)))
    assert any("add  - /home/dev/devbox/shop:/app  to its volumes" in line for line in said) is missing


def test_compose_without_a_service_has_no_interpreter_and_says_so(config: Config) -> None:
    composed = replace(config, pycharm=replace(config.pycharm, interpreter=Interpreter.COMPOSE))
    known = Answer("/home/dev", "1:1", Python("/p", "3.1.1"), Python("/q", "3.2.2"))
    found = facts(composed, known)
    assert found.sdk == ""
    said = list(gaps(composed, look(composed), known, found))
    assert (
        "pycharm.interpreter is compose, but there is no compose file: the project has no interpreter" in said
    )


def test_an_existing_module_is_taken(config: Config) -> None:
    idea = Path(config.root) / ".idea"
    idea.mkdir()
    path = "$PROJECT_DIR$/.idea/cheetah.iml"
    (idea / "modules.xml").write_text(f'<module fileurl="file://{path}" filepath="{path}" />')
    assert facts(config, Answer()).module == "cheetah"


def test_what_is_missing_is_said(config: Config) -> None:
    nothing = facts(config, Answer())
    said = list(gaps(config, look(config), Answer(), nothing))
    assert [line.partition(":")[0] for line in said] == [
        "the host was not reached",
        "no SSH interpreter",
        "the project has no interpreter yet",
        "service api",
        "service cron",
    ]
    assert "DB_PASSWORD" in said[3]
    known = Answer("/home/dev", "1:1", Python("/p", "3.1.1"), Python("/q", "3.2.2"))
    assert [line.partition(":")[0] for line in gaps(config, look(config), known, facts(config, known))] == [
        "service api",
        "service cron",
    ]
    assert any("experimental" in line for line in remarks(facts(config, known)))


def test_what_the_ide_asks_and_how_to_debug(config: Config) -> None:
    found = facts(config, Answer())
    assert "host key of 10.0.0.200" in next(questions(found))
    way = debugging(found)
    assert way.code.startswith("import pydevd_pycharm; pydevd_pycharm.settrace('172.17.0.1', port=5678")
    assert way.tunnel == "ssh -N -R 172.17.0.1:5678:127.0.0.1:5678 dev@10.0.0.200"
    assert any("GatewayPorts" in need for need in way.needs)
    moved = debugging(facts(config, Answer(bridge="10.200.0.1")))
    assert "settrace('10.200.0.1'" in moved.code
    assert "-R 10.200.0.1:5678:" in moved.tunnel
    on_host = debugging(replace(found, interpreter=Interpreter.SSH))
    assert ("127.0.0.1:5678:127.0.0.1" in on_host.tunnel, len(on_host.needs)) == (True, 1)


def test_the_way_to_what_pycharm_starts(config: Config) -> None:
    service = replace(config.services[0], ports=("18000:8000", "8001"))
    found = facts(replace(config, services=(service,)), Answer())
    assert reaching(found) == "ssh -N -L 18000:127.0.0.1:18000 -L 8001:127.0.0.1:8001 dev@10.0.0.200"
    on_host = replace(found, interpreter=Interpreter.SSH)
    assert reaching(on_host) == "ssh -N -L 8000:127.0.0.1:8000 -L 8001:127.0.0.1:8001 dev@10.0.0.200"
    assert reaching(replace(found, apps=())) == ""


@pytest.mark.parametrize(
    ("host", "destination"),
    [
        ("box", "box"),
        ("dev@10.0.0.200:2222", "ssh://dev@10.0.0.200:2222"),
        ("dev@[::1]:22", "ssh://dev@[::1]:22"),
        ("ssh://dev@box:22", "ssh://dev@box:22"),
        ("fe80::1", "fe80::1"),
    ],
)
def test_the_printed_ssh_commands_name_the_host_as_ssh_takes_it(
    config: Config, host: str, destination: str
) -> None:
    assert debugging(facts(replace(config, host=host), Answer())).tunnel.endswith(f" {destination}")


def test_services_with_neighbours_join_their_network(config: Config) -> None:
    networks = {"api": "dev.shop_default", "cache": "dev.shop_default"}
    here = Here(Ssh("dev", "10.0.0.200"), "/certs", "/home/me", networks=networks)
    known = Answer("/home/dev", "1:1", Python("/p", "3.1.1"), Python("/q", "3.2.2"))
    found = assemble(config, look(config), known, here)
    assert (found.apps[0].network, found.network) == ("dev.shop_default", "dev.shop_default")
    joined = (
        "run configurations join the network dev.shop_default, where other services answer: devbox up cache"
    )
    assert joined in list(remarks(found))
    alone = replace(config, services=config.services[:1])
    found = assemble(alone, look(alone), known, here)
    assert (found.apps[0].network, found.network) == ("", "")
    assert not any("network" in line for line in remarks(found))


def test_a_project_without_services_and_one_with_several_env_files_say_so(config: Config) -> None:
    none = replace(config, services=())
    said = list(gaps(none, look(none), Answer(), facts(none, Answer())))
    assert any("has no services" in line for line in said)
    many = replace(config, services=(replace(config.services[0], env_file=(".env", "more.env")),))
    said = list(gaps(many, look(many), Answer(), facts(many, Answer())))
    assert "service api: add its env files in PyCharm: .env, more.env" in said


def test_a_django_settings_package_is_found_in_the_project(config: Config) -> None:
    root = Path(config.root)
    (root / "manage.py").write_text("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf')\n")
    (root / "conf").mkdir()
    (root / "conf/__init__.py").write_text("from conf.base import *\n")
    service = replace(config.services[0], command="python manage.py runserver")
    found = facts(replace(config, services=(service,)), Answer()).django
    assert found is not None
    assert found.settings == "conf/__init__.py"


def test_ids_are_the_same_for_everybody_and_differ_by_host_and_project(config: Config) -> None:
    one = facts(config, Answer())
    assert one.identifier("x") == replace(one, root="/elsewhere", host="other@10.0.0.200").identifier("x")
    ids = {each.identifier("x") for each in (one, replace(one, host="b"), replace(one, project="p"))}
    assert len({*ids, one.identifier("y")}) == 4


def test_hidden_folders_keep_their_dot_and_the_root_its_slash(config: Config) -> None:
    from devbox.config.model import Mapped
    from devbox.pycharm.model import folders

    odd = replace(config, sync=(Mapped("./.hidden/", "~/h", "/h/"), Mapped(".", "/r", "/")))
    assert [(one.local, one.remote, one.container) for one in folders(odd, "/home/dev")] == [
        (".hidden", "/home/dev/h", "/h"),
        ("", "/r", "/"),
    ]
