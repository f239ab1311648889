"""The Discrete Stochastic Models Test Suite: SBML in, moments of 10,000 runs beside the exact ones.

``python -m bench dsmts``. With n runs and an exact mean m and standard deviation s, ``sqrt(n) (mean - m) / s`` should
lie in (-3, 3), and ``sqrt(n/2) (variance / s**2 - 1)`` in (-5, 5), at each of 51 times; where s is 0, mean and variance
must be exact. Values along a run are strongly correlated, so that a few may lie outside by chance; a case is doubtful
if more do. Case 00003 is with most seeds: nearly all its runs die out, so that the excess kurtosis (by `fsp`, whose
mean and standard deviation are the suite's) is 93 at the end, and the second quantity spreads by 6.9 there, not by 1.

The cases are those that come with the tests; ``FASTCORE_DSMTS`` may name the folder ``cases/stochastic`` of a copy of
the SBML test suite (https://github.com/sbmlteam/sbml-test-suite), which has them all. Cases that need a package that
isn't supported are left out there, and counted.
"""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from fastcore.reactions import read_sbml, simulate

FOLDER = Path(os.environ.get("FASTCORE_DSMTS") or Path(__file__).parents[1] / "tests" / "dsmts")
# Values of a case that may lie outside: two of a hundred.
ALLOWED = 0.02


def cases() -> list[Path]:
    """What all files of a case begin with, up to its number as the suite writes it."""
    return sorted(path.with_name(path.name.partition("-")[0]) for path in FOLDER.rglob("*-results.csv"))


def exact(case: Path) -> dict[str, np.ndarray]:
    """Exact results of a case: ``time``, ``X-mean``, ``X-sd`` and so on."""
    with Path(f"{case}-results.csv").open(encoding="utf-8") as file:
        head, *rows = [row for row in csv.reader(file) if row]
    columns = np.array(rows, np.float64).T
    return {name.strip(): column for name, column in zip(head, columns)}


def deviations(values: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the moments of runs, shape (n, n_t), are off, in standard errors; infinite where they must be exact."""
    n = len(values)
    found, variance = values.mean(axis=0), values.var(axis=0, ddof=1)
    still = sd == 0
    scale = np.where(still, 1.0, sd)
    z = np.sqrt(n) * (found - mean) / scale
    y = np.sqrt(n / 2) * (variance / scale**2 - 1)
    z[still] = np.where(np.abs(found - mean)[still] < 1e-9, 0.0, np.inf)
    y[still] = np.where(variance[still] < 1e-9, 0.0, np.inf)
    return z, y


def measured(case: Path, n: int, level: str, seed: int, workers: int) -> dict[str, Any]:
    """Simulate a case, and count what lies outside."""
    expected = exact(case)
    begin, used = time.perf_counter(), time.process_time()
    network = read_sbml(f"{case}-sbml-{level}.xml")
    sol = simulate(network, None, (0, 50), expected["time"], n=n, rng=seed, workers=workers)
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    names = [name.removesuffix("-mean") for name in expected if name.endswith("-mean")]
    found = [deviations(sol[name], expected[f"{name}-mean"], expected[f"{name}-sd"]) for name in names]
    z, y = (np.abs(np.concatenate(part)) for part in zip(*found))
    outside = int((z >= 3).sum()), int((y >= 5).sum())
    return {
        "case": case.name,
        "seed": seed,
        "values": len(z),
        "means outside": outside[0],
        "deviations outside": outside[1],
        "largest z": float(z.max()),
        "largest y": float(y.max()),
        "events": int(sol.n_events.sum()),
        "seconds": seconds,
        "cpu seconds": used,
        "passed": bool(max(outside) <= ALLOWED * len(z)) and bool(np.isfinite(z).all() and np.isfinite(y).all()),
    }


def main(out: Path, n: int = 10_000, level: str = "l3v1", seed: int = 1, workers: int = -1) -> int:
    """Print the table and write it as JSON."""
    print(f"{'case':<7}{'values':>7}{'means out':>11}{'sd out':>8}{'max z':>8}{'max y':>8}{'events':>14}{'s':>8}")
    found, left_out = [], 0
    for case in cases():
        try:
            row = measured(case, n, level, seed, workers)
        except ValueError as error:
            if "the package" not in str(error):
                raise
            left_out += 1
            continue
        found.append(row)
        print(
            f"{row['case']:<7}{row['values']:>7}{row['means outside']:>11}{row['deviations outside']:>8}"
            f"{row['largest z']:>8.2f}{row['largest y']:>8.2f}{row['events']:>14,}{row['seconds']:>8.2f}"
            + ("" if row["passed"] else "   doubtful"),
            flush=True,
        )
    passed = sum(row["passed"] for row in found)
    seconds, used = (sum(row[name] for row in found) for name in ("seconds", "cpu seconds"))
    print(f"{passed} of {len(found)} cases, {n:,} runs each: {seconds:.1f} s, {used:.1f} s of processor time")
    if left_out:
        print(f"{left_out} cases need a package that isn't supported")
    out.mkdir(exist_ok=True)
    (out / "dsmts.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0 if passed == len(found) else 1
