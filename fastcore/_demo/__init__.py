"""``fastcore demo``: every system once, on real text and models that ship with the package."""

from __future__ import annotations

import json
import time
from pathlib import Path

from .._backend import active_backend
from .._config import config
from .._whole import whole_file
from . import _labels, _reactions, _text, _trust
from ._report import Report

SECTIONS = (
    ("1. Text", _text.run),
    ("2. Labels and trees", _labels.run),
    ("3. Reactions", _reactions.run),
    ("4. Trust", _trust.run),
)


def run(out: Path, *, plot: bool = True) -> int:
    """Run the demo, write ``<out>.json`` and ``<out>.png``, return 1 if anything differed from what it must be."""
    start = time.perf_counter()
    report = Report(small=active_backend() == "reference")
    out.parent.mkdir(parents=True, exist_ok=True)
    for title, section in SECTIONS:
        print(f"\n{title}\n{'=' * len(title)}")
        section(report)
    report.data["config"] = config()
    report.data["seconds"] = time.perf_counter() - start
    report.data["mismatches"] = report.mismatches
    text = json.dumps(report.data, ensure_ascii=False, indent=1, default=float)
    with whole_file(out.with_suffix(".json")) as file:
        file.write(f"{text}\n".encode())
    print(f"\nNumbers: {out.with_suffix('.json')}")
    if plot:
        from ._picture import draw

        draw(report, out.with_suffix(".png"))
        print(f"Picture: {out.with_suffix('.png')}")
    for mismatch in report.mismatches:
        print(f"MISMATCH: {mismatch}")
    verdict = f"{len(report.mismatches)} mismatches" if report.mismatches else "everything as it must be"
    print(f"{report.data['seconds']:.1f} s, {verdict}")
    return 1 if report.mismatches else 0
