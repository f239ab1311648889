"""Build the compiled kernels: ``pyx/NAME.pyx`` becomes ``fastcore._kernels.NAME``.

Hot modules are compiled again for newer x86-64 levels as ``fastcore._kernels.v3.NAME`` and
``.v4.NAME``; ``fastcore/_isa.py`` picks one at import. Environment switches, for builds only:

``FASTCORE_DEBUG=1``     bounds, overflow-free indexing and initialisation checks on, assertions on
``FASTCORE_SANITIZE=1``  address and undefined-behaviour sanitizers
``FASTCORE_TRACE=1``     line tracing of the ``.pyx`` for coverage
``FASTCORE_NATIVE=1``    one build with ``-march=native`` instead of the variants, to measure against
"""

import copy
import os
import platform
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Modules whose inner loops gain from vectors; the others are built once.
HOT = {"chain", "crf", "lexicon", "nce", "ngrams", "ode", "reactions", "recurrence"}
# Modules whose twin agrees to a tolerance, so that a*b+c may become one instruction.
CONTRACTED = {"chain", "crf"}
LEVELS = {"v3": ["-march=x86-64-v3"], "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"]}


def switch(name: str) -> bool:
    return os.environ.get(f"FASTCORE_{name}", "0") not in ("", "0")


DEBUG, SANITIZE, TRACE, NATIVE = (switch(name) for name in ("DEBUG", "SANITIZE", "TRACE", "NATIVE"))
MODE = "-".join(
    ["build", *(n for n, on in zip(("debug", "sanitize", "trace", "native"), (DEBUG, SANITIZE, TRACE, NATIVE)) if on)]
)
MSVC = sys.platform == "win32"
X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32


def compile_args(name: str) -> list[str]:
    if MSVC:
        return ["/O2"]
    args = ["-O1" if SANITIZE else "-O2" if DEBUG or TRACE else "-O3"]
    args += ["-g" if SANITIZE else "-g0", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wno-unused-function"]
    args.append("-ffp-contract=" + ("fast" if name in CONTRACTED else "off"))
    if SANITIZE:
        args += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    if NATIVE:
        args.append("-march=native")
    return args


def macros() -> list[tuple[str, str | None]]:
    defined: list[tuple[str, str | None]] = [("FASTCORE_MODE", f'"{MODE}"')]
    if TRACE:
        defined += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
    return defined


def extension(name: str, source: str, level: str | None = None) -> Extension:
    package = "fastcore._kernels" + (f".{level}" if level else "")
    return Extension(
        f"{package}.{name}",
        [source],
        include_dirs=["pyx"],
        depends=[str(p) for p in sorted(Path("pyx").glob("*.[hp]*")) if p.suffix in (".h", ".pxd")],
        define_macros=macros(),
        extra_compile_args=compile_args(name) + (LEVELS[level] if level else []),
        extra_link_args=["-fsanitize=address,undefined"] if SANITIZE else [],
    )


def extensions() -> list[Extension]:
    names = sorted(p.stem for p in Path("pyx").glob("*.pyx"))
    shared = Extension(
        "fastcore._kernels._cyutility",
        ["pyx/_cyutility.c"],
        define_macros=macros(),
        extra_compile_args=compile_args("_cyutility"),
        extra_link_args=["-fsanitize=address,undefined"] if SANITIZE else [],
    )
    base = cythonize(
        [shared] + [extension(name, f"pyx/{name}.pyx") for name in names],
        include_path=["pyx"],
        build_dir=None if TRACE else f"build/{MODE}",
        force=TRACE,
        annotate=switch("ANNOTATE"),
        shared_utility_qualified_name="fastcore._kernels._cyutility",
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": DEBUG,
            "freethreading_compatible": True,
            "linetrace": TRACE,
            "embedsignature": False,
        },
    )
    if X86 and not (MSVC or DEBUG or SANITIZE or TRACE or NATIVE):
        generated = {ext.name.rpartition(".")[2]: ext.sources[0] for ext in base}
        base += [extension(name, generated[name], level) for level in LEVELS for name in names if name in HOT]
    return base


class BuildExt(build_ext):
    """Build in parallel, and again from scratch when a switch changed since the last build."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        marker = Path("build/.mode")
        if marker.exists() and marker.read_text() != MODE:
            self.force = True
        marker.parent.mkdir(exist_ok=True)
        marker.write_text(MODE)

    def build_extension(self, ext: Extension) -> None:
        # The variants of a kernel share one C file: each needs its own folder for the object made of it.
        own = copy.copy(self)
        own.build_temp = str(Path(self.build_temp, ext.name))
        super(BuildExt, own).build_extension(ext)


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExt})
