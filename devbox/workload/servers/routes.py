"""What the gateway hands to whom: the same for nginx and for the small one of the standard library."""

from __future__ import annotations

from pathlib import Path

from devbox.rendering import templates_dir
from devbox.workload.contract import route

ROUTES = {
    "/orders": "order",
    "/products": "order",
    "/users": "user",
    "/payments": "payment",
    "/notifications": "notify",
    "/control": "order",
}
"""Beginnings of paths, and the service that answers them."""


def service_of(path: str) -> str | None:
    """The service that answers a path, if any does."""
    return next((to for head, to in ROUTES.items() if path == head or path.startswith(head + "/")), None)


def name_of(method: str, path: str) -> str:
    """The name of a request's span: the route, not the path, so that equal work has equal names."""
    service = service_of(path)
    found = route(service, method, path) if service else None
    if found:
        return f"{method} {found[0].path}"
    return f"{method} {path if service or path == '/' else '(no route)'}"


def page() -> Path:
    """The shop's page."""
    return templates_dir() / "web" / "shop.html"
