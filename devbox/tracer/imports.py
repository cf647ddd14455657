"""Reach modules as they are imported: record all their functions (`instrument`), or adapt them
(`when_imported`).
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader

from .functions import KEPT_DUNDERS, traced
from .places import INSTALLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import Any


class _Finder:
    """First in sys.meta_path: lets the others find, and changes how what they found is loaded."""

    def __init__(self) -> None:
        self.prefixes: tuple[str, ...] = ()
        self.folders: tuple[str, ...] = ()
        self.waiting: dict[str, list[Callable[[ModuleType], None]]] = {}
        self._inside: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        wanted = _below(name, self.prefixes)
        if not (wanted or self.folders or name in self.waiting) or name in self._inside:
            return None
        self._inside.add(name)
        try:
            spec = _find(name, path)
        finally:
            self._inside.discard(name)
        if spec is None or spec.loader is None:
            return None
        wanted = wanted or self._inside_folders(spec.origin)
        if wanted and type(spec.loader) is SourceFileLoader:
            spec.loader = _TracingLoader(spec.loader.name, spec.loader.path)
        elif name not in self.waiting:
            return None
        if name in self.waiting:
            spec.loader = _AfterLoader(spec.loader, self.waiting.pop(name))  # type: ignore[assignment]
        return spec

    def _inside_folders(self, origin: str | None) -> bool:
        """Whether a file is the application's own: in its folders, but not what was installed there."""
        if not origin or not origin.startswith(self.folders or ("\0",)):
            return False
        return not INSTALLED.intersection(origin.split(os.sep))


def _below(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in prefixes)


def _find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, path) if find else None
        if spec is not None:
            return spec
    return None


class _TracingLoader(SourceFileLoader):
    """Compiles with every function recorded (see `rewrite`).

    Wrapping a finished module would miss what decorators have already passed on (a web framework's routes).
    The result is never cached: the .pyc files stay those of the untouched source.
    """

    def path_stats(self, path: Any) -> Any:
        raise OSError("compiled anew each time")

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        import ast

        from .rewrite import recorded

        try:
            tree = ast.parse(data, path)
            recorded(tree)
            code: CodeType = compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)
        except RecursionError:  # Python's compiler goes deeper than its trees do: such a module stays dark
            code = super().source_to_code(data, path, _optimize=_optimize)
        return code


class _AfterLoader:
    """Another loader, and then some callbacks with the loaded module."""

    def __init__(self, loader: Any, callbacks: list[Callable[[ModuleType], None]]) -> None:
        self._loader = loader
        self._callbacks = callbacks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        found: ModuleType | None = self._loader.create_module(spec)
        return found

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for callback in self._callbacks:
            callback(module)


def finder() -> _Finder:
    for one in sys.meta_path:
        if isinstance(one, _Finder):
            return one
    made = _Finder()
    sys.meta_path.insert(0, made)
    return made


def instrument(*modules: str) -> None:
    """Record every function of these modules and of all below them, from when they are imported.

    Modules that are already imported have the functions and methods that their namespaces hold replaced; what
    they have handed to others before that stays as it was, so call this first of all.
    """
    hook = finder()
    hook.prefixes = tuple(dict.fromkeys(hook.prefixes + modules))
    for name, module in list(sys.modules.items()):
        if module is not None and _below(name, modules):
            _wrap_namespace(module, name)


def _wrap_namespace(owner: Any, module: str) -> None:
    for name, value in list(vars(owner).items()):
        if name.startswith("__") and name not in KEPT_DUNDERS:
            continue
        if isinstance(value, type) and value.__module__ == module:
            _wrap_namespace(value, module)
        elif isinstance(value, (staticmethod, classmethod)):
            setattr(owner, name, type(value)(traced(value.__func__)))
        elif getattr(value, "__module__", None) == module and (wrapped := traced(value)) is not value:
            setattr(owner, name, wrapped)


def when_imported(name: str, callback: Callable[[ModuleType], None]) -> None:
    """Call back with the module: now when it is there, else right after its import. Imports nothing
    itself.
    """
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if module is not None and not getattr(spec, "_initializing", False):
        callback(module)
    else:
        finder().waiting.setdefault(name, []).append(callback)
