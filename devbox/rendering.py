"""Templates: every file that devbox writes for a host, an IDE, a page or a project starts in `templates/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """The folder of templates: inside the package in a wheel, beside it in a checkout or an sdist."""
    packaged = _HERE / "templates"
    return packaged if packaged.is_dir() else _HERE.parent / "templates"


@cache
def environment(escape: bool) -> Environment:
    """The Jinja environment over all templates; `escape` for XML and HTML."""
    # Loaded here: the workload finds its files where there is nothing but the standard library.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(templates_dir()),
        undefined=StrictUndefined,
        autoescape=escape,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **values: Any) -> str:
    """Render `templates/NAME`; XML and HTML are escaped, a missing value is an error."""
    plain = name.removesuffix(".j2")
    escape = plain.endswith((".xml", ".html", ".iml", ".svg"))
    return environment(escape).get_template(name).render(**values)
