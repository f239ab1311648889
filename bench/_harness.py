"""Interleaved timing of several ways to compute the same thing.

A workload makes its input once; every runner's output is compared with fastcore's before anything is
timed; then the runners take turns (A B C A B C ...), so that a noisy machine slows all of them alike, and
ratios are taken turn by turn. Peak memory is that of one run in a forked child.
"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastcore import use_backend

MISSING = (ImportError,)


@dataclass(frozen=True)
class Workload:
    """One computation and the ways to do it.

    Attributes
    ----------
    name : str
        ``"domain.what"``, as given on the command line.
    make : callable
        Makes the input.
    runners : dict
        Name -> function of the input. The first is ``"fastcore"``. A runner may be a *factory* marked with
        `prepared`, which gets the input and returns a function without arguments, so that set-up which the
        peer's user does once isn't timed. One that raises ImportError is reported as missing.
    equal : callable, optional
        (fastcore's output, another's output, runner's name) -> bool or a short text; default ``==``.
    twin : bool
        Also run the first runner on the reference backend, on `twin_make`'s smaller input if given.
    amount : callable, optional
        input -> (number, unit), to print a rate.
    heavy : set of str
        Runners so slow that they get one turn.
    """

    name: str
    make: Callable[[], Any]
    runners: dict[str, Callable[[Any], Any]]
    equal: Callable[[Any, Any, str], bool | str] | None = None
    twin: bool = True
    twin_make: Callable[[], Any] | None = None
    amount: Callable[[Any], tuple[float, str]] | None = None
    heavy: frozenset[str] = field(default_factory=frozenset)


def prepared(factory: Callable[[Any], Callable[[], Any]]) -> Callable[[Any], Callable[[], Any]]:
    """Mark a runner as a factory: set-up outside, the returned function inside the timing."""
    factory.prepared = True  # type: ignore[attr-defined]
    return factory


def _bind(runner: Callable[[Any], Any], data: Any) -> Callable[[], Any]:
    return runner(data) if getattr(runner, "prepared", False) else lambda: runner(data)


def _turn(call: Callable[[], Any]) -> tuple[float, float]:
    gc.collect()
    gc.disable()
    try:
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        return time.perf_counter() - wall, time.process_time() - cpu
    finally:
        gc.enable()


def peak_memory(call: Callable[[], Any]) -> float:
    """Return by how many MB one call raises the peak resident memory, measured in a forked child."""
    if not hasattr(os, "fork"):
        return float("nan")
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
            before = _peak()
            call()
            os.write(write, repr((_peak() - before) / 1024).encode())
        except BaseException:
            os.write(write, b"nan")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        answer = file.read()
    os.waitpid(child, 0)
    return float(answer or "nan")


def _peak() -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return float(line.split()[1])
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def run(workload: Workload, turns: int = 5, memory: bool = True) -> dict[str, Any]:
    """Compare, time and measure one workload; return a JSON-able record."""
    data = workload.make()
    calls: dict[str, Callable[[], Any]] = {}
    record: dict[str, Any] = {"name": workload.name, "runners": {}, "missing": []}
    if workload.amount is not None:
        record["amount"], record["unit"] = workload.amount(data)
    expected = None
    for name, runner in workload.runners.items():
        try:
            call = _bind(runner, data)
            output = call()
        except MISSING as error:
            record["missing"].append(f"{name} ({error})")
            continue
        calls[name] = call
        entry: dict[str, Any] = {"wall": [], "cpu": []}
        if expected is None:
            expected = output
        elif workload.equal is None:
            entry["equal"] = bool(output == expected)
        else:
            entry["equal"] = workload.equal(expected, output, name)
        record["runners"][name] = entry
        del output
    del expected
    if not calls:
        return record  # its table says what is missing
    first = next(iter(calls))
    for turn in range(turns):
        for name, call in calls.items():
            if turn and name in workload.heavy:
                continue
            wall, cpu = _turn(call)
            record["runners"][name]["wall"].append(wall)
            record["runners"][name]["cpu"].append(cpu)
    if workload.twin:
        small = workload.twin_make() if workload.twin_make else data
        fast = _bind(workload.runners[first], small)
        fast()
        with use_backend("reference"):
            slow = _bind(workload.runners[first], small)
            slow_wall, slow_cpu = _turn(slow)
        record["twin"] = {
            "wall": [slow_wall],
            "cpu": [slow_cpu],
            "fastcore_wall": [_turn(fast)[0] for _ in range(3)],
        }
        record["twin"]["ratio"] = slow_wall / statistics.median(record["twin"]["fastcore_wall"])
    for name, entry in record["runners"].items():
        entry["median"] = statistics.median(entry["wall"])
        pairs = zip(entry["wall"], record["runners"][first]["wall"])
        entry["ratio"] = statistics.median(theirs / ours for theirs, ours in pairs)
        entry["peak_mb"] = peak_memory(calls[name]) if memory else float("nan")
    return record


def table(record: dict[str, Any]) -> str:
    """Format one record for people."""
    amount, unit = record.get("amount"), record.get("unit", "")
    lines = [f"\n{record['name']}" + (f"  ({amount:,.4g} {unit})" if amount else "")]
    lines.append(f"  {'':<28}{'median s':>11}{'cpu s':>10}{'ratio':>9}{'rate':>18}{'peak MB':>10}  equal")
    for name, entry in record["runners"].items():
        rate = f"{amount / entry['median']:,.4g} {unit}/s" if amount else ""
        lines.append(
            f"  {name:<28}{entry['median']:>11.4g}{statistics.median(entry['cpu']):>10.3g}{entry['ratio']:>8.2f}x"
            f"{rate:>18}{entry['peak_mb']:>10.1f}  {entry.get('equal', '-')}"
        )
    if "twin" in record:
        lines.append(
            f"  {'twin (pure Python)':<28}{record['twin']['wall'][0]:>11.4g}{'':>10}{record['twin']['ratio']:>8.1f}x"
        )
    lines += [f"  missing: {name}" for name in record["missing"]]
    return "\n".join(lines)
