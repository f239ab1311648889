"""Slow twin of the deterministic kernels: Runge-Kutta methods on reaction networks, with forward sensitivities.

Sources: Hairer, Norsett and Wanner, *Solving Ordinary Differential Equations I*, II.4-6 (DOPRI5, after Dormand and
Prince 1980); Hairer and Wanner, *... II*, IV.2 (stiffness detection) and IV.7 (RODAS).
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import _dop853
from ._programs import differentiated, evaluated

if TYPE_CHECKING:
    from ..reactions._tables import Tables

Vector: TypeAlias = list[float]

FINISHED, MAX_STEPS, STEP_TOO_SMALL, STIFF, NOT_FINITE = range(5)
DOPRI5, RODAS4, AUTO, DOP853, EULER, RK4 = range(6)
STIFF_STEPS, CALM_STEPS = 15, 6
# The logarithm of 1e-4: errors below count as this in what the next step is made of.
SMALL = math.log(1e-4)

# Dormand and Prince: stages, the weights of order 5 as the last row, of the error, of the dense output.
STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
DENSE = (
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)

# RODAS: where stages 2 to 5 are evaluated, what enters their right-hand sides (over h), the dense output.
GAMMA = 0.25
WHERE = (
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
)
ENTERS = (
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)
BEND = (10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662)
TWIST = (-0.6762803392806898, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872)


def _combination(weights: Sequence[float], vectors: Sequence[Vector]) -> Vector:
    """Sum of weights[i] * vectors[i], from left to right."""
    total = [weights[0] * v for v in vectors[0]]
    for weight, vector in zip(weights[1:], vectors[1:]):
        total = [a + weight * v for a, v in zip(total, vector)]
    return total


def _moved(y: Vector, h: float, change: Vector) -> Vector:
    return [a + h * b for a, b in zip(y, change)]


class System:
    """A network: its factors, changes and programs as lists."""

    def __init__(self, tables: "Tables") -> None:
        factor_at, factor = tables.factor_at.tolist(), list(zip(tables.factor.tolist(), tables.shift.tolist()))
        change_at, changed, by = tables.change_at.tolist(), tables.changed.tolist(), tables.by.tolist()
        self._ids = ids = range(len(change_at) - 1)
        self._first = len(tables.reader_at)
        self._n = self._first - 1 + tables.timed
        self._factors = [factor[factor_at[j] : factor_at[j + 1]] for j in ids]
        spans = [slice(change_at[j], change_at[j + 1]) for j in ids]
        self._changes = [list(zip(changed[span], by[span])) for span in spans]
        at, read_at = tables.program_at.tolist(), tables.read_at.tolist()
        self._programs = {j: tables.program[at[j] : at[j + 1]].tolist() for j in ids if at[j] < at[j + 1]}
        self._reads = [tables.read[read_at[j] : read_at[j + 1]].tolist() for j in ids]
        self._longest = max(map(len, self._programs.values()), default=0)

    def rhs(self, constants: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The right-hand side for amounts x; constants are those of reactions, then slots."""
        return np.array(_Flow(self, constants, None).rhs(x.tolist()))

    def jacobian(self, constants: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives of the right-hand side (rows) by the amounts (columns)."""
        return np.array(_Flow(self, constants, None).jacobian(x.tolist()))


class _Flow:
    """A network with its constants: the state is the amounts, then their derivatives by each parameter."""

    def __init__(self, system: System, constants: NDArray[np.float64], slopes: NDArray[np.float64] | None) -> None:
        self.n, self.ids = system._n, system._ids
        self.factors, self.changes = system._factors, system._changes
        self.programs, self.reads = system._programs, system._reads
        self.first, self.longest = system._first, system._longest
        n_reactions = len(self.ids)
        of_reactions = [[]] * len(constants) if slopes is None else slopes.tolist()
        self.constants, self.slots = constants.tolist()[:n_reactions], constants.tolist()[n_reactions:]
        self.slopes, self.slots_slopes = of_reactions[:n_reactions], of_reactions[n_reactions:]
        self.n_params = 0 if slopes is None else slopes.shape[1]

    def product(self, c: float, j: int, x: Vector, *without: int) -> float:
        """c times the factors of reaction j, but those at the given positions."""
        for position, (species, shift) in enumerate(self.factors[j]):
            if position not in without:
                c *= x[species] - shift
        return c

    def frame(self, j: int, amounts: Vector, slots: Vector) -> Vector:
        """Amounts (and the time) that program j reads, room for results, slots."""
        frame = [0.0] * (self.first + self.longest) + slots
        for i in self.reads[j]:
            frame[i] = amounts[i]
        return frame

    def program(self, j: int, x: Vector) -> tuple[float, Vector]:
        """What program j gives for amounts x, and its frame."""
        frame = self.frame(j, x, self.slots)
        return evaluated(self.programs[j], frame, self.first), frame

    def along(self, j: int, frame: Vector, one: Vector, p: int | None, two: Vector | None = None) -> float:
        """The derivative of a program along a change of amounts and of parameter p, or along that and a second one."""
        still = [0.0] * len(self.slots)
        first = self.frame(j, one, still if p is None else [slopes[p] for slopes in self.slots_slopes])
        second = self.frame(j, two or [0.0] * self.n, still)
        both, code = [0.0] * len(frame), self.programs[j]
        differentiated(code, frame, first, second, both, self.first)
        return (first if two is None else both)[self.first + len(code) - 1]

    def spread(self, j: int, flux: float, out: Vector, start: int) -> None:
        for species, by in self.changes[j]:
            out[start + species] += by * flux

    def rhs(self, y: Vector) -> Vector:
        """dx/dt = changes times rates; ds/dt = its total derivative by the parameter."""
        n, out = self.n, [0.0] * ((1 + self.n_params) * self.n)
        for j, c in enumerate(self.constants):
            sensitivities = [y[(p + 1) * n : (p + 2) * n] for p in range(self.n_params)]
            if j in self.programs:
                rate, frame = self.program(j, y)
                slopes = [self.along(j, frame, s, p) for p, s in enumerate(sensitivities)]
            else:
                rate, slopes = self.product(c, j, y), []
                for p, s in enumerate(sensitivities):
                    slope = self.slopes[j][p] and self.product(self.slopes[j][p], j, y)
                    for position, (species, _) in enumerate(self.factors[j]):
                        slope += self.product(c, j, y, position) * s[species]
                    slopes.append(slope)
            for block, flux in enumerate([rate, *slopes]):
                self.spread(j, flux, out, block * n)
        return out

    def jacobian(self, x: Vector) -> list[Vector]:
        matrix = [[0.0] * self.n for _ in range(self.n)]
        for j, c in enumerate(self.constants):
            partials = [(i, self.product(c, j, x, position)) for position, (i, _) in enumerate(self.factors[j])]
            if j in self.programs:
                _, frame = self.program(j, x)
                partials = [
                    (i, self.along(j, frame, [float(i == other) for other in range(self.n)], None))
                    for i in self.reads[j]
                ]
            for species, partial in partials:
                for row, by in self.changes[j]:
                    matrix[row][species] += by * partial
        return matrix

    def second(self, y: Vector, u: Vector, p: int, out: Vector) -> Vector:
        """Add to out the derivative of sensitivity p's right-hand side along a change u of the amounts."""
        sensitivity = y[(p + 1) * self.n : (p + 2) * self.n]
        for j, c in enumerate(self.constants):
            flux = 0.0
            if j in self.programs:
                _, frame = self.program(j, y)
                flux = self.along(j, frame, sensitivity, p, u)
            for g, (along, _) in enumerate(self.factors[j]):
                flux += self.product(self.slopes[j][p], j, y, g) * u[along]
                for f, (species, _) in enumerate(self.factors[j]):
                    if f != g:
                        flux += self.product(c, j, y, f, g) * sensitivity[species] * u[along]
            self.spread(j, flux, out, 0)
        return out


class _Integration:
    """One integration: where it stands and what it has written."""

    def __init__(self, system: _Flow, x0: Vector, span: tuple[float, float], times: Vector, limits: Any) -> None:
        self.system, self.times = system, times
        self.t, self.end = span
        self.rtol, self.atol, self.max_steps = limits
        self.y = x0
        self.ends: list[float] = []
        self.h = 0.0
        self.nfev = self.n_steps = 0
        self.out: list[Vector] = []
        while len(self.out) < len(times) and times[len(self.out)] <= self.t:
            self.out.append(self.y)

    def rhs(self, y: Vector) -> Vector:
        self.nfev += 1
        return self.system.rhs(y)

    def norm(self, v: Vector, a: Vector, b: Vector) -> float:
        """Root mean square in units of the tolerance, the largest over the amounts and each sensitivity."""
        return math.sqrt(self.mean_square(v, a, b))

    def mean_square(self, v: Vector, a: Vector, b: Vector) -> float:
        n, largest = self.system.n, 0.0
        for block in range(self.system.n_params + 1):
            total = 0.0
            for i in range(block * n, (block + 1) * n):
                ratio = v[i] / (self.atol[i - block * n] + self.rtol * max(abs(a[i]), abs(b[i])))
                total += ratio * ratio
            if not total < math.inf:
                return math.inf
            largest = max(largest, total)
        return largest / n

    def first_step(self, slope: Vector, order: float) -> float:
        y, span = self.y, self.end - self.t
        size, speed = self.norm(y, y, y), self.norm(slope, y, y)
        if not max(size, speed) < math.inf:
            return 0.0
        h = min(1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed, span)
        following = self.rhs(_moved(y, h, slope))
        bend = self.norm([b - a for a, b in zip(slope, following)], y, y) / h
        steepest = max(speed, bend)
        flat = steepest <= 1e-15 or not bend < math.inf
        longer = max(1e-6, h * 1e-3) if flat else (0.01 / steepest) ** (1 / (order + 1))
        least = 100 * (abs(self.t) * 2.0**-52 + 1e-300)
        return min(max(min(100 * h, longer), least), span)

    def next_step(self) -> tuple[int, bool]:
        """Count a step and cut it at the end; return a status and whether it is the last."""
        if self.n_steps >= self.max_steps:
            return MAX_STEPS, False
        if not (0.1 * self.h > abs(self.t) * 2.0**-52 + 1e-300 or self.h >= self.end - self.t):
            return STEP_TOO_SMALL, False
        last = self.t + 1.01 * self.h >= self.end
        if last:
            self.h = self.end - self.t
        self.n_steps += 1
        return FINISHED, last

    def due(self, last: bool) -> list[float]:
        """Shares of the step at which output is asked for."""
        done = len(self.out)
        return [(t - self.t) / self.h for t in self.times[done:] if t <= self.t + self.h or last]

    def advance(self, new: Vector, last: bool) -> None:
        self.t = self.end if last else self.t + self.h
        self.y = new
        self.ends.append(self.t)


def _dopri5(run: _Integration, watch: bool) -> int:
    """Dormand and Prince 5(4) with dense output of order 4 and a PI controller; STIFF when it should be another."""
    k1 = run.rhs(run.y)
    if run.end > run.t and not all(map(math.isfinite, k1)):
        return NOT_FINITE
    if run.h == 0 and run.end > run.t:
        run.h = run.first_step(k1, 5.0)
    before, rejected, stiff, calm = SMALL, False, 0, 0
    while run.t < run.end:
        status, last = run.next_step()
        if status != FINISHED:
            return status
        y, h, k = run.y, run.h, [k1]
        new = y
        for weights in STAGES:
            # The newest slope is added last, so that the kernel has the others' sum when it comes.
            place, earlier = new, _moved(y, h, _combination(weights[:-1], k)) if len(k) > 1 else y
            new = [a + h * weights[-1] * b for a, b in zip(earlier, k[-1])]
            k.append(run.rhs(new))
        err = run.mean_square([h * e for e in _combination(ERROR, k)], y, new)
        size = 0.5 * math.log(max(err, 1e-60)) if err < math.inf else err
        if not err <= 1:
            run.h = h * (max(0.9 * math.exp(-0.17 * size), 0.1) if err < math.inf else 0.1)
            rejected = True
            continue
        quintic = _combination(DENSE, k)
        for share in run.due(last):
            rest = 1 - share
            state = []
            for a, b, first, end, bent in zip(y, new, k1, k[6], quintic):
                difference = b - a
                bend = h * first - difference
                inner = difference - h * end - bend + rest * (h * bent)
                state.append(a + share * (difference + rest * (bend + share * inner)))
            run.out.append(state)
        if watch:
            n = run.system.n
            top = bottom = 0.0
            for i in range(n):
                top += (k[6][i] - k[5][i]) * (k[6][i] - k[5][i])
                bottom += (new[i] - place[i]) * (new[i] - place[i])
            if bottom > 0 and h * math.sqrt(top / bottom) > 3.25:
                calm, stiff = 0, stiff + 1
            else:
                calm += 1
                stiff = 0 if calm == CALM_STEPS else stiff
        run.advance(new, last)
        k1 = k[6]
        factor = max(min(0.9 * math.exp(0.04 * before - 0.17 * size), 10.0), 0.2)
        run.h = h * (min(factor, 1.0) if rejected else factor)
        before, rejected = max(size, SMALL), False
        if stiff >= STIFF_STEPS:
            return STIFF
    return FINISHED


def _weighed(weights: Sequence[float], k: Sequence[Vector], h: float) -> Vector:
    """h times the sum of weights[i] * k[i] over weights that aren't 0."""
    chosen = [(weight, stage) for weight, stage in zip(weights, k) if weight]
    total = [0.0] * len(k[0])
    for weight, stage in chosen:
        total = [a + weight * b for a, b in zip(total, stage)]
    return [h * a for a in total]


def _dop853_steps(run: _Integration) -> int:
    """Dormand and Prince 8(5,3) with dense output of order 7."""
    first = run.rhs(run.y)
    if run.end > run.t and not all(map(math.isfinite, first)):
        return NOT_FINITE
    if run.h == 0 and run.end > run.t:
        run.h = run.first_step(first, 8.0)
    rejected = False
    while run.t < run.end:
        status, last = run.next_step()
        if status != FINISHED:
            return status
        y, h, k = run.y, run.h, [first]
        for stage in _dop853.STAGES[:12]:
            new = [a + b for a, b in zip(y, _weighed(stage, k, h))]
            k.append(run.rhs(new))
        err, coarse = (run.norm(_weighed(row, k, h), y, new) for row in _dop853.ERRORS)
        if not coarse < math.inf:
            err = math.inf
        elif err > 0:
            err = err * err / math.sqrt(err * err + 0.01 * coarse * coarse)
        if not err <= 1:
            run.h = h / (min(err**0.125 / 0.9, 3.0) if err < math.inf else 3.0)
            rejected = True
            continue
        shares = run.due(last)
        if shares:
            for more in _dop853.STAGES[12:]:
                k.append(run.rhs([a + b for a, b in zip(y, _weighed(more, k, h))]))
            upper = [_weighed(row, k, h) for row in _dop853.DENSE]
        for share in shares:
            rest, state = 1 - share, []
            for i, (a, b) in enumerate(zip(y, new)):
                difference = b - a
                bend, total = h * first[i] - difference, 0.0
                for j in (3, 2, 1, 0):
                    total = (total + upper[j][i]) * (share if j % 2 else rest)
                inner = difference - h * k[12][i] - bend + total
                state.append(a + share * (difference + rest * (bend + share * inner)))
            run.out.append(state)
        run.advance(new, last)
        first = k[12]
        factor = min(max(err**0.125 / 0.9, 1 / 6), 3.0)
        run.h = h / (max(factor, 1.0) if rejected else factor)
        rejected = False
    return FINISHED


def _fixed_steps(run: _Integration, step: float, fourth: bool) -> int:
    """Steps of one length, by Euler or by the classical method of order 4, between them a line or a cubic."""
    start, slope, turn = run.t, run.rhs(run.y), 0
    if run.end > run.t and not all(map(math.isfinite, slope)):
        return NOT_FINITE
    while run.t < run.end:
        if run.n_steps >= run.max_steps:
            return MAX_STEPS
        turn += 1
        reached = start + turn * step
        if not reached > run.t:
            return STEP_TOO_SMALL
        # A last step that would be all rounding belongs to the one before.
        last = reached + 1e-9 * step >= run.end
        reached = run.end if last else reached
        y, h = run.y, reached - run.t
        run.n_steps += 1
        if fourth:
            second = run.rhs(_moved(y, 0.5 * h, slope))
            third = run.rhs(_moved(y, 0.5 * h, second))
            total = _combination((1.0, 2.0, 2.0, 1.0), [slope, second, third, run.rhs(_moved(y, h, third))])
            new = _moved(y, h / 6.0, total)
        else:
            new = _moved(y, h, slope)
        following = run.rhs(new)
        if not all(map(math.isfinite, [*new, *following])):
            return NOT_FINITE
        for t in run.times[len(run.out) :]:
            if t > reached and not last:
                break
            share = (t - run.t) / h
            rest = 1 - share
            state = []
            for a, b, first, end in zip(y, new, slope, following):
                difference = b - a
                bend = h * first - difference
                cubic = a + share * (difference + rest * (bend + share * (difference - h * end - bend)))
                state.append(cubic if fourth and rest > 0 else a * rest + b * share)
            run.out.append(state)
        run.t, run.y, slope = reached, new, following
        run.ends.append(reached)
    return FINISHED


def _decomposed(matrix: list[Vector]) -> tuple[list[Vector], list[int]] | None:
    """LU with partial pivoting and the row exchanges, None if singular."""
    n = len(matrix)
    lu, order = [row.copy() for row in matrix], []
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(lu[i][k]))
        order.append(pivot)
        if not 0 < abs(lu[pivot][k]) < math.inf:
            return None
        lu[k], lu[pivot] = lu[pivot], lu[k]
        for i in range(k + 1, n):
            lu[i][k] /= lu[k][k]
            for j in range(k + 1, n):
                lu[i][j] -= lu[i][k] * lu[k][j]
    return lu, order


