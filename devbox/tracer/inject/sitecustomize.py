"""First on PYTHONPATH: switches the recorder on in a program that knows nothing of it (`devbox up --trace`).

Python imports one `sitecustomize` at its start. Ours gives way to the next one on the path afterwards,
so that an
image that has its own still gets it. Whatever goes wrong here is said and then forgotten: a program must
start.
"""

import sys


def _switch_on() -> None:
    try:
        from devbox_tracer.outside import switch_on  # type: ignore[import-not-found]

        switch_on()
    except Exception as error:  # noqa: BLE001 - see above
        sys.stderr.write(f"devbox trace: not switched on: {error!r}\n")


def _run_the_next_one() -> None:
    from importlib.machinery import PathFinder
    from os.path import dirname, realpath

    here = realpath(dirname(__file__))
    spec = PathFinder.find_spec("sitecustomize", [one for one in sys.path if realpath(one or ".") != here])
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_switch_on()
_run_the_next_one()
