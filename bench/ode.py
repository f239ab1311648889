"""Deterministic solutions beside SciPy, numba and JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench._harness import Workload, prepared
from fastcore._data import reaction_models
from fastcore.ode import ExpressionSystem, fit, solve
from fastcore.reactions import ReactionNetwork

COMPETITION = """
    X1 -> 2 X1 @ r1; 2 X1 -> X1 @ r1 * k1; X1 + X2 -> X2 @ a1
    X2 -> 2 X2 @ r2; 2 X2 -> X2 @ r2 * k2; X1 + X2 -> X1 @ a2
    r1 = 0.1; r2 = 0.3; a1 = 1e-4; a2 = 2e-4; k1 = 0.002; k2 = 0.003
"""
TIMES = np.array([0, 10, 15, 30, 36, 40, 42.0])
DATA = {"X1": [100, 165, 197, 280, 305, 318, 324], "X2": [150, 283, 290, 276, 269, 266, 264]}


def _competition(n: int) -> tuple[ReactionNetwork, np.ndarray, np.ndarray, np.ndarray]:
    network = ReactionNetwork(COMPETITION)
    sets = np.array(list(network.params.values())) * np.random.default_rng(0).uniform(0.8, 1.2, (n, 6))
    return network, np.array([100.0, 150]), np.linspace(0, 42, 43), sets


def _prey_sets(n: int) -> tuple[ReactionNetwork, np.ndarray, np.ndarray, np.ndarray]:
    network = ReactionNetwork("X -> 2 X @ a; X + Y -> 2 Y @ b; Y -> 0 @ c; a = 1; b = 0.01; c = 1")
    sets = np.array(list(network.params.values())) * np.random.default_rng(0).uniform(0.8, 1.2, (n, 3))
    return network, np.array([50.0, 100]), np.linspace(0, 20, 101), sets


def _vilar(n: int) -> tuple[ReactionNetwork, np.ndarray, np.ndarray, np.ndarray]:
    model = reaction_models()["models"]["vilar"]
    triples = [(r["reactants"], r["products"], f"k{j}") for j, r in enumerate(model["reactions"])]
    values = {f"k{j}": r["rate"] for j, r in enumerate(model["reactions"])}
    network = ReactionNetwork(triples, species=model["species"], params=values)
    sets = np.array(list(values.values()), float) * np.random.default_rng(0).uniform(0.95, 1.05, (n, len(values)))
    return network, np.array([float(model["x0"][s]) for s in network.species]), np.linspace(0, 100, 101), sets


def _fastcore(method: str) -> Any:
    def call(data: Any) -> np.ndarray:
        network, x0, times, sets = data
        span = (times[0], times[-1])
        return solve(network, x0, span, times, params=sets, method=method, rtol=1e-6, atol=1e-6).x

    return call


# Calls a turn of single solutions.
CALLS = 20
# Single solutions: a network or equations, the same right-hand side in Python, start, end, tolerances.
PREY = "X -> 2 X @ 1; X + Y -> 2 Y @ 0.01; Y -> 0 @ 1"
WILLAMOWSKI_ROESSLER = """
    A -> 2 A @ 30; 2 A -> A @ 0.25; A + B -> 2 B @ 1; B -> 0 @ 10; A + C -> 0 @ 1; C -> 2 C @ 16.5; 2 C -> C @ 0.5
