"""``fastcore simulate``: a model's file in, a table and a picture out."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from ._extras import require
from ._labelled import meant, shown
from ._text_commands import STDIN, _bytes_of, _output
from ._texts.files import reading
from ._whole import whole_file

if TYPE_CHECKING:
    from .reactions import ReactionNetwork

AddCommand = Callable[[str, str, str], argparse.ArgumentParser]
_PACKED = (".gz", ".bz2", ".xz", ".zst")


def add_simulate(add: AddCommand) -> None:
    """Register the command."""
    simulate = add(
        "simulate",
        "Simulate a reaction network event by event; write its mean and standard deviation, or all runs, as CSV.",
        "  fastcore simulate model.xml --t-end 100 --n 1000 --seed 1 --out means.csv --plot means.png\n"
        "  fastcore simulate model.net --t-end 10 --set kf=0.3 --species Dimers --method direct\n"
        "  echo 'S + I -> 2 I @ 0.002; I -> R @ 1; S = 990; I = 10' | fastcore simulate - --t-end 20 --stop 'I == 0'\n",
    )
    simulate.add_argument(
        "model",
        help="SBML (.xml, .sbml), BioNetGen's .net, or a text of reactions; packed ones too; - is standard input",
    )
    simulate.add_argument("--t-end", type=float, required=True, metavar="T", help="when to end")
    simulate.add_argument("--t-start", type=float, default=0.0, metavar="T", help="when to start (default 0)")
    simulate.add_argument("--points", type=_positive, default=101, metavar="N", help="times in the table (default 101)")
    simulate.add_argument("--n", type=_positive, default=1, metavar="N", help="number of runs (default 1)")
    simulate.add_argument("--seed", type=int, metavar="N", help="repeat the same runs (default: others each time)")
    simulate.add_argument("--method", default="auto", metavar="NAME", help="as in reactions.simulate (default auto)")
    simulate.add_argument(
        "--set", action="append", default=[], metavar="NAME=X", help="a parameter's value, or a species' initial count"
    )
    simulate.add_argument(
        "--species", action="append", metavar="NAME", help="only this species or variable; may come again"
    )
    simulate.add_argument("--stop", metavar="CONDITION", help="end a run when this holds, such as 'I == 0'")
    simulate.add_argument("--max-events", type=int, metavar="N", help="end a run before more events than this")
    simulate.add_argument("--all", action="store_true", help="write every run, not means (one run is always written)")
    simulate.add_argument("--workers", type=int, default=1, metavar="N", help="threads; -1 for all cores")
    simulate.add_argument(
        "-o", "--out", "--output", default=STDIN, metavar="FILE", help="write the table here (compressed by suffix)"
    )
    simulate.add_argument("--json", action="store_true", help="write JSON: an object a row")
    simulate.add_argument("--plot", metavar="FILE", help="draw a picture: .png, .svg, .pdf (needs matplotlib)")
    simulate.add_argument("--progress", action="store_true", help="show a bar on standard error")
    simulate.set_defaults(run=_simulate)


def _positive(text: str) -> int:
    """A number from 1 up; argparse says which option was wrong."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _network(model: str) -> ReactionNetwork:
    """Read a model: by its suffix, and where that says nothing by its first character."""
    from .reactions import ReactionNetwork, read_net, read_sbml

    suffixes = [suffix for suffix in Path(model).suffixes if suffix.lower() not in _PACKED]
    suffix = suffixes[-1].lower() if suffixes and model != STDIN else ""
    if suffix in (".xml", ".sbml"):
        return read_sbml(Path(model))
    if suffix == ".net":
        return read_net(Path(model))
    if model == STDIN:
        data = _bytes_of(sys.stdin, "input").read()
    else:
        with reading(Path(model)) as file:
            data = file.read()
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_sbml(data)
    try:
        return ReactionNetwork(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{model} must be UTF-8, byte {error.start} isn't") from None
    except ValueError as error:
        raise ValueError(f"{'standard input' if model == STDIN else model}, {error}") from None


def _values(network: ReactionNetwork, given: list[str]) -> tuple[Any, dict[str, float]]:
    """The start (None: the network's own) and the parameters that ``NAME=X`` set."""
    counts: dict[str, float] = {}
    params: dict[str, float] = {}
    for text in given:
        name, _, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--set must be NAME=NUMBER, got {text!r}")
        (counts if name in network.places else params)[name] = number
    if not counts:
        return None, params
    own = network.starts(None, params)[0] if network.x0 is not None else np.zeros(len(network.species))
    return {**dict(zip(network.species, own.tolist())), **counts}, params


def _kind(plot: str) -> str:
    """The format of a picture, which its name says."""
    kind = Path(plot).suffix[1:].lower() or "png"
    known = require("matplotlib.backend_bases", "plot", "--plot").FigureCanvasBase.get_supported_filetypes()
    if kind not in known:
        raise ValueError(f"--plot must be a file of one of the kinds {', '.join(sorted(known))}, got {plot!r}")
    return kind


def _simulate(options: argparse.Namespace) -> int:
    from .reactions import simulate

    kind = None if options.plot is None else _kind(options.plot)
    network = _network(options.model)
    x0, params = _values(network, options.set)
    names = tuple(options.species or network.species)
    known = (*network.species, *network.variable_inputs)
    for name in names:
        if name not in known:
            raise ValueError(
                f"--species must name species or variables of {shown(known)}, got {name!r}{meant(name, known)}"
            )
    means = options.n > 1 and not options.all
    kept: dict[str, Any] = {"reduce": "moments", "species": names} if means else {}
    times = np.linspace(options.t_start, options.t_end, options.points)
    with ExitStack() as stack, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        # Opened first: what can't be written says so before any work is done.
        picture = None if options.plot is None else stack.enter_context(whole_file(options.plot))
        table = stack.enter_context(_output(options.out))
        sol = simulate(
            network,
            x0,
            (options.t_start, options.t_end),
            times,
            n=options.n,
            method=options.method,
            rng=options.seed,
            workers=options.workers,
            params=params or None,
            stop=options.stop,
            max_events=options.max_events,
            progress=options.progress,
            **kept,
        )
        _write(table, _moments(sol, names) if means else _runs(sol, names), options.json)
        if picture is not None:
            _draw(sol, names).savefig(picture, format=kind)
    for warning in said:
        print(f"fastcore simulate: {warning.message}", file=sys.stderr)
    return 0


def _moments(sol: Any, names: tuple[str, ...]) -> Iterator[list[Any]]:
    """A row a time: means and standard deviations."""
    yield ["t", *(f"{name} {what}" for name in names for what in ("mean", "sd"))]
    mean, var = sol.mean(), sol.var()
    columns = [column for name in names for column in (mean[name], np.sqrt(var[name]))]
    yield from np.stack([sol.t, *columns], axis=-1).tolist()


def _runs(sol: Any, names: tuple[str, ...]) -> Iterator[list[Any]]:
    """A row a time, of each run."""
    n = len(sol.x)
    yield [*(["run"] if n > 1 else []), "t", *names]
    columns = [sol[name].tolist() for name in names]
    for i in range(n):
        for k, t in enumerate(sol.t.tolist()):
            yield [*([i] if n > 1 else []), t, *(column[i][k] for column in columns)]


def _write(file: TextIO, rows: Iterator[list[Any]], as_json: bool) -> None:
    head = next(rows)
    if as_json:
        for row in rows:
            values = [None if value != value else value for value in row]  # JSON has no NaN
            file.write(json.dumps(dict(zip(head, values)), ensure_ascii=False) + "\n")
        return
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)


def _draw(sol: Any, names: tuple[str, ...]) -> Any:
    """A figure of means with a band of one standard deviation to each side; one run as it is."""
    axes = require("matplotlib.figure", "plot", "--plot").Figure(layout="constrained").subplots()
    many = not hasattr(sol, "x") or len(sol.x) > 1
    mean, var = (sol.mean(names), sol.var(names)) if hasattr(sol, "x") else (sol.mean(), sol.var())
    for i, name in enumerate(names):
        color = f"C{i % 10}"
        axes.plot(sol.t, mean[name], color=color, label=name, drawstyle="default" if many else "steps-post")
        if many:
            sd = np.sqrt(var[name])
            axes.fill_between(sol.t, mean[name] - sd, mean[name] + sd, color=color, alpha=0.2, lw=0)
    axes.set(xlabel="t", ylabel="count")
    if len(names) <= 20:
        axes.legend()
    return axes.figure
