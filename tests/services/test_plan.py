"""From devbox.yaml to containers: what is mounted, as whom, what is made anew, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devbox.adapters.docker import shapes
from devbox.config.load import parse
from devbox.config.model import Config
from devbox.errors import ConfigError
from devbox.ports.daemon import Container, Mount
from devbox.services import model, plan
from devbox.services.forwarding import wishes
from devbox.services.model import Account, Extra, PortWish, Wanted

WHO = Account(1000, 1001, "/home/dev", "dev")
PLAIN = "name: shop\nsync: [{local: ., remote: ~/devbox/shop, container: /app}]\nservices:\n"


def _config(services: str) -> Config:
    return parse(PLAIN + services)


def _around(extra: Extra | None = None, image: str = "sha256:1") -> plan.Surroundings:
    return plan.Surroundings(WHO, {"shop-dev": image, "redis:7": "sha256:2"}, {}, extra or Extra())


def _wanted(config: Config, name: str, around: plan.Surroundings | None = None) -> Wanted:
    service = config.service(name)
    assert service is not None
    return plan.wanted(config, service, around or _around())


def _container(one: Wanted, state: str = "running") -> Container:
    return Container("id-" + one.service.name, one.spec.name, one.spec.image, state, one.spec.labels)


def test_the_code_is_mounted_and_runs_as_the_ssh_user() -> None:
    spec = _wanted(_config("  web: {command: python -m app, ports: '8000'}"), "web").spec
    assert spec.name == "dev.shop-web-1"
    assert spec.user == "1000:1001"
    assert spec.mounts == (Mount("/app", "/home/dev/devbox/shop"),)
    assert spec.command == ("sh", "-c", "python -m app")
    assert (spec.working_dir, spec.environment["HOME"]) == ("/app", "/tmp")
    assert [(port.address, port.container, port.host) for port in spec.ports] == [("127.0.0.1", 8000, 0)]


def test_an_own_user_and_a_service_without_code() -> None:
    config = _config(
        "  db: {image: 'redis:7', user: redis, mount: false, command: [redis-server, --save, '']}"
    )
    spec = _wanted(config, "db").spec
    assert (spec.user, spec.mounts, spec.working_dir) == ("redis", (), "")
    assert spec.command == ("redis-server", "--save", "")


def test_an_image_of_its_own_without_our_code_runs_as_its_own_user() -> None:
    spec = _wanted(_config("  db: {image: 'redis:7', mount: false}"), "db").spec
    assert (spec.user, "HOME" in spec.environment) == ("", False)
    assert _wanted(_config("  tool: {image: 'redis:7'}"), "tool").spec.user == "1000:1001"


def test_volumes_are_named_or_synced_or_refused() -> None:
    config = _config("  web: {volumes: ['data:/data', './conf:/etc/app:ro', '~/devbox/shop.spool:/spool']}")
    mounts = _wanted(config, "web").spec.mounts
    assert mounts[1:] == (
        Mount("/data", "dev.shop_data", volume=True),
        Mount("/etc/app", "/home/dev/devbox/shop/conf", read_only=True),
        Mount("/spool", "/home/dev/devbox/shop.spool"),
    )
    specs = [_wanted(config, "web").spec]
    assert plan.volumes(specs) == ["dev.shop_data"]
    assert "/home/dev/devbox/shop.spool" in plan.host_folders(specs, WHO)


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("volumes: ['/etc:/etc']", "allow: [host-root] if it is meant"),
        ("volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "allow: [docker.sock] if it is meant"),
        ("volumes: ['../other:/x']", "no sync mapping holds it"),
        ("volumes: ['data']", "wants NAME:/path"),
        ("restart: sometimes", "is not one of no, on-failure"),
        ("allow: [everything]", "allow does not know 'everything'"),
        ("memory: much", "wants a size such as 512m"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(service: str, words: str) -> None:
    with pytest.raises(ConfigError, match="web") as caught:
        _wanted(_config(f"  web: {{{service}}}"), "web")
    assert words in str(caught.value)


def test_dangers_need_to_be_allowed() -> None:
    socket = "/var/run/docker.sock:/var/run/docker.sock"
    config = _config(f"  web: {{allow: [docker.sock, privileged, host-network], volumes: ['{socket}']}}")
    spec = _wanted(config, "web").spec
    assert spec.privileged
    assert spec.network == "host"
    assert spec.mounts[-1].source == "/var/run/docker.sock"


def test_only_the_synced_folder_is_labelled_for_containers() -> None:
    volumes = [
        "data:/data",
        "./conf:/conf:ro",
        "/etc:/host-etc",
        "/var/run/docker.sock:/s",
        "~/devbox/shop.spool:/p",
    ]
    config = _config(f"  web: {{allow: [docker.sock, host-root], volumes: {volumes}}}")
    spec = _wanted(config, "web", replace(_around(), selinux=True)).spec
    assert [one.target for one in spec.mounts if one.relabel] == ["/app", "/conf"]
    side = shapes.host_config(spec)
    assert side["Binds"] == ["/home/dev/devbox/shop:/app:z", "/home/dev/devbox/shop/conf:/conf:z,ro"]
    assert [one["Target"] for one in side["Mounts"]] == ["/data", "/host-etc", "/s", "/p"]
    assert not any(one.relabel for one in _wanted(config, "web").spec.mounts)


def test_limits_restarts_networks_as_the_daemon_takes_them() -> None:
    config = _config("  web: {memory: 64m, cpus: 0.5, restart: 'on-failure:3'}")
    side = shapes.host_config(_wanted(config, "web").spec)
    assert (side["Memory"], side["NanoCpus"]) == (64 << 20, 500_000_000)
    assert side["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    both = replace(config.services[0], networks=("front", "back"))
    spec = plan.wanted(config, both, _around()).spec
    assert (spec.network, spec.also) == ("dev.shop_front", ("dev.shop_back",))
    assert plan.networks([spec]) == ["dev.shop_back", "dev.shop_front"]


def test_dependencies_come_first_and_circles_are_named() -> None:
    config = _config("  web: {depends_on: [db, cache]}\n  cache: {depends_on: db}\n  db: {}\n  other: {}")
    assert [one.name for one in plan.chosen(config, ["web"], [])] == ["db", "cache", "web"]
    with pytest.raises(ConfigError, match="a -> b -> a"):
        plan.chosen(_config("  a: {depends_on: b}\n  b: {depends_on: a}"), [], [])
    with pytest.raises(ConfigError, match="depends on nothing, which is not there"):
        plan.chosen(_config("  a: {depends_on: nothing}"), [], [])
    with pytest.raises(ConfigError, match="there are: web, cache"):
        plan.chosen(config, ["wbe"], [])


def test_the_same_name_of_two_people_and_of_two_folders_never_meets() -> None:
    config = _config("  web: {volumes: ['data:/data']}")
    mine = _wanted(config, "web").spec
    hers = _wanted(config, "web", replace(_around(), account=replace(WHO, name="anna"))).spec
    elsewhere = parse((PLAIN + "  web: {volumes: ['data:/data']}").replace("devbox/shop", "other"))
    twin = _wanted(elsewhere, "web").spec
    for facts in zip(
        *((one.name, one.network, one.mounts[1].source) for one in (mine, hers, twin)), strict=True
    ):
        assert len(set(facts)) == 3, facts
    assert len({one.labels["devbox.owner"] for one in (mine, hers, twin)}) == 3


def test_profiles_are_started_on_request() -> None:
    config = _config("  web: {}\n  debug: {profiles: [dev]}")
    assert [one.name for one in plan.chosen(config, [], [])] == ["web"]
    assert [one.name for one in plan.chosen(config, [], ["dev"])] == ["web", "debug"]
    assert [one.name for one in plan.chosen(config, ["debug"], [])] == ["debug"]


def test_only_what_changed_is_made_anew() -> None:
    config = _config("  web: {command: a}\n  api: {command: b}\n  new: {}\n  idle: {}")
    want = [_wanted(config, name) for name in ("web", "api", "new", "idle")]
    changed = _wanted(_config("  api: {command: other}"), "api")
    stray = replace(want[0].service, name="old")
    orphan = plan.wanted(config, stray, _around())
    have = [_container(want[0]), _container(changed), _container(want[3], "exited"), _container(orphan)]
    steps = plan.steps(want, have, [one.name for one in config.services])
    assert [
        [one.service.name for one in group]
        for group in (steps.keep, steps.replace, steps.create, steps.start)
    ] == [
        ["web"],
        ["api"],
        ["new"],
        ["idle"],
    ]
    assert [one.name for one in steps.orphans] == ["dev.shop-old-1"]


def test_a_new_image_behind_the_same_tag_makes_the_container_anew() -> None:
    config = _config("  web: {}")
    before, after = _wanted(config, "web"), _wanted(config, "web", _around(image="sha256:9"))
    assert plan.steps([after], [_container(before)], ["web"]).replace == (after,)


def test_a_one_off_is_no_service() -> None:
    config = _config("  web: {}")
    spec = plan.one_off(config, _around(), ["pytest"], "shop-run-1", tty=False)
    assert (spec.stdin, spec.command) == (True, ("pytest",))
    assert spec.mounts == (Mount("/app", "/home/dev/devbox/shop"),)
    one = Container("x", "shop-run-1", spec.image, "running", spec.labels)
    assert plan.steps([], [one], ["web"]).orphans == ()


def test_tracing_reaches_only_services_with_the_code() -> None:
    extra = Extra((Mount("/tracer", "/home/dev/devbox/.tracer"),), {"PYTHONPATH": "/tracer"})
    config = _config("  web: {}\n  db: {image: 'redis:7', mount: false}")
    around = _around(extra)
    assert _wanted(config, "web", around).spec.environment["PYTHONPATH"] == "/tracer"
    assert "PYTHONPATH" not in _wanted(config, "db", around).spec.environment
    assert _wanted(config, "db", around).spec.mounts == ()


def test_what_is_added_to_the_python_path_loses_nothing_and_knows_the_service() -> None:
    config = _config("  web: {environment: {PYTHONPATH: /own}}\n  worker: {}\n  db: {mount: false}")
    extra = Extra(environment={"DEVBOX_TRACE_SERVICE": "{service}"}, python_path="/tracer")
    around = replace(_around(extra), image_variables={"shop-dev": {"PYTHONPATH": "/image"}})
    web, worker, db = (_wanted(config, name, around).spec.environment for name in ("web", "worker", "db"))
    assert (web["PYTHONPATH"], web["DEVBOX_TRACE_SERVICE"]) == ("/tracer:/own", "web")
    assert (worker["PYTHONPATH"], worker["DEVBOX_TRACE_SERVICE"]) == ("/tracer:/image", "worker")
    assert "PYTHONPATH" not in db


@pytest.mark.parametrize(
    ("text", "container", "local"),
    [
        ("8000", 8000, 8000),
        ("9000:8000", 8000, 9000),
        ("127.0.0.1:9000:8000/tcp", 8000, 9000),
        ("[::1]:1:2", 2, 1),
    ],
)
def test_ports_as_they_are_written(text: str, container: int, local: int) -> None:
    assert PortWish.parse(text) == PortWish(container, local)


def test_what_is_forwarded_follows_from_labels_and_published_ports() -> None:
    one = _wanted(_config("  web: {ports: ['9000:8000', '8001']}"), "web")
    from devbox.ports.daemon import Published

    running = replace(_container(one), ports=(Published(8000, 32768), Published(8001, 32769)))
    found = [(wish.service, wish.local, str(wish.target)) for wish in wishes([running])]
    assert found == [("web", 9000, "127.0.0.1:32768"), ("web", 8001, "127.0.0.1:32769")]
    assert wishes([replace(running, state="exited")]) == []
    assert model.service_of(running) == "web"
