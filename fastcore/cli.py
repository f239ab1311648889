"""The ``fastcore`` command."""

from __future__ import annotations

import argparse
import json
import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from . import __version__, _backend
from ._config import config
from ._simulate_command import add_simulate
from ._text_commands import add_commands

EPILOG = """examples:
  fastcore demo                     run everything once on shipped data, with tables and a picture
  fastcore words corpus.txt.xz      find words in unlabelled text
  fastcore segment corpus.txt       cut text into words
  fastcore simulate model.xml --t-end 100 --n 1000    mean and spread of a reaction network
  fastcore check chain nce          compare kernels with their twins, with speed ratios
  fastcore check --json             the same for all, for programs
  fastcore config                   what is installed, and which instruction set runs
"""


class UsageError(Exception):
    """Something the user can mend; printed without a traceback, exit status 2."""


class Stopped(KeyboardInterrupt):
    """The process is to end: what Ctrl-C undoes is undone too."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP leave nothing half done, unless whoever started us has other plans for them."""
    names = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    main = threading.current_thread() is threading.main_thread()
    taken = [name for name in names if main and signal.getsignal(name) is signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> None:
        # Once is enough: another must not stop the tidying up.
        for name in taken:
            signal.signal(name, signal.SIG_IGN)
        raise Stopped(number)

    for name in taken:
        signal.signal(name, stop)
    try:
        yield
    finally:
        for name in taken:
            signal.signal(name, signal.SIG_DFL)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastcore",
        description="Fast kernels for a state that steps along a sequence.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastcore {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)

    def add(name: str, summary: str, examples: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog="examples:\n" + examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    demo = add(
        "demo",
        "Run every system once on real text and models; print tables, draw a picture, write JSON.",
        "  fastcore demo\n  fastcore demo --out results/run1 --no-plot\n  FASTCORE_BACKEND=reference fastcore demo\n",
    )
    demo.add_argument("--out", default="fastcore-demo", metavar="STEM", help="write STEM.png and STEM.json")
    demo.add_argument("--no-plot", action="store_true", help="draw no picture (needs no matplotlib)")
    demo.set_defaults(run=_demo)

    check = add(
        "check",
        "Compare every kernel with its twin: equal or largest error, and the ratio of times.",
        "  fastcore check\n  fastcore check chain reactions\n  fastcore check --json\n",
    )
    check.add_argument("domains", nargs="*", metavar="domain", help=f"any of {', '.join(_backend.DOMAINS)}")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    check.set_defaults(run=_check)

    add_commands(add)
    add_simulate(add)

    bench = add(
        "bench",
        "Time fastcore beside its twins and peers (from a source checkout).",
        "  fastcore bench recurrence\n  fastcore bench --list\n",
    )
    # What follows, options too, is for python -m bench: see `main`.
    bench.add_argument("arguments", nargs="*", help="see python -m bench --help")
    bench.set_defaults(run=_bench)

    show = add("config", "Print versions, the build, and each kernel's instruction set.", "  fastcore config --json\n")
    show.add_argument("--json", action="store_true", help="print JSON instead of a table")
    show.set_defaults(run=_config)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from ._demo import run

    return run(Path(options.out), plot=not options.no_plot)


def _check(options: argparse.Namespace) -> int:
    from ._checks import run_all

    unknown = [name for name in options.domains if name not in _backend.DOMAINS]
    if unknown:
        raise UsageError(f"no domain {unknown[0]!r}: choose from {', '.join(_backend.DOMAINS)}")
    outcomes = []
    if not options.json:
        print(f"{'kernel':<36}{'against its twin':<28}{'kernel s':>11}{'twin s':>11}{'ratio':>10}")
    for outcome in run_all(options.domains or _backend.DOMAINS):
        outcomes.append(outcome)
        if not options.json:
            print(outcome.line(), flush=True)
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    if options.json:
        print(json.dumps({"config": config(), "checks": [outcome.as_dict() for outcome in outcomes]}, indent=1))
    else:
        print(
            f"{len(outcomes) - len(failed)} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else "")
        )
    return 1 if failed else 0


def _bench(options: argparse.Namespace) -> int:
    if not Path("bench/__main__.py").exists():
        raise UsageError("the benchmarks are in the source checkout, not in the installed package: run this there")
    sys.argv = ["bench", *options.arguments]
    sys.path.insert(0, os.getcwd())
    try:
        runpy.run_module("bench", run_name="__main__")
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def _config(options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(config(), indent=1))
    else:
        from ._config import show_config

        show_config()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    0: well; 1: a check failed; 2: wrong use or input; 130: Ctrl-C; 143 or 129: SIGTERM or SIGHUP.
    """
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if options.command == "bench":
        given = list(sys.argv[1:] if arguments is None else arguments)
        options.arguments = given[given.index("bench") + 1 :]
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with _stoppable():
            status: int = options.run(options)
            if sys.stdout is not None:
                sys.stdout.flush()
        return status
    except UsageError as error:
        print(f"fastcore {options.command}: {error}", file=sys.stderr)
        return 2
    except (OSError, ValueError, TypeError, ImportError) as error:
        if isinstance(error, BrokenPipeError):
            _quiet_stdout()
            return 0
        print(f"fastcore {options.command}: {error}", file=sys.stderr)
        return 2
    except Stopped as stop:
        return 128 + stop.number
    except KeyboardInterrupt:
        print(f"fastcore {options.command}: interrupted", file=sys.stderr)
        return 130


def _quiet_stdout() -> None:
    """Keep the interpreter from complaining at exit that whoever read our output is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def script() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(main())
