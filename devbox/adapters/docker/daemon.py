"""`ports.daemon.Daemon` over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, cast

from devbox.adapters.docker import attached, choosing, refusals, shapes
from devbox.adapters.docker.credentials import header_for
from devbox.adapters.docker.http import Dial, Http
from devbox.errors import DaemonError, DaemonRefused
from devbox.ports.build import BuildContext, BuildEvent, BuildRequest
from devbox.ports.daemon import (
    Container,
    ContainerSpec,
    Engine,
    ExecSpec,
    Happening,
    Image,
    Output,
)
from devbox.ports.registry import login

_NANO = 1_000_000_000
_LOOK = 0.1


class DockerDaemon:
    """A daemon behind whatever `dial` opens; `where` names it in messages."""

    def __init__(self, dial: Dial, where: str, duplex: Dial | None = None) -> None:
        self._http = Http(dial, where, duplex)
        self._engine: Engine | None = None

    def __enter__(self) -> DockerDaemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._asked_engine()
        return self._engine

    def _asked_engine(self) -> Engine:
        answer = self._http.call("GET", "/version")
        info = self._http.call("GET", "/info")
        selinux = any(option.startswith("name=selinux") for option in info.get("SecurityOptions") or ())
        platform = f"{answer['Os']}/{answer['Arch']}"
        return Engine(answer["Version"], self._http.api, platform, selinux, info["DockerRootDir"])

    def build(
        self, request: BuildRequest, context: BuildContext
    ) -> AbstractContextManager[Iterator[BuildEvent]]:
        return choosing.build(self._http, request, context)

    def image(self, name: str) -> Image | None:
        entry = self._http.find(f"/images/{name}/json")
        return shapes.image(entry) if entry else None

    def reclaimable(self) -> int:
        cache = self._http.call("GET", "/system/df").get("BuildCache") or ()
        return sum(record["Size"] for record in cache if not record["InUse"])

    def pull(self, name: str, progress: Callable[[str], None]) -> None:
        reference = name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"
        header = header_for(name)
        headers = {"X-Registry-Auth": header} if header else {}
        try:
            with self._http.stream("POST", "/images/create", {"fromImage": reference}, headers) as response:
                for line in response:
                    message = json.loads(line)
                    if "error" in message:
                        raise DaemonError(f"cannot pull {name}", why=message["error"])
                    progress(" ".join(str(message[key]) for key in ("id", "status") if key in message))
        except DaemonError as error:
            steps = login(reference, error.why) or error.next_steps
            raise DaemonError(
                f"cannot pull {name}", where=self._http.where, why=error.why, next_steps=steps
            ) from error

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        found = self._http.call("GET", "/containers/json", {"all": True, "filters": _filters(labels)})
        return [shapes.listed(entry) for entry in found]

    def container(self, name: str) -> Container | None:
        entry = self._http.find(f"/containers/{name}/json")
        return shapes.inspected(entry) if entry else None

    def create(self, spec: ContainerSpec) -> str:
        try:
            body = shapes.create_body(spec)
            made = str(self._http.call("POST", "/containers/create", {"name": spec.name}, body)["Id"])
            for network in spec.also:
                body = {"Container": made, "EndpointConfig": shapes.endpoint(spec, network)}
                self._http.call("POST", f"/networks/{network}/connect", None, body)
        except DaemonRefused as refused:
            raise refusals.creation(spec, refused) from refused
        return made

    def start(self, container: str) -> None:
        try:
            self._http.call("POST", f"/containers/{container}/start")
        except DaemonRefused as refused:
            raise refusals.starting(refused) from refused

    def stop(self, container: str) -> None:
        self._http.unless_missing("POST", f"/containers/{container}/stop")

    def remove(self, container: str, volumes: bool = True) -> None:
        try:
            self._http.unless_missing("DELETE", f"/containers/{container}", {"force": True, "v": volumes})
        except DaemonRefused as refused:
            if refused.status != 409 or "already in progress" not in refused.why:
                raise

    def wait(self, container: str) -> int:
        with self._http.stream("POST", f"/containers/{container}/wait") as response:
            return int(json.loads(response.read())["StatusCode"])

    @contextmanager
    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None, since: int = 0
    ) -> Iterator[Iterator[Output]]:
        entry = self._http.call("GET", f"/containers/{container}/json")
        tty = entry["Config"]["Tty"]
        query: dict[str, Any] = {"stdout": True, "stderr": True, "follow": follow, "timestamps": not tty}
        query["tail"] = "all" if tail is None else tail
        if since:
            query["since"] = f"{since // _NANO}.{since % _NANO:09}"
        with self._http.stream("GET", f"/containers/{container}/logs", query) as response:
            stream = cast("BinaryIO", response)
            yield attached.raw(stream) if tty else attached.stamped(attached.frames(stream))

    def attach(self, container: str, tty: bool) -> attached.Session:
        query = {"stream": True, "stdin": True, "stdout": True, "stderr": True}
        sock, rest = self._http.upgrade(f"/containers/{container}/attach", query, None)
        resize = f"/containers/{container}/resize"
        return attached.Session(sock, rest, tty, self._resizer(resize), self._next_exit(container))

    def exec(self, container: str, spec: ExecSpec) -> attached.Session:
        body = {
            "AttachStdin": spec.stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": spec.tty,
            "Cmd": list(spec.command),
            "User": spec.user,
            "WorkingDir": spec.working_dir,
            "Env": [f"{key}={value}" for key, value in spec.environment.items()],
        }
        made = self._http.call("POST", f"/containers/{container}/exec", None, body)["Id"]
        sock, rest = self._http.upgrade(f"/exec/{made}/start", {}, {"Detach": False, "Tty": spec.tty})
        resizer = self._resizer(f"/exec/{made}/resize")
        return attached.Session(sock, rest, spec.tty, resizer, lambda: self._exec_code(made))

    def _exec_code(self, made: str) -> int:
        """A command's streams end before the daemon knows how it ended; long before, if it closed them."""
        while (found := self._http.call("GET", f"/exec/{made}/json"))["Running"]:
            time.sleep(_LOOK)
        return -1 if found["ExitCode"] is None else int(found["ExitCode"])

    def _resizer(self, path: str) -> Callable[[int, int], None]:
        return lambda rows, columns: self._http.unless_missing("POST", path, {"h": rows, "w": columns})

    def _next_exit(self, container: str) -> Callable[[], int]:
        """What waits for the exit code from now on: asked later, it might be of a container that is gone."""
        wire = self._http.open()
        path = self._http.path(f"/containers/{container}/wait", {"condition": "next-exit"})
        with self._http.failures():
            wire.request("POST", path)
            response = wire.getresponse()
        self._http.check(response)

        def code() -> int:
            with self._http.failures():
                text = response.read()
            wire.close()
            if not text.strip():
                raise DaemonError(
                    "the daemon went away", where=self._http.where, next_steps=["devbox doctor"]
                )
            return int(json.loads(text)["StatusCode"])

        return code

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        if self._http.find(f"/networks/{name}") is None:
            body = {"Name": name, "Labels": dict(labels), "CheckDuplicate": True}
            self._http.call("POST", "/networks/create", None, body)

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        if self._http.find(f"/volumes/{name}") is None:
            self._http.call("POST", "/volumes/create", None, {"Name": name, "Labels": dict(labels)})

    def remove_networks(self, labels: Mapping[str, str]) -> list[str]:
        found = self._http.call("GET", "/networks", {"filters": _filters(labels)})
        for network in found:
            self._http.unless_missing("DELETE", f"/networks/{network['Id']}")
        return [str(network["Name"]) for network in found]

    def remove_volumes(self, labels: Mapping[str, str]) -> list[str]:
        found = self._http.call("GET", "/volumes", {"filters": _filters(labels)})["Volumes"] or []
        for volume in found:
            self._http.unless_missing("DELETE", f"/volumes/{volume['Name']}")
        return [str(volume["Name"]) for volume in found]

    @contextmanager
    def events(self, labels: Mapping[str, str]) -> Iterator[Iterator[Happening]]:
        filters = {**_filters(labels), "type": ["container"]}
        with self._http.stream("GET", "/events", {"filters": filters}) as response:
            yield (_happening(json.loads(line)) for line in response)

    def run_once(self, image: str, command: Sequence[str]) -> str:
        spec = ContainerSpec(name="", image=image, entrypoint=(), command=tuple(command), network="none")
        made = self.create(spec)
        try:
            self.start(made)
            code = self.wait(made)
            with self.logs(made) as lines:
                pieces = list(lines)
        finally:
            self.remove(made)
        out = b"".join(piece.data for piece in pieces if not piece.error).decode(errors="replace")
        if code:
            said = b"".join(piece.data for piece in pieces).decode(errors="replace").strip()
            raise DaemonError(f"{command[0]} ended with {code} in {image}", where=self._http.where, why=said)
        return out


def _filters(labels: Mapping[str, str]) -> dict[str, list[str]]:
    return {"label": [f"{key}={value}" if value else key for key, value in labels.items()]}


def _happening(entry: Mapping[str, Any]) -> Happening:
    attributes = entry["Actor"]["Attributes"]
    return Happening(entry["Action"], entry["Actor"]["ID"], attributes.get("name", ""), attributes)