def _solved(decomposed: tuple[list[Vector], list[int]], v: Vector) -> Vector:
    lu, order = decomposed
    v = v.copy()
    for i, pivot in enumerate(order):
        v[i], v[pivot] = v[pivot], v[i]
    for i in range(len(v)):
        for j in range(i):
            v[i] -= lu[i][j] * v[j]
    for i in reversed(range(len(v))):
        for j in range(i + 1, len(v)):
            v[i] -= lu[i][j] * v[j]
        v[i] /= lu[i][i]
    return v


def _stage(system: _Flow, y: Vector, decomposed: Any, right: Vector) -> Vector:
    """Solve a stage for the amounts, then for each sensitivity, which the amounts drive."""
    n = system.n
    u = _solved(decomposed, right[:n])
    driven = u.copy()
    for p in range(system.n_params):
        part = right[(p + 1) * n : (p + 2) * n]
        u += _solved(decomposed, system.second(y, driven, p, part))
    return u


def _rodas4(run: _Integration) -> int:
    """RODAS, a Rosenbrock method of order 4(3) whose last stage is the error."""
    system, rejected = run.system, False
    while run.t < run.end:
        y, slope = run.y, run.rhs(run.y)
        if not all(map(math.isfinite, slope)):
            return NOT_FINITE
        if run.h == 0:
            run.h = run.first_step(slope, 4.0)
        while True:
            status, last = run.next_step()
            if status != FINISHED:
                return status
            h = run.h
            matrix = [[-a for a in row] for row in system.jacobian(y)]
            for i in range(system.n):
                matrix[i][i] += 1 / (GAMMA * h)
            decomposed = _decomposed(matrix)
            if decomposed is None:
                run.h, rejected = 0.5 * h, True
                continue
            u = [_stage(system, y, decomposed, slope)]
            for i, enters in enumerate(ENTERS):
                if i < len(WHERE):
                    place = _combination((1.0, *WHERE[i]), [y, *u])
                else:
                    place = [a + b for a, b in zip(place, u[-1])]
                driven = _combination([c / h for c in enters], u)
                u.append(_stage(system, y, decomposed, [a + b for a, b in zip(run.rhs(place), driven)]))
            new = [a + b for a, b in zip(place, u[-1])]
            err = run.norm(u[-1], y, new)
            factor = min(max(err**0.25 / 0.9 if err < math.inf else 6.0, 1 / 6), 5.0)
            if err <= 1:
                break
            run.h, rejected = h / factor, True
        bend, twist = _combination(BEND, u), _combination(TWIST, u)
        for share in run.due(last):
            rest = 1 - share
            state = [a * rest + share * (b + rest * (c + share * d)) for a, b, c, d in zip(y, new, bend, twist)]
            run.out.append(state)
        run.advance(new, last)
        run.h = h / (max(factor, 1.0) if rejected else factor)
        rejected = False
    return FINISHED


