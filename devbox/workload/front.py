"""The gateway as a process: nginx where there is one, else the small one; and the spans of its access log."""

from __future__ import annotations

import sys
from threading import Event, Thread

from devbox.workload import hops
from devbox.workload.assembly import until_terminated
from devbox.workload.servers import accesslog, nginx
from devbox.workload.servers.gateway import Gateway
from devbox.workload.servers.threads import ThreadServer
from devbox.workload.settings import Settings

_LOOK = 0.05
"""Seconds between two looks at the access log."""

_FOLLOW = 40
"""Looks at the log between two looks at the services' addresses and the log's length."""


def serve(settings: Settings) -> None:
    """Run the gateway until SIGTERM."""
    hops.start("gateway")
    stop = Event()
    if settings.nginx:
        _serve_nginx(settings, stop)
    else:
        server = ThreadServer((settings.listen, settings.gateway), Gateway(settings))
        Thread(target=server.serve_forever, daemon=True).start()
        until_terminated(stop)
        server.shutdown()


def _serve_nginx(settings: Settings, stop: Event) -> None:
    proxy = nginx.Nginx(settings.state / "nginx", settings)
    proxy.start()
    watcher = Thread(target=_watch, args=(proxy, stop), daemon=True)
    watcher.start()
    until_terminated(stop)
    failed = proxy.ended
    proxy.stop()
    watcher.join()
    if failed is not None:
        sys.exit(f"nginx ended with exit code {failed}")


def _watch(proxy: nginx.Nginx, stop: Event) -> None:
    tail = accesslog.Tail(proxy.log)
    looks = 0
    while not stop.wait(_LOOK):
        if proxy.ended is not None:
            stop.set()
        _draw(tail)
        looks += 1
        if looks % _FOLLOW == 0:
            proxy.follow()
            proxy.rotate()
    _draw(tail)
    tail.close()


def _draw(tail: accesslog.Tail) -> None:
    lines = tail.lines()
    for line in lines:
        accesslog.record(line)
    if lines:
        tail.note()
