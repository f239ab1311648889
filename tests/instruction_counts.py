"""Count the instructions of hot kernels, which a busy machine doesn't disturb, against those kept in a file.

``python tests/instruction_counts.py [--update] [name ...]`` runs checks of ``fastcore check`` under valgrind's
callgrind, on the baseline instruction set. A call's instructions are what a process with three calls takes more than
one with one, halved: what Python, NumPy and making the input take falls out. More than 3 % above the file fails. The
counts are those of one compiler, and another's aren't compared with them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

FILE = Path(__file__).with_name("instruction_counts.json")
TOLERANCE = 0.03
NAMES = [
    "chain.log_partition",
    "chain.viterbi",
    "chain.marginals",
    "crf.gradient",
    "lexicon.encode",
    "ngrams.count_ngrams",
    "skipgrams.count_skipgrams",
    "vectorizer.char",
    "reactions.simulate, direct",
    "reactions.simulate, jumps",
    "ode.solve, dopri5",
    "recurrence.gru",
    "nce.alias",
]
CALLS = """
import sys
from importlib import import_module
name, calls = sys.argv[1], int(sys.argv[2])
(check,) = (c for c in import_module("fastcore._checks." + name.partition(".")[0]).CHECKS if c.name == name)
data = check.make()
for _ in range(calls):
    check.call(data)
"""


def compiler() -> str:
    """The compiler's name and version, as far as it says."""
    command = os.environ.get("CC") or sysconfig.get_config_var("CC").split()[0]
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


def instructions(name: str, calls: int) -> int:
    """How many instructions a process takes that makes the input and calls."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", CALLS]
    steady = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "FASTCORE_ISA": "baseline", "PYTHONMALLOC": "malloc"}
    # Large zeroed blocks come from the system: else those of later calls are filled, one instruction a byte as counted.
    steady["MALLOC_MMAP_THRESHOLD_"] = "1000000"
    result = subprocess.run(
        [*command, name, str(calls)], env={**os.environ, **steady}, capture_output=True, text=True, check=False
    )
    found = re.search(r"Collected\s*:\s*(\d+)", result.stderr)
    if result.returncode or not found:
        raise SystemExit(f"{name} did not run:\n{result.stderr}")
    return int(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the instructions of hot kernels.")
    parser.add_argument("names", nargs="*", help="some of the checks (default: all)")
    parser.add_argument("--update", action="store_true", help="keep what is counted as what is expected")
    options = parser.parse_args()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"compiler": "", "counts": {}}
    if kept["compiler"] != compiler() and not options.update:
        print(f"left out: the counts are of {kept['compiler']}, here is {compiler()}")
        return 0
    expected, worse = kept["counts"] if kept["compiler"] == compiler() else {}, []
    for name in options.names or NAMES:
        if name not in expected and not options.update:
            print(f"{name:<36}not in the file: count it with --update", flush=True)
            worse.append(name)
            continue
        count = (instructions(name, 3) - instructions(name, 1)) // 2
        change = count / expected.get(name, count) - 1
        print(f"{name:<36}{count:>16,}{change:>+9.1%}", flush=True)
        if options.update:
            expected[name] = count
            kept = {"compiler": compiler(), "counts": expected}
            FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        elif change > TOLERANCE:
            worse.append(name)
    if worse:
        print(f"more than {TOLERANCE:.0%} more instructions, or not counted: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
