"""Stochastic simulation beside numba (a direct method with a dependency graph, written out), rebop and bioscrape."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bench._harness import Workload, prepared
from fastcore._data import reaction_models
from fastcore.reactions import ReactionNetwork, simulate


class Case:
    """A network, where it starts, and how many runs to make."""

    def __init__(self, network: ReactionNetwork, x0: np.ndarray, times: np.ndarray, n: int) -> None:
        self.network, self.x0, self.times, self.n = network, x0, times, n
        self.span = (float(times[0]), float(times[-1]))

    @cache  # noqa: B019
    def n_events(self) -> int:
        return int(simulate(self.network, self.x0, self.span, [], n=self.n, rng=0).n_events.sum())


def _model(name: str, n: int) -> Case:
    model = reaction_models()["models"][name]
    triples = [(r["reactants"], r["products"], r["rate"]) for r in model["reactions"]]
    network = ReactionNetwork(triples, species=model["species"])
    x0 = np.array([model["x0"][name] for name in network.species])
    return Case(network, x0, np.linspace(0, model["t_end"], model["n_grid"]), n)


def _written(name: str, n: int) -> Case:
    """The same model, each rate an expression of species."""
    case, model = _model(name, n), reaction_models()["models"][name]
    triples = []
    for r in model["reactions"]:
        factors = [f"({s} - {i})" if i else s for s, count in r["reactants"].items() for i in range(count)]
        triples.append((r["reactants"], r["products"], "*".join([repr(float(r["rate"])), *factors])))
    network = ReactionNetwork(triples, species=model["species"])
    return Case(network, case.x0, case.times, n)


def _toggle(n: int) -> Case:
    network = ReactionNetwork("0 -> A @ 50/(1 + (B/20)**2); 0 -> B @ 50/(1 + (A/20)**2); A -> 0 @ 1*A; B -> 0 @ 1*B")
    return Case(network, np.zeros(2, np.int64), np.linspace(0, 1000, 101), n)


def _enzyme(n: int) -> Case:
    network = ReactionNetwork("S -> P @ 10*S/(5 + S); P -> S @ 1*P/(3 + P)")
    return Case(network, np.array([1000, 0]), np.linspace(0, 1000, 101), n)


def _gene(n: int) -> Case:
    network = ReactionNetwork("0 -> m @ 20\nm -> m + n @ 2.5\nm -> 0 @ 1\nn -> 0 @ 1")
    return Case(network, np.zeros(2, np.int64), np.linspace(0, 20, 21), n)


def _ring(size: int, n: int) -> Case:
    network = ReactionNetwork([({f"X{i}": 1}, {f"X{(i + 1) % size}": 1}, 1.0) for i in range(size)])
    return Case(network, np.full(size, 100), np.linspace(0, 1000 / size, 11), n)


def _birth_death(size: int, n: int) -> Case:
    half = range(size // 2)
    births = [({}, {f"X{i}": 1}, 100.0 * (1 + i % 3)) for i in half]
    network = ReactionNetwork([r for i in half for r in (births[i], ({f"X{i}": 1}, {}, 1.0))])
    return Case(network, np.full(size // 2, 100), np.linspace(0, 500 / size, 11), n)


def _fastcore(case: Case) -> np.ndarray:
    return simulate(case.network, case.x0, case.span, case.times, n=case.n, rng=0).x


@cache
def _compiled() -> Any:
    from numba import njit

    @njit
    def run(tables, constants, x0, times, n, seed):
        factor_at, factor, minus, change_at, changed, by, dependant_at, dependant = tables
        np.random.seed(seed)  # noqa: NPY002
        n_reactions = len(constants)
        out = np.empty((n, len(times), len(x0)), np.int64)
        rates = np.empty(n_reactions)
        for k in range(n):
            x = x0.copy()
            total = 0.0
            for j in range(n_reactions):
                rate = constants[j]
                for f in range(factor_at[j], factor_at[j + 1]):
                    rate *= x[factor[f]] - minus[f]
                rates[j] = rate
                total += rate
            t, at, events = times[0], 0, 0
            while at < len(times):
                t += np.random.standard_exponential() / total if total > 1e-12 else np.inf  # noqa: NPY002
                while at < len(times) and times[at] < t:
                    out[k, at] = x
                    at += 1
                if at == len(times):
                    break
                share = np.random.random() * total  # noqa: NPY002
                j = 0
                while j < n_reactions - 1 and share >= rates[j]:
                    share -= rates[j]
                    j += 1
                for c in range(change_at[j], change_at[j + 1]):
                    x[changed[c]] += by[c]
                for d in range(dependant_at[j], dependant_at[j + 1]):
                    i = dependant[d]
                    rate = constants[i]
                    for f in range(factor_at[i], factor_at[i + 1]):
                        rate *= x[factor[f]] - minus[f]
                    total += rate - rates[i]
                    rates[i] = rate
                events += 1
                if events % 1024 == 0:
                    total = rates.sum()
        return out

    return run


def _graph(network: ReactionNetwork) -> tuple[np.ndarray, ...]:
    """The tables with a list of dependants a reaction in place of the readers of each species."""
    tables = network.tables
    readers = np.split(tables.reader, tables.reader_at[1:-1])
    changed = np.split(tables.changed, tables.change_at[1:-1])
    none = np.empty(0, np.int64)
    dependants = [np.unique(np.concatenate([none, *(readers[i] for i in species)])) for species in changed]
    offsets = np.cumsum([0, *map(len, dependants)])
    return (*tables[:6], offsets, np.concatenate(dependants))


@prepared
def _numba(case: Case) -> Any:
    run = _compiled()
    arguments = (_graph(case.network), case.network.constants(), case.x0.astype(np.int64), case.times)
    run(*arguments, 1, 0)
    return lambda: run(*arguments, case.n, 1)


@prepared
def _rebop(case: Case) -> Any:
    import rebop

    system = rebop.Gillespie()
    for reaction, constant in zip(case.network.reactions, case.network.constants()):
        sides = [
            [name for name, count in side.items() for _ in range(count)]
            for side in (reaction.reactants, reaction.products)
        ]
        system.add_reaction(float(constant), *sides)
    inner = system.gillespie  # below the xarray layer, which costs a millisecond a run
    inner.set_init({name: int(count) for name, count in zip(case.network.species, case.x0)})
    steps = len(case.times) - 1

    def call() -> np.ndarray:
        out = np.empty((case.n, len(case.times), len(case.x0)), np.int64)
        for k in range(case.n):
            _, found = inner.run(case.span[1], steps, params={}, seed=k, sparse=None, var_names=None)
            for i, name in enumerate(case.network.species):
                out[k, :, i] = found[name]
        return out

    return call


@prepared
def _bioscrape(case: Case) -> Any:
    return _bioscrape_call(case, False)


@prepared
def _bioscrape_expressions(case: Case) -> Any:
    return _bioscrape_call(case, True)


def _bioscrape_call(case: Case, written: bool) -> Any:
    from bioscrape.simulator import ModelCSimInterface, SSASimulator
    from bioscrape.types import Model

    reactions = []
    for reaction, constant in zip(case.network.reactions, case.network.constants()):
        sides = [
            [name for name, count in side.items() for _ in range(count)]
            for side in (reaction.reactants, reaction.products)
        ]
        if written:
            reactions.append((*sides, "general", {"rate": reaction.rate.replace("**", "^")}))
            continue
        # Its mass action is k x**2 / 2-like for equal reactants, so those are written out.
        if len(set(sides[0])) < len(sides[0]):
            factors = [f"({name}-{less})" for name, count in reaction.reactants.items() for less in range(count)]
            reactions.append((*sides, "general", {"rate": "*".join([repr(float(constant)), *factors])}))
        else:
            reactions.append((*sides, "massaction", {"k": float(constant)}))
    x0 = {name: float(count) for name, count in zip(case.network.species, case.x0)}
    model = Model(species=list(case.network.species), reactions=reactions, initial_condition_dict=x0)
    interface, simulator = ModelCSimInterface(model), SSASimulator()
    columns = [model.get_species_index(name) for name in case.network.species]

    def call() -> np.ndarray:
        runs = [simulator.py_simulate(interface, case.times).py_get_result()[:, columns] for _ in range(case.n)]
        return np.array(runs)

    return call


def _same_means(ours: np.ndarray, theirs: np.ndarray, _: str) -> bool | str:
    """Whether the means at every tenth of the time agree within six standard errors."""
    at = np.linspace(0, ours.shape[1] - 1, 11).astype(int)[1:]
    a, b = ours[:, at].astype(float), theirs[:, at].astype(float)
    if len(a) < 3:
        return "one run each: not compared"
    # Of few runs some species have no variance by chance: those of a time have what they have in the mean, at least.
    spread = [np.maximum(x.var(axis=0, ddof=1), x.var(axis=0, ddof=1).mean(axis=-1, keepdims=True)) for x in (a, b)]
    error = np.sqrt((spread[0] + spread[1]) / len(a)) + 1e-9
    return bool((np.abs(a.mean(axis=0) - b.mean(axis=0)) < 6 * error + 0.02).all()) or "means differ"


def _workload(name: str, make: Any, n: int, small: int) -> Workload:
    return Workload(
        name=f"reactions.{name}",
        make=lambda: make(n),
        runners={"fastcore": _fastcore, "numba": _numba, "rebop": _rebop, "bioscrape": _bioscrape},
        equal=_same_means,
        twin_make=lambda: make(small),
        amount=lambda case: (case.n_events() / 1e6, "M events"),
    )


@prepared
def _bngsim(case: Case) -> Any:
    """From Antimony, where an arrow => is not reversible and a rate is always the whole one."""
    import bngsim

    lines = [f"{name} = {int(count)}" for name, count in zip(case.network.species, case.x0)]
    for reaction in case.network.reactions:
        sides = [
            " + ".join(f"{n} {name}" for name, n in side.items()) for side in (reaction.reactants, reaction.products)
        ]
        lines.append(f"{sides[0]} => {sides[1]}; {reaction.rate.replace('**', '^')}")
    model = bngsim.Model.from_antimony_string("\n".join(lines))
    simulator = bngsim.Simulator(model, "ssa")
    columns = [model.species_names.index(name) for name in case.network.species]

    def call() -> np.ndarray:
        runs = []
        for k in range(case.n):
            model.reset()
            runs.append(np.asarray(simulator.run(sample_times=case.times.tolist(), seed=k + 1).species)[:, columns])
        return np.array(runs)

    return call


def _expressions(name: str, make: Any, n: int, small: int) -> Workload:
    return Workload(
        name=f"reactions.{name}",
        make=lambda: make(n),
        runners={"fastcore": _fastcore, "bioscrape": _bioscrape_expressions, "bngsim": _bngsim},
        equal=_same_means,
        twin_make=lambda: make(small),
        amount=lambda case: (case.n_events() / 1e6, "M events"),
    )


def _rhythm(n: int) -> Case:
    """Rates that depend on the time, for which these peers have no exact method."""
    network = ReactionNetwork("""
        0 -> m @ 20*(1 + sin(t)); m -> m + n @ if(floor(t/3) == 2*floor(t/6), 5, 0.5)
        m -> 0 @ 1; n -> 0 @ 1
    """)
    return Case(network, np.zeros(2, np.int64), np.linspace(0, 100, 21), n)


def _crowd(n: int) -> Case:
    """An epidemic among 100,000."""
    network = ReactionNetwork("S + I -> 2 I @ 4e-6; I -> R @ 0.1")
    return Case(network, np.array([99_500, 500, 0]), np.linspace(0, 100, 11), n)


def _stepping(method: str) -> Any:
    return lambda case: simulate(case.network, case.x0, case.span, case.times, n=case.n, rng=1, method=method).x


def _prey(size: int, n: int) -> Case:
    """Lotka and Volterra's system with rate constants 1, among many."""
    network = ReactionNetwork(f"R -> 2 R @ 1; R + F -> 2 F @ {1 / size!r}; F -> 0 @ 1")
    return Case(network, np.array([size, size]), np.linspace(0, 1, 2), n)


