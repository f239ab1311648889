"""Which lines of the kernels ran, by the compiler's own counters.

Build with ``FASTCORE_COVERAGE=1``, run what should cover the kernels (counters are written as a process exits, and
those of one that ends by ``os._exit`` or a signal are lost), then ``python tests/kernel_coverage.py --fail-under 97``.
``gcov`` counts lines of the generated C; Cython names the line of the ``.pyx`` in a comment before each statement,
and lines of headers count as they are. A line of a fused function counts once for each of its specialisations.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# A statement, by file and number; or code that no line of the source stands for.
COMMENT = re.compile(r'\s*/\* "([^"]+)":(\d+)$')
NOBODYS = re.compile(r"\s*/\* (Python wrapper|function exit code) \*/")
FUSED = re.compile(r"__pyx_fuse_([0-9_]*[0-9])")

# (file, line, specialisation): how often it ran.
Counts = dict[tuple[str, int, str], int]


def statements(c: Iterable[str]) -> Iterator[tuple[str, int] | None]:
    """For each line of generated C, the file and line that it was generated from."""
    here = None
    for line in c:
        if found := COMMENT.match(line):
            here = found[1], int(found[2])
        elif NOBODYS.match(line):
            here = None
        yield here


def add(counts: Counts, report: dict[str, Any], c_name: str, c: Iterable[str], sources: dict[str, str]) -> None:
    """Add one report of gcov; `sources` maps the names of files, without folders, to where they stand."""
    origin = list(statements(c))
    for file in report["files"]:
        generated = file["file"] == c_name
        for line in file["lines"]:
            number = line["line_number"]
            place = origin[number - 1] if generated else (file["file"], number)
            # Cython names a .pxd as it was found on the include path, and compiles copies of headers.
            source = sources.get(Path(place[0]).name) if place else None
            if source is None:
                continue
            found = FUSED.search(line.get("function_name", "")) if generated else None
            key = source, place[1], found[1] if found else ""
            counts[key] = counts.get(key, 0) + line["count"]


def measure(build: Path) -> Counts:
    """Sum the counters of every module under `build`."""
    sources = {path.name: str(path) for path in Path("pyx").glob("*/*") if path.suffix in (".pyx", ".pxd", ".h")}
    counts: Counts = {}
    for notes in sorted(build.rglob("*.gcno")):
        with tempfile.TemporaryDirectory() as folder:
            command = ["gcov", "--json-format", str(notes.absolute())]
            # The paths within are relative to where the compiler ran, and stay as they are.
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            for packed in Path(folder).glob("*.gcov.json.gz"):
                report = json.loads(gzip.decompress(packed.read_bytes()))
                (c_name,) = {f["file"] for f in report["files"] if f["file"].endswith(f"/{notes.stem}.c")}
                add(counts, report, c_name, Path(c_name).read_text(encoding="utf-8").split("\n"), sources)
    return counts


def ranges(lines: list[int]) -> str:
    """Write sorted numbers shortly: 3-5, 9."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in parts)


def table(counts: Counts) -> Iterator[str]:
    """What of each file ran, and the lines that didn't; a specialisation's number stands before its lines."""
    for name in sorted({key[0] for key in counts}):
        own = {key[1:]: count for key, count in counts.items() if key[0] == name}
        missed: dict[str, list[int]] = {}
        for (line, fused), count in sorted(own.items()):
            if not count:
                missed.setdefault(fused, []).append(line)
        share = sum(count > 0 for count in own.values()) / len(own)
        shown = "; ".join((f"[{fused}] " if fused else "") + ranges(lines) for fused, lines in missed.items())
        yield f"{name:<36}{len(own):>6}{100 * share:>8.1f}%  {shown}".rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(description="Print which lines of the kernels ran.")
    parser.add_argument("--fail-under", type=float, default=0, metavar="PERCENT")
    parser.add_argument("--build", type=Path, default=Path("build"), help="where the compiler's objects lie")
    options = parser.parse_args()
    counts = measure(options.build)
    if not counts:
        print("no counters: build with FASTCORE_COVERAGE=1 first", file=sys.stderr)
        return 2
    print("\n".join(table(counts)))
    share = 100 * sum(count > 0 for count in counts.values()) / len(counts)
    print(f"{len(counts)} lines of kernels, {share:.1f} % ran")
    if share < options.fail_under:
        print(f"less than {options.fail_under} %", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
