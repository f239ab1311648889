"""Refuse to run half-overwritten by the other distribution that is imported as ``fastcore``.

fast.ai's ``fastcore`` and this project's ``fastcore-kernels`` install into one folder. Only
``__init__.py`` has the same name in both, so the one installed last owns it: either way round the mix is
found here, and named, before anything half works.
"""

import sys
from pathlib import Path

# Modules that the other distribution has and this one never will.
_THEIRS = ("basics.py", "foundation.py", "xtras.py", "_modidx.py", "imports.py")

_CURE = (
    "the folder {folder} holds two distributions that are both imported as 'fastcore': 'fastcore-kernels' "
    "(this one) and fast.ai's 'fastcore'. Keep one of them in an environment, for this one:\n"
    "    python -m pip uninstall -y fastcore fastcore-kernels\n"
    "    python -m pip install fastcore-kernels\n"
    "or install the other into an environment of its own."
)


def check_name() -> None:
    """Raise ImportError, naming the cure, if the package's folder is shared with fast.ai's fastcore."""
    folder = Path(__file__).parent
    package = sys.modules.get("fastcore")
    ours = getattr(package, "__distribution__", None) == "fastcore-kernels"
    if not ours or any((folder / name).exists() for name in _THEIRS):
        raise ImportError(_CURE.format(folder=folder), name="fastcore")
