"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import platform
import sys
from pathlib import Path

import bench
from bench import _data, dsmts, setup, standins
from bench._harness import Workload, run, table
from fastcore._config import config

# What isn't a race between runners.
APART = ("dsmts", "setup", "standins")


def workloads() -> dict[str, Workload]:
    """Collect the workloads of every benchmark module."""
    found = {}
    for module in pkgutil.iter_modules(bench.__path__):
        if not module.name.startswith("_") and module.name not in APART:
            for workload in importlib.import_module(f"bench.{module.name}").WORKLOADS:
                found[workload.name] = workload
    return found


def cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def plot(records: list[dict], path: Path) -> None:
    """Draw each workload's ratios to fastcore, on a log axis."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot: matplotlib isn't installed", file=sys.stderr)
        return
    bars = [
        (f"{r['name']}: {name}", entry["ratio"]) for r in records for name, entry in list(r["runners"].items())[1:]
    ] + [(f"{r['name']}: twin", r["twin"]["ratio"]) for r in records if "twin" in r]
    if not bars:
        return
    figure = Figure(figsize=(9, 1 + 0.3 * len(bars)), layout="constrained")
    axes = figure.subplots()
    axes.barh([b[0] for b in bars], [b[1] for b in bars])
    axes.set(xscale="log", xlabel="time relative to fastcore")
    axes.axvline(1, color="black", lw=1)
    axes.invert_yaxis()
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Time fastcore beside its twins and every installed peer."
    )
    parser.add_argument(
        "names",
        nargs="*",
        help="workloads, or domains, or prefixes of names (default: all); 'setup' for the first calls on large input; "
        "'dsmts' for the stochastic test suite; 'standins' to write what takes the place of corpora that don't ship",
    )
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--turns", type=int, default=5, help="interleaved runs of each (default 5)")
    parser.add_argument("--no-memory", action="store_true", help="don't measure peak memory")
    parser.add_argument("--no-twin", action="store_true", help="don't run the slow twin")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="folder for JSON and plot")
    options = parser.parse_args()
    if options.names == ["standins"]:
        standins.write(_data.OWN)
        return 0
    if options.names == ["dsmts"]:
        return dsmts.main(options.out)
    if options.names == ["setup"]:
        return setup.main(options.out)
    found = workloads()
    names = [n for n in found if not options.names or any(n.startswith(p) for p in options.names)]
    if options.list or not names:
        print("\n".join(found))
        return 0 if options.list else 2
    print(f"{cpu_name()}, {config()}")
    if _data.folder() == _data.OWN:
        print("texts: stand-ins (bench/standins.py)")
    records = []
    for name in names:
        workload = found[name]
        if options.no_twin:
            workload = Workload(**{**workload.__dict__, "twin": False})
        try:
            records.append(run(workload, options.turns, not options.no_memory))
        except FileNotFoundError as error:
            print(f"\n{name}\n  skipped: its data is missing ({error})")
            continue
        print(table(records[-1]), flush=True)
    options.out.mkdir(exist_ok=True)
    stem = "-".join(options.names) or "all"
    result = {"cpu": cpu_name(), "config": config(), "workloads": records}
    (options.out / f"{stem}.json").write_text(json.dumps(result, indent=1, default=str), encoding="utf-8")
    plot(records, options.out / f"{stem}.png")
    wrong = [f"{r['name']}: {name}" for r in records for name, e in r["runners"].items() if e.get("equal") is False]
    if wrong:
        print("\nOutputs differ from fastcore's:", *wrong, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