"""
ROBERTSON = "A -> B @ 0.04; 2 B -> B + C @ 3e7; B + C -> A + C @ 1e4"
VAN_DER_POL = "x' = v; v' = mu*((1 - x**2)*v) - x; mu = 1000"
OREGONATOR = "x' = 77.27*(y + x*(1 - 8.375e-6*x - y)); y' = (z - (1 + x)*y)/77.27; z' = 0.161*(x - z)"


def _prey(t: float, x: Any) -> list[float]:
    return [x[0] - 0.01 * x[0] * x[1], 0.01 * x[0] * x[1] - x[1]]


def _willamowski(t: float, x: Any) -> list[float]:
    a, b, c = x
    return [30 * a - 0.25 * a * a - a * b - a * c, a * b - 10 * b, 16.5 * c - 0.5 * c * c - a * c]


def _two(t: float, x: Any) -> list[float]:
    a, b = x
    return [0.1 * a * (1 - 0.002 * a) - 1e-4 * a * b, 0.3 * b * (1 - 0.003 * b) - 2e-4 * a * b]


def _robertson(t: float, x: Any) -> list[float]:
    one, two, three = 0.04 * x[0], 3e7 * x[1] * x[1], 1e4 * x[1] * x[2]
    return [three - one, one - two - three, two]


def _van_der_pol(t: float, x: Any) -> list[float]:
    return [x[1], 1000 * ((1 - x[0] * x[0]) * x[1]) - x[0]]


def _oregonator(t: float, x: Any) -> list[float]:
    a, b, c = x
    return [77.27 * (b + a * (1 - 8.375e-6 * a - b)), (c - (1 + a) * b) / 77.27, 0.161 * (a - c)]


def _single(
    name: str, system: Any, slope: Any, x0: list[float], end: float, atol: float, stiff: bool, loose: float
) -> Workload:
    """Solutions at rtol 1e-6, 101 outputs, one a call, beside SciPy with a right-hand side in Python.

    At the same tolerance our errors are smaller than the peer's, so there is a run at `loose` times the tolerances,
    where they are just below; that they are is what is looked at. A call may take as little as some ten microseconds,
    so a turn is many of them.
    """
    times = np.linspace(0, end, 101)
    peer = "LSODA" if stiff else "RK45"
    method = "rodas4" if stiff else "dopri5"
    same = "fastcore, no larger an error"

    def ours(data: Any, times_tolerance: float = 1.0, method: str = method) -> np.ndarray:
        made, calls = data
        options = {"rtol": 1e-6 * times_tolerance, "atol": atol * times_tolerance, "max_steps": 10**7}
        for _ in range(calls):
            found = solve(made, x0, (0, end), times, method=method, **options).x
        return found

    def theirs(data: Any) -> np.ndarray:
        from scipy.integrate import solve_ivp

        for _ in range(data[1]):
            found = solve_ivp(slope, (0, end), x0, peer, t_eval=times, rtol=1e-6, atol=atol).y.T
        return found

    def alike(found: np.ndarray, others: np.ndarray, runner: str) -> bool | str:
        if runner != same:
            return bool(_close(2e-2)(found, others, runner))
        # SciPy's Radau and DOP853 at such tolerances agree with this to ten digits.
        true = ours(make(1), 1e-5, method if stiff else "dop853")
        error, allowed = (
            float(np.sqrt((((x - true) / np.abs(true).max(axis=0)) ** 2).mean())) for x in (others, theirs((None, 1)))
        )
        return error <= allowed or f"the error is {error:.2g}, not {allowed:.2g}"

    def make(calls: int = CALLS) -> Any:
        return ExpressionSystem(system) if "'" in system else ReactionNetwork(system), calls

    return Workload(
        name=f"ode.{name}",
        make=make,
        runners={"fastcore": ours, same: lambda data: ours(data, loose), f"scipy {peer}": theirs},
        equal=alike,
        twin_make=lambda: make(1),
        amount=lambda data: (float(data[1]), "solutions"),
    )


def _right_hand_side(network: ReactionNetwork, constants: np.ndarray) -> Any:
    stoichiometry, powers = network.stoichiometry.astype(float), network.reactants

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        return stoichiometry @ (constants * np.prod(x**powers, axis=1))

    return slope


def _scipy(method: str) -> Any:
    def call(data: Any) -> np.ndarray:
        from scipy.integrate import solve_ivp

        network, x0, times, sets = data
        out = []
        for constants in network.constants(sets):
            slope = _right_hand_side(network, constants)
            span = (times[0], times[-1])
            out.append(solve_ivp(slope, span, x0, method, t_eval=times, rtol=1e-6, atol=1e-6).y.T)
        return np.array(out)

    return call


@prepared
def _numba_scipy(data: Any) -> Any:
    """SciPy's solver around a compiled right-hand side written by hand for this model."""
    from numba import njit
    from scipy.integrate import solve_ivp

    _, x0, times, sets = data

    @njit
    def slope(t, x, r1, r2, a1, a2, k1, k2):
        return np.array(
            [r1 * x[0] * (1 - k1 * x[0]) - a1 * x[0] * x[1], r2 * x[1] * (1 - k2 * x[1]) - a2 * x[0] * x[1]]
        )

    def call() -> np.ndarray:
        options = {"t_eval": times, "rtol": 1e-6, "atol": 1e-6}
        return np.array([solve_ivp(slope, (0, 42), x0, "RK45", args=tuple(p), **options).y.T for p in sets])

    slope(0.0, x0, *sets[0])
    return call


@prepared
def _numbalsoda(data: Any) -> Any:
    from numba import carray, cfunc
    from numbalsoda import dop853, lsoda_sig

    _, x0, times, sets = data

    def competition(t, x_, dx, p_):
        x, p = carray(x_, (2,)), carray(p_, (6,))
        dx[0] = p[0] * x[0] * (1 - p[4] * x[0]) - p[2] * x[0] * x[1]
        dx[1] = p[1] * x[1] * (1 - p[5] * x[1]) - p[3] * x[0] * x[1]

    def prey(t, x_, dx, p_):
        x, p = carray(x_, (2,)), carray(p_, (3,))
        dx[0] = p[0] * x[0] - p[1] * x[0] * x[1]
        dx[1] = p[1] * x[0] * x[1] - p[2] * x[1]

    slope = cfunc(lsoda_sig)(prey if sets.shape[1] == 3 else competition)
    return lambda: np.array([dop853(slope.address, x0, times, p, rtol=1e-6, atol=1e-6)[0] for p in sets])


