"""What is installed and what would run."""

import platform
import sys
from importlib import import_module
from typing import Any

from . import _isa
from ._backend import KERNELS, active_backend
from ._workers import cpu_count


def config() -> dict[str, Any]:
    """Collect versions, the build, the processor's instruction sets and the kernels' variants."""
    import numpy
    import scipy

    from . import __version__

    built = _isa.is_built("_platform")
    found: dict[str, Any] = {
        "fastcore": __version__,
        "python": sys.version.split()[0],
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": cpu_count(),
        "backend": active_backend(),
    }
    if built:
        here = import_module("fastcore._kernels._platform")
        found["compiler"] = here.compiler()
        found["build"] = here.build_mode()
        found["isa_available"] = list(_isa.available())
        found["isa_selected"] = _isa.selected()
        found["kernels"] = {name: _isa.variant(_isa.load(name)) for name in KERNELS if _isa.is_built(name)}
    else:
        found["build"] = "not built"
    return found


def show_config() -> None:
    """Print versions, the build and the instruction set of each kernel.

    Examples
    --------
    >>> import fastcore
    >>> fastcore.show_config()  # doctest: +ELLIPSIS
    fastcore       ...
    """
    for key, value in config().items():
        if isinstance(value, dict):
            value = ", ".join(f"{k}={v}" for k, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        print(f"{key:<14} {value}")
