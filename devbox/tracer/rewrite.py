"""A module's source, so that all its functions are recorded once it is compiled.

Functions and generators get `traced` as their innermost decorator. A coroutine function's body goes into a
`with` block instead: servers look at its signature, or call it with nothing to see whether it complains
(uvicorn), and a decorator's `async def` would complain only when awaited.
"""

from __future__ import annotations

import ast
import builtins

from .functions import KEPT_DUNDERS, traced
from .making import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Function = ast.FunctionDef | ast.AsyncFunctionDef

DECORATOR = "__devbox_traced__"
BLOCK = "__devbox_span__"
COMPILED = ("jit", "njit", "vectorize", "guvectorize", "overload", "no_trace")
"""Decorators whose functions are compiled by someone else, or are no functions at all: left alone."""


def recorded(tree: ast.Module) -> None:
    """Change `tree` in place; line numbers stay."""
    setattr(builtins, DECORATOR, traced)
    setattr(builtins, BLOCK, span)
    for node, path in list(_functions(tree)):
        if not _wanted(node):
            continue
        if isinstance(node, ast.AsyncFunctionDef) and not _yields(node):
            _into_block(node, path)
        else:
            name = ast.Name(DECORATOR, ast.Load())
            node.decorator_list.append(ast.copy_location(name, node))


def _functions(tree: ast.AST) -> Iterator[tuple[Function, str]]:
    """Every function, with its name as in `__qualname__`. Without recursion: expressions may be very deep."""
    waiting = [(tree, "")]
    while waiting:
        inside, path = waiting.pop()
        for node in ast.iter_child_nodes(inside):
            below = path
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                below = f"{path}.{node.name}"
                if not isinstance(node, ast.ClassDef):
                    yield node, below
            waiting.append((node, below))


def _wanted(node: Function) -> bool:
    if node.name.startswith("__") and node.name.endswith("__") and node.name not in KEPT_DUNDERS:
        return False
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if name in COMPILED:
            return False
    return True


def _yields(function: ast.AST) -> bool:
    """Whether a function is a generator: a yield of its own, not one of a function inside of it."""
    waiting = [function]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, (ast.Yield, ast.YieldFrom)):
                return True
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                waiting.append(node)
    return False


def _into_block(node: ast.AsyncFunctionDef, path: str) -> None:
    kept = 1 if ast.get_docstring(node, clean=False) is not None else 0
    name = ast.BinOp(ast.Name("__name__", ast.Load()), ast.Add(), ast.Constant(path))
    item = ast.withitem(ast.Call(ast.Name(BLOCK, ast.Load()), [name], []))
    block = ast.With([item], node.body[kept:] or [ast.copy_location(ast.Pass(), node)])
    node.body[kept:] = [ast.copy_location(block, node)]
    for one in ast.walk(item):
        ast.copy_location(one, node)