def integrate(
    system: System,
    constants: NDArray[np.float64],
    slopes: NDArray[np.float64],
    x0: NDArray[np.float64],
    span: tuple[float, float],
    times: NDArray[np.float64],
    method: int,
    rtol: float,
    atol: NDArray[np.float64],
    max_steps: int,
    step: float,
    keep: bool,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int8], NDArray[np.float64]]:
    """Integrate from x0 for each row of constants (of reactions, then slots); amounts and sensitivities at given times.

    `x0` has rows (or only one) of amounts and their sensitivities. Method 0 is the explicit one of order 5, 1 the
    linearly implicit one, 2 the first until it finds the problem stiff, then the second, 3 the explicit one of order 8;
    4 and 5 are Euler's and the classical one of order 4, in steps of length `step`. Returns states (rows, times,
    1 + parameters, species), NaN where never reached, numbers of evaluations and steps, statuses, and with `keep` where
    the steps ended.
    """
    rows, n, n_params = len(constants), x0.shape[2], slopes.shape[2]
    result = np.full((rows, len(times), (1 + n_params) * n), np.nan)
    nfev, n_steps, statuses = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int8)
    ends: list[float] = []
    for row in range(rows):
        flow = _Flow(system, constants[row], slopes[row])
        start = x0[row if len(x0) > 1 else 0].reshape(-1).tolist()
        run = _Integration(flow, start, span, times.tolist(), (rtol, atol.tolist(), max_steps))
        status = STIFF
        if method == DOP853:
            status = _dop853_steps(run)
        elif method in (EULER, RK4):
            status = _fixed_steps(run, step, method == RK4)
        elif method != RODAS4:
            status = _dopri5(run, method == AUTO)
        if status == STIFF:
            status = _rodas4(run)
        for at, state in enumerate(run.out):
            result[row, at] = state
        nfev[row], n_steps[row], statuses[row] = run.nfev, run.n_steps, status
        ends += run.ends if keep else []
    return result.reshape(rows, len(times), 1 + n_params, n), nfev, n_steps, statuses, np.array(ends)