@prepared
def _diffrax(data: Any) -> Any:
    """All sets at once under vmap, compiled, in double precision."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    _, x0, times, sets = data

    def slope(t, x, p):
        return jnp.stack([p[0] * x[0] - p[1] * x[0] * x[1], p[1] * x[0] * x[1] - p[2] * x[1]])

    def one(p):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(slope),
            diffrax.Dopri5(),
            times[0],
            times[-1],
            None,
            jnp.asarray(x0),
            p,
            saveat=diffrax.SaveAt(ts=jnp.asarray(times)),
            stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-6),
            max_steps=10_000,
        ).ys

    run, given = jax.jit(jax.vmap(one)), jnp.asarray(sets)
    return lambda: np.asarray(run(given))


# Where fits begin: near, and where the post does, far off.
NEAR = {"r1": 0.07, "r2": 0.21, "a1": 7e-5, "a2": 1.4e-4, "k1": 0.0014, "k2": 0.0021}
POST = {"r1": 0.1, "r2": 0.1, "a1": 1e-3, "a2": 1e-3, "k1": 1e-3, "k2": 1e-3}


def _fitted(start: dict[str, float]) -> Any:
    return lambda network: list(fit(network, TIMES, DATA, x0=[100, 150], start=start).params.values())


def _scipy_fitted(start: dict[str, float]) -> Any:
    """The same residuals and bounds, with derivatives by differences."""

    def slope(t, x, r1, r2, a1, a2, k1, k2):
        return [r1 * x[0] * (1 - k1 * x[0]) - a1 * x[0] * x[1], r2 * x[1] * (1 - k2 * x[1]) - a2 * x[0] * x[1]]

    def model(_, *logs):
        from scipy.integrate import solve_ivp

        options = {"t_eval": TIMES, "rtol": 1e-8, "atol": 1e-9}
        return solve_ivp(slope, (0, 42), [100, 150], "RK45", args=tuple(np.exp(logs)), **options).y.reshape(-1)

    def call(_network: ReactionNetwork) -> list[float]:
        from scipy.optimize import curve_fit

        values = np.array([DATA["X1"], DATA["X2"]], float).reshape(-1)
        begin = np.log(list(start.values()))
        bounds = (begin - np.log(1000), begin + np.log(1000))
        options = {"bounds": bounds, "x_scale": 1.0, "ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12}
        return np.exp(curve_fit(model, None, values, begin, method="trf", **options)[0]).tolist()

    return call


def _close(rtol: float) -> Any:
    return lambda ours, theirs, name: bool(np.allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(ours).max()))


WORKLOADS = [
    _single("lotka_volterra", PREY, _prey, [50.0, 100], 20.0, 1e-9, False, 0.7),
    _single("willamowski_roessler", WILLAMOWSKI_ROESSLER, _willamowski, [20.0, 10, 20], 1.0, 1e-9, False, 2.0),
    _single("competition_100", COMPETITION, _two, [100.0, 150], 100.0, 1e-9, False, 1.5),
    _single("robertson", ROBERTSON, _robertson, [1.0, 0, 0], 4e4, 1e-11, True, 2.0),
    _single("van_der_pol", VAN_DER_POL, _van_der_pol, [2.0, 0], 3000.0, 1e-8, True, 50.0),
    _single("oregonator", OREGONATOR, _oregonator, [1.0, 2, 3], 360.0, 1e-8, True, 25.0),
    Workload(
        name="ode.competition",
        make=lambda: _competition(200),
        runners={
            "fastcore": _fastcore("dopri5"),
            "scipy RK45": _scipy("RK45"),
            "scipy RK45, numba": _numba_scipy,
            "numbalsoda DOP853": _numbalsoda,
        },
        equal=_close(1e-4),
        twin_make=lambda: _competition(5),
        amount=lambda data: (float(len(data[3])), "solutions"),
        heavy=frozenset({"scipy RK45"}),
    ),
    Workload(
        name="ode.lotka_volterra_sets",
        make=lambda: _prey_sets(10_000),
        runners={
            "fastcore": _fastcore("dopri5"),
            "fastcore dop853": _fastcore("dop853"),
            "diffrax Dopri5, vmap": _diffrax,
            "numbalsoda DOP853": _numbalsoda,
        },
        equal=_close(1e-3),
        twin_make=lambda: _prey_sets(5),
        amount=lambda data: (float(len(data[3])), "solutions"),
    ),
    Workload(
        name="ode.vilar_stiff",
        make=lambda: _vilar(4),
        runners={"fastcore": _fastcore("rodas4"), "scipy LSODA": _scipy("LSODA"), "scipy Radau": _scipy("Radau")},
        equal=_close(2e-2),
        twin_make=lambda: _vilar(1),
        amount=lambda data: (float(len(data[3])), "solutions"),
        heavy=frozenset({"scipy Radau"}),
    ),
    *(
        Workload(
            name=name,
            make=lambda: ReactionNetwork(COMPETITION),
            runners={"fastcore": _fitted(start), "scipy curve_fit": _scipy_fitted(start)},
            equal=_close(1e-3),
        )
        for name, start in (("ode.fit_competition", NEAR), ("ode.fit_from_afar", POST))
    ),
]