@prepared
def _batss(case: Case) -> Any:
    import batss

    r, f = batss.species("R F")
    reactions = [r >> 2 * r, r + f >> 2 * f, f >> None]
    size = int(case.x0[0])

    def call() -> np.ndarray:
        out = np.empty((case.n, 2, 2), np.int64)
        for k in range(case.n):
            run = batss.Simulation({r: size, f: size}, reactions, volume=size, seed=k + 1)
            run.run(1.0, 1.0, timer=False)
            out[k] = run.history[["R", "F"]].to_numpy()[[0, -1]]
        return out

    return call


def _nearly(ours: np.ndarray, theirs: np.ndarray, _name: str) -> bool | str:
    """Means within 1 %, and what few runs leave open."""
    a, b = ours[:, 1:], theirs[:, 1:]
    error = 6 * np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a))
    return bool((np.abs(a.mean(axis=0) - b.mean(axis=0)) <= 0.01 * b.mean(axis=0) + error).all()) or "means differ"


WORKLOADS = [
    _workload("gene", _gene, 500, 10),
    *(
        _workload(name, lambda n, name=name: _model(name, n), n, small)
        for name, n, small in [
            ("sir", 50, 1),
            ("lv", 32, 1),
            ("dimers", 160, 1),
            ("mm", 1600, 5),
            ("schlogl", 32, 1),
            ("vilar", 32, 1),
        ]
    ),
    _workload("ring100", lambda n: _ring(100, n), 10, 1),
    _workload("ring1000", lambda n: _ring(1000, n), 4, 1),
    _workload("ring10000", lambda n: _ring(10000, n), 4, 1),
    _workload("birth_death100", lambda n: _birth_death(100, n), 10, 1),
    _workload("birth_death1000", lambda n: _birth_death(1000, n), 10, 1),
    *(
        _expressions(f"expressions_{name}", lambda n, name=name: _written(name, n), n, small)
        for name, n, small in [("sir", 50, 1), ("lv", 10, 1), ("dimers", 50, 1), ("mm", 500, 5), ("schlogl", 5, 1)]
    ),
    Workload(
        name="reactions.rhythm",
        make=lambda: _rhythm(200),
        runners={"fastcore": _fastcore},
        twin_make=lambda: _rhythm(2),
        amount=lambda case: (case.n_events() / 1e6, "M events"),
    ),
    Workload(
        name="reactions.leaping",
        make=lambda: _crowd(50),
        runners={"fastcore": _stepping("tau"), "cle": _stepping("cle"), "direct": _fastcore},
        equal=_nearly,
        twin_make=lambda: _crowd(1),
        amount=lambda case: (case.n_events() / 1e6, "M events"),
    ),
    *(
        Workload(
            name=f"reactions.batch_1e{power}",
            make=lambda power=power, n=n: _prey(10**power, n),
            runners={"fastcore": _stepping("batch"), "batss": _batss, "direct": _fastcore},
            equal=_same_means,
            twin_make=lambda: _prey(10**6, 1),
            heavy=frozenset({"direct"}),
            amount=lambda case: (3.0 * case.n * float(case.x0[0]) / 1e6, "M events"),
        )
        for power, n in [(6, 10), (7, 4), (8, 3)]
    ),
    _expressions("expressions_toggle", _toggle, 20, 1),
    _expressions("expressions_enzyme", _enzyme, 200, 1),
]
