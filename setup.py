"""Build the compiled kernels: ``pyx/chain/chain.pyx`` becomes ``fastcore._kernels.chain``.

A domain of several kernel modules is a package: ``pyx/ngrams/rows.pyx`` becomes ``fastcore._kernels.ngrams.rows``.

Hot modules are compiled again for newer x86-64 levels as ``fastcore._kernels.v3.NAME`` and
``.v4.NAME``, as far as the compiler can; ``fastcore/_isa.py`` picks one at import. Environment
switches, for builds only:

``FASTCORE_DEBUG=1``     bounds, overflow-free indexing and initialisation checks on, assertions on
``FASTCORE_SANITIZE=1``  address and undefined-behaviour sanitizers
``FASTCORE_COVERAGE=1``  the compiler's own counters, which ``tests/kernel_coverage.py`` reads
``FASTCORE_NATIVE=1``    one build with ``-march=native`` instead of the variants, to measure against
``FASTCORE_QUICK=1``     the same at ``-O1``, which compiles in half the time, for builds that are tested once
"""

import copy
import os
import platform
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

# Modules whose inner loops gain from vectors; the others are built once.
HOT = {
    "chain",
    "crf.features",
    "crf.online",
    "embeddings",
    "hmm",
    "lexicon.segmenter",
    "lexicon.trie",
    "nce",
    "ngrams.rows",
    "ngrams.symbols",
    "ode",
    "reactions",
    "recurrence.cells",
    "recurrence.logs",
    "recurrence.scans",
    "recurrence.selective",
}
# Modules whose twin agrees to a tolerance, so that a*b+c may become one instruction.
CONTRACTED = {"chain", "crf.features", "hmm", "recurrence.cells", "recurrence.logs", "recurrence.selective"}
# The levels of the x86-64 psABI. Spelled out: compilers older than their names (GCC before 11) know the features.
V3 = ["-mpopcnt", "-mcx16", "-mavx2", "-mbmi", "-mbmi2", "-mf16c", "-mfma", "-mlzcnt", "-mmovbe", "-mxsave"]
V4 = ["-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
LEVELS = {"v3": V3, "v4": [*V3, *V4]}


def switch(name: str) -> bool:
    return os.environ.get(f"FASTCORE_{name}", "0") not in ("", "0")


SWITCHES = "DEBUG", "SANITIZE", "COVERAGE", "NATIVE", "QUICK"
DEBUG, SANITIZE, COVERAGE, NATIVE, QUICK = map(switch, SWITCHES)
MODE = "-".join(["build", *(name.lower() for name in SWITCHES if switch(name))])
MSVC = sys.platform == "win32"
X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32


def compile_args(name: str) -> list[str]:
    if MSVC:
        return ["/O2"]
    args = ["-O1" if SANITIZE or COVERAGE or QUICK else "-O2" if DEBUG else "-O3"]
    args += ["-g" if SANITIZE else "-g0", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wno-unused-function"]
    args.append("-ffp-contract=" + ("fast" if name in CONTRACTED else "off"))
    if SANITIZE:
        args += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    if COVERAGE:
        args.append("--coverage")
    if NATIVE or QUICK:
        args.append("-march=native")
    if QUICK:
        args.append("-fexpensive-optimizations")  # without which GCC contracts nothing
    return args


def link_args() -> list[str]:
    return [*["-fsanitize=address,undefined"] * SANITIZE, *["--coverage"] * COVERAGE]


def kernel_name(path: Path) -> str:
    """What a ``.pyx`` is called below ``fastcore._kernels``."""
    alone = path.stem == path.parent.name or path.parent.name == "shared"
    return path.stem if alone else f"{path.parent.name}.{path.stem}"


def extension(path: Path, source: str | None = None, level: str | None = None) -> Extension:
    """The kernel module of a ``.pyx``, from the C that an earlier extension generated if `source` names it."""
    package, name = "fastcore._kernels" + (f".{level}" if level else ""), kernel_name(path)
    # A header's change rebuilds its own domain only, one of the shared ones all.
    folders = ["pyx/shared", str(path.parent)]
    return Extension(
        f"{package}.{name}",
        [source or str(path)],
        include_dirs=folders,
        depends=sorted(
            str(p) for folder in folders for p in Path(folder).iterdir() if p.suffix in (".h", ".pxd", ".pxi")
        ),
        define_macros=[("FASTCORE_MODE", f'"{MODE}"')],
        extra_compile_args=compile_args(name) + (LEVELS[level] if level else []),
        extra_link_args=link_args(),
    )


def extensions() -> list[Extension]:
    paths = sorted(Path("pyx").glob("*/*.pyx"))
    shared = Extension(
        "fastcore._kernels._cyutility",
        ["pyx/_cyutility.c"],
        define_macros=[("FASTCORE_MODE", f'"{MODE}"')],
        extra_compile_args=compile_args("_cyutility"),
        extra_link_args=link_args(),
    )
    base = cythonize(
        [shared] + [extension(path) for path in paths],
        include_path=sorted({"pyx/shared", *(str(path.parent) for path in paths)}),
        build_dir=f"build/{MODE}",
        annotate=switch("ANNOTATE"),
        shared_utility_qualified_name="fastcore._kernels._cyutility",
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": DEBUG,
            "freethreading_compatible": True,
            "embedsignature": False,
        },
    )
    if X86 and not (MSVC or any(map(switch, SWITCHES))):
        generated = {ext.name.removeprefix("fastcore._kernels."): ext.sources[0] for ext in base}
        hot = [(path, generated[kernel_name(path)]) for path in paths if kernel_name(path) in HOT]
        base += [extension(path, source, level) for level in LEVELS for path, source in hot]
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

    def build_extensions(self) -> None:
        for level, flags in LEVELS.items():
            if not self.compiles_for(level, flags):
                self.extensions = [ext for ext in self.extensions if f"._kernels.{level}." not in ext.name]
        super().build_extensions()

    def compiles_for(self, level: str, flags: list[str]) -> bool:
        """Ask the compiler once, if there is anything to build for a level, and say it where it can't."""
        if not any(flags == ext.extra_compile_args[-len(flags) :] for ext in self.extensions):
            return True
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder, "probe.c")
            probe.write_text("#include <immintrin.h>\nint main(void) { return 0; }\n")
            try:
                self.compiler.compile([str(probe)], output_dir=folder, extra_postargs=flags)
            except CompileError:
                print(f"warning: this compiler can't build for x86-64-{level}: slower kernels will serve there")
                return False
        return True

    def build_extension(self, ext: Extension) -> None:
        # The variants of a kernel share one C file: each needs its own folder for the object made of it.
        own = copy.copy(self)
        own.build_temp = str(Path(self.build_temp, ext.name))
        super(BuildExt, own).build_extension(ext)


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExt})
