"""Rates as expressions over species, parameters and time: read, simulated, integrated, differentiated."""

from __future__ import annotations

import math
import pickle
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fastcore import use_backend
from fastcore._programs import OPERATIONS
from fastcore.ode import equations, fit, solve
from fastcore.reactions import ReactionNetwork, fsp, simulate
from fastcore.reactions._expressions import FUNCTIONS, Expression
from fastcore.reference._programs import VALUES, _partials

from .helpers import sized

METHODS = ["direct", "first_reaction", "rssacr"]
ENZYME = ReactionNetwork("S -> P @ vmax*S/(km + S); P -> S @ k*P/(1 + exp(-0.1*(P - 20))); vmax = 10; km = 5; k = 0.1")


def value(text: str, **values: float) -> float:
    return float(Expression(text).value(values))


def both(*arguments, **options):
    found = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            found.append(simulate(*arguments, record="jumps", **options))
    return found


class TestReading:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1 + 2*3 - 4/8", 6.5),
            ("2**3**2", 512.0),
            ("-2**2", -4.0),
            ("2**-1", 0.5),
            ("10 - 3 - 2", 5.0),
            ("16/4/2", 2.0),
            ("-(1 + 2)*-3", 9.0),
            ("1 < 2", 1.0),
            ("2 > 3 or 2 >= 2", 1.0),
            ("1 == 1 and not 2 != 2", 1.0),
            ("not 1 < 2 || 0", 0.0),
            ("1 && 0", 0.0),
            ("!0", 1.0),
            ("1 or 0 and 0", 1.0),
            ("1 + 1 < 3", 1.0),
            ("piecewise(5, x > 2, 6, x > 1, 7)", 6.0),
            ("piecewise(5, x > 1)", 5.0),
            ("piecewise(5, x > 2)", math.nan),
            ("if(x == 2, 3, 4)", 3.0),
            ("if(x == 2, 3, 1/0)", 3.0),
            ("min(3, x, 5)", 2.0),
            ("max(3, x, 5)", 5.0),
            ("min(x)", 2.0),
            ("abs(-x) + floor(2.7) + ceil(2.2)", 7.0),
            ("pow(x, 3) + sqrt(9)", 11.0),
            ("exp(0) + log(1) + ln(exp(1)) + log10(1000)", 5.0),
            ("sin(0) + cos(0) + tan(0)", 1.0),
            ("asin(1)*2 - acos(-1) + atan(0)", 0.0),
            ("sinh(0) + cosh(0) + tanh(0)", 1.0),
            ("lambda + in*E - I/def", 2 + 3 * 5 - 7 / 8),
            (" 1e3 +.5+ 5. ", 1005.5),
            ("Größe*2", 18.0),
        ],
    )
    def test_values(self, text, expected):
        values = {"x": 2, "lambda": 2, "in": 3, "E": 5, "I": 7, "def": 8, "Größe": 9}
        assert value(text, **values) == pytest.approx(expected, rel=1e-15, nan_ok=True)
        # What it is written as means the same.
        assert value(Expression(text).shown({}), **values) == pytest.approx(expected, rel=1e-15, nan_ok=True)

    @settings(max_examples=100)
    @given(st.data())
    def test_any_expression_is_what_python_says(self, data):
        leaves = st.sampled_from(["x", "y", "2", "0.5", "3"])
        grow = lambda inner: st.one_of(  # noqa: E731
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map("({0[0]}) {0[1]} ({0[2]})".format),
            st.tuples(inner, st.sampled_from(["<", ">="]), inner).map("0.5*(({0[0]}) {0[1]} ({0[2]}))".format),
            inner.map("-({})".format),
            inner.map("abs({})".format),
        )
        text = data.draw(st.recursive(leaves, grow, max_leaves=12))
        x, y = data.draw(st.floats(-3, 3)), data.draw(st.floats(0.1, 3))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = {"x": np.float64(x), "y": np.float64(y), "abs": np.abs}
            literal = text.replace("2", "f(2)").replace("0.5", "f(0.5)").replace("3", "f(3)")
            expected = eval(literal, {"f": np.float64, **names})
        assert value(text, x=x, y=y) == pytest.approx(float(expected), rel=1e-12, nan_ok=True)
        assert value(Expression(text).shown({}), x=x, y=y) == pytest.approx(float(expected), rel=1e-12, nan_ok=True)

    @pytest.mark.parametrize(
        ("rate", "words"),
        [
            ("vmax*S/(km+S", "is not an arithmetic expression"),
            ("S S", "'S' is not allowed"),
            ("1 +", "is not an arithmetic expression"),
            ("", "expected 'A"),
            ("sinn(S)", r"'sinn\(' is not allowed.* did you mean 'sin'"),
            ("eval(S)", "is not allowed"),
            ("S.real", "is not allowed"),
            ("S[0]", r"'\[' is not allowed"),
            ("sin()", "sin takes 1 argument, got 0"),
            ("pow(S)", "pow takes 2 arguments, got 1"),
            ("piecewise(1)", "piecewise takes 2 or more arguments, got 1"),
            ("if(S, 1)", "if takes 3 arguments, got 2"),
            ("min()", "min takes 1 or more arguments, got 0"),
            ("1 < S < 2", "write a comparison of three as a < b and b < c"),
            ("S^2", r"write a power as a\*\*b"),
            ("vmx*S", "names 'vmx', which has no value.* did you mean 'vmax'"),
            ("s", "names 's', which has no value.* did you mean 'S'"),
            ("(" * 200 + "S" + ")" * 200, "nested more than 100 deep"),
            ("-" * 200 + "S", "nested more than 100 deep"),
            ("2**" * 200 + "S", "nested more than 100 deep"),
            ("min(" * 200 + "S" + ")" * 200, "nested more than 100 deep"),
            ("007*S", "a number doesn't begin with 0"),
        ],
    )
    def test_refused(self, rate, words):
        with pytest.raises(ValueError, match=rf"line 1: .*{words}"):
            ReactionNetwork(f"S -> P @ {rate}\nvmax = 1; km = 2")

    def test_time_is_reserved(self):
        for text in ("t -> A @ 1", "A -> B @ t\nt = 3"):
            with pytest.raises(ValueError, match="'t' is reserved: it is the time"):
                ReactionNetwork(text)

    def test_pi_is_a_number_unless_it_is_a_name(self):
        assert ReactionNetwork("A -> B @ 2*pi").constants().tolist() == [2 * math.pi]
        assert ReactionNetwork("A -> B @ 2*pi; pi = 3").constants().tolist() == [6]
        assert ReactionNetwork("pi -> B @ pi/2 + 0*B").propensities({"pi": 5}).tolist() == [2.5]

    def test_names_are_free(self):
        network = ReactionNetwork("lambda -> in @ E*lambda/(1 + I); E = 2; I = 3")
        assert network.propensities({"lambda": 4}).tolist() == [2]
        assert ReactionNetwork("A -> B @ lambda; lambda = 3").constants().tolist() == [3]

    def test_long_ones_are_linear(self):
        terms = " + ".join(f"{i}*S/(S + {i})" for i in range(1, 400))
        network = ReactionNetwork(f"S -> P @ {terms}")
        assert network.propensities({"S": 2})[0] == pytest.approx(
            sum(2 * i / (2 + i) for i in range(1, 400)), rel=1e-12
        )
        powers = "(" * 20 + "S" + "**16)" * 20
        assert ReactionNetwork(f"S -> P @ {powers}").propensities({"S": 1}).tolist() == [1]

    def test_network_gives_itself_back(self):
        text = "S -> P @ vmax*S/(km + S)\n0 -> S @ 1 + sin(t)\nvmax = 10.0\nkm = ?\nS = N - P\nP = 5.0\nN = 3.0"
        network = ReactionNetwork(text)
        again = ReactionNetwork(str(network))
        assert str(again) == str(network)
        for other in (again, pickle.loads(pickle.dumps(network))):
            x, params = {"S": 3, "P": 1}, {"km": 2.0}
            assert other.propensities(x, 2.0, params).tolist() == network.propensities(x, 2.0, params).tolist()
            assert other.starts(None, {"km": 1, "N": 9})[0].tolist() == [4, 5]

    def test_two_ways(self):
        network = ReactionNetwork("A + B <-> C @ kf, max(k, A/B); kf = 2; k = 3")
        assert [str(r) for r in network.reactions] == ["A + B -> C @ kf", "C -> A + B @ max(k, A/B)"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("A => B @ k; k = 1", "the arrow is '->', or '<->' with two rates, not '=>'"),
            ("A <-> B @ k; k = 1", "'<->' needs two rates, there and back, got 'k'"),
            ("A <-> B @ 1, 2, 3", "'<->' needs two rates"),
            ("A <-> B @ 1,", "expected 'A"),
            ("A <- B @ 1", "expected 'A"),
            ("A <-> B <-> C @ 1, 2", "expected 'A"),
        ],
    )
    def test_bad_arrows(self, text, words):
        with pytest.raises(ValueError, match=words):
            ReactionNetwork(text)

    def test_values_that_come_with_the_call(self, backend):
        for network in (ReactionNetwork("A -> B @ k; k = ?"), ReactionNetwork("A -> B @ k", params={"k": None})):
            assert math.isnan(network.params["k"])
            assert network.constants({"k": 2}).tolist() == [2]
            assert simulate(network, [5, 0], (0, 1e9), [1e9], params={"k": 1}, rng=0).x.tolist() == [[[0, 5]]]
            for call in (
                network.constants,
                lambda n=network: simulate(n, [5, 0], (0, 1)),
                lambda n=network: solve(n, [5, 0], (0, 1)),
            ):
                with pytest.raises(ValueError, match="params must give 'k', which has no value of its own"):
                    call()


class TestStarts:
    def test_computed(self, backend):
        network = ReactionNetwork("S + I -> 2 I @ b; b = 0.1; N = 100; I = 5; S = N - I")
        assert dict(network.x0) == {"S": 95, "I": 5}
        assert simulate(network, None, (0, 0), [0]).x.tolist() == [[[95, 5]]]
        assert simulate(network, None, (0, 0), [0], params={"N": 25}).x.tolist() == [[[20, 5]]]
        sol = simulate(network, None, (0, 0.1), [0], params={"N": [25, 50]}, n=3, rng=0)
        assert sol.x[..., 0, 0].tolist() == [[20] * 3, [45] * 3]
        jumps = simulate(network, None, (0, 0.1), params={"N": [25, 50]}, n=2, record="jumps", rng=0)
        assert [jumps.path(run)[1][0].tolist() for run in range(4)] == [[20, 5]] * 2 + [[45, 5]] * 2
        assert solve(network, None, (0, 1), [0], params={"N": [25, 50]}).x[:, 0].tolist() == [[20, 5], [45, 5]]
        assert fsp(network, None, 0.0, params={"N": 7}).p[2, 5] == 1

    def test_near_a_whole_number(self, backend):
        network = ReactionNetwork("A -> 0 @ 1; A = 2.5*c; c = 9.9999999999999982")
        assert network.x0["A"] == 25 and simulate(network, None, (0, 0), [0]).x[0, 0, 0] == 25
        with pytest.raises(ValueError, match=r"x0 must hold whole numbers .*, got 12.5 for the species 'A'"):
            simulate(network, None, (0, 1), params={"c": 5})

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("A -> B @ 1; A = B; B = A + 1", "line 1: the initial amount of '[AB]' depends on itself"),
            ("A -> B @ 1; A = A", "the initial amount of 'A' depends on itself"),
            ("A -> B @ 1; A = M - 1", "names 'M', which is neither a species nor a parameter"),
            ("A -> B @ 1; A = t", "names 't', which is neither"),
            ("A -> B @ 1; A = ?", "the initial amount of 'A' must have a value"),
        ],
    )
    def test_refused(self, text, words):
        with pytest.raises(ValueError, match=words):
            ReactionNetwork(text)

    @pytest.mark.parametrize("method", ["dopri5", "rodas4"])
    def test_sensitivities_by_what_the_start_depends_on(self, backend, method):
        network = ReactionNetwork("A -> 0 @ k; k = 0.5; N = 100; A = N/4 - B; B = N/10; B -> 0 @ 1")
        sol = solve(network, None, (0, 2), [0, 2], sensitivities=["N", "k"], method=method)
        np.testing.assert_allclose(sol.sensitivities[:, 0, 0], [0.15, 0.15 * math.exp(-1)], rtol=1e-5)
        np.testing.assert_allclose(sol.sensitivities[:, 0, 1], [0, -2 * 15 * math.exp(-1)], rtol=1e-5)

    def test_fitted(self):
        truth = ReactionNetwork("A -> 0 @ k; k = 0.5; N = 100; A = N")
        t = [0.5, 1, 2, 3]
        data = solve(truth, None, (0, 3), t).x[:, 0]
        found = fit(truth, t, {"A": data}, x0=None, t0=0, start={"N": 60, "k": 0.3})
        assert found.params["N"] == pytest.approx(100, rel=1e-4) and found.params["k"] == pytest.approx(0.5, rel=1e-4)
        np.testing.assert_allclose(found.solve(t).x[:, 0], data, rtol=1e-4)
        with pytest.raises(ValueError, match="x0 must be given"):
            fit(ReactionNetwork("A -> 0 @ k; k = 0.5"), t, {"A": data}, x0=None)


# One argument, its name in the programs and a species' amount at which the derivatives are finite.
ONE = [
    ("abs(A - 9)", 4), ("floor(A)", 4), ("ceil(A/3)", 4), ("sqrt(A)", 4), ("exp(A/9)", 4), ("log(A + 1)", 4),
    ("log10(A + 1)", 4), ("sin(A)", 4), ("cos(A)", 4), ("tan(A/9)", 4), ("asin(A/99)", 4), ("acos(A/99)", 4),
    ("atan(A)", 4), ("sinh(A/9)", 4), ("cosh(A/9)", 4), ("tanh(A/9)", 4), ("-A", 4),
    ("k*A/(3 + A)", 4), ("A**k", 4), ("k**(A/9)", 4), ("A**(B/9)", 4), ("A**2*B", 4), ("A/B", 4), ("A - k*B", 4),
    ("min(A, k*B)", 4), ("max(A, k*B)", 4), ("(A < B)*k", 4), ("(A <= B) + k", 4), ("(A == B) + k*A", 4),
    ("(A != B)*k*A", 4), ("(A > 1 and B > 1)*k", 4), ("(A > 99 or B > 1)*k*B", 4), ("(not A > 99)*k", 4),
    ("if(A > 1, k*A*B, log(-1))", 4), ("if(A > 99, sqrt(-1), B/(k + A))", 4), ("k + sin(t)*A", 4), ("t*k", 4), ("t", 4),
]  # fmt: skip


class TestDerivatives:
    @pytest.mark.parametrize(("rate", "amount"), ONE)
    def test_every_operation(self, rate, amount):
        """Sensitivities and Jacobians in both methods against differences of solutions; both twins."""
        network = ReactionNetwork(f"0 -> A @ (3 + {rate})*0.01*k + 0*B; A -> B @ 0.1; k = 1.5")
        x0, options = [amount, 6], {"rtol": 1e-10, "atol": 1e-10}
        found = {}
        for name in ("compiled", "reference"):
            with use_backend(name):
                for method in ("dopri5", "rodas4"):
                    found[name, method] = solve(
                        network, x0, (0, 2), [0.7, 2], sensitivities=True, method=method, rtol=1e-7, atol=1e-7
                    )
        for method in ("dopri5", "rodas4"):
            ours, twins = found["compiled", method], found["reference", method]
            np.testing.assert_allclose(ours.x, twins.x, rtol=1e-12)
            np.testing.assert_allclose(ours.sensitivities, twins.sensitivities, rtol=1e-11, atol=1e-14)
            assert ours.nfev == twins.nfev
        a, b = found["compiled", "dopri5"], found["compiled", "rodas4"]
        np.testing.assert_allclose(a.x, b.x, rtol=1e-5)
        step = 1e-4
        ends = [solve(network, x0, (0, 2), [0.7, 2], params={"k": 1.5 + s}, **options).x for s in (step, -step)]
        slope = (ends[0] - ends[1]) / (2 * step)
        for sol in (a, b):
            np.testing.assert_allclose(sol.sensitivities[..., 0], slope, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("choose",)])
    def test_partials(self, name):
        """The twin's derivatives, first and second, against differences; the kernel agrees with the twin above."""
        rng, h = np.random.default_rng(3), 1e-4
        apply = lambda a, b: VALUES[name](a, b, 0.0)  # noqa: E731
        for _ in range(20):
            a, b = rng.uniform(0.2, 0.8), rng.uniform(1.2, 2.5)
            fa, fb, faa, fab, fbb = _partials(name, a, b, apply(a, b))
            assert fa == pytest.approx((apply(a + h, b) - apply(a - h, b)) / (2 * h), rel=1e-5, abs=1e-5)
            assert faa == pytest.approx(
                (apply(a + h, b) - 2 * apply(a, b) + apply(a - h, b)) / h**2, rel=1e-4, abs=1e-4
            )
            assert fb == pytest.approx((apply(a, b + h) - apply(a, b - h)) / (2 * h), rel=1e-5, abs=1e-5)
            assert fbb == pytest.approx(
                (apply(a, b + h) - 2 * apply(a, b) + apply(a, b - h)) / h**2, rel=1e-4, abs=1e-4
            )
            cross = apply(a + h, b + h) - apply(a + h, b - h) - apply(a - h, b + h) + apply(a - h, b - h)
            assert fab == pytest.approx(cross / (4 * h * h), rel=1e-4, abs=1e-4)

    def test_values_that_c_has_and_python_refuses(self):
        infinite = math.inf
        for name, arguments, expected in [
            ("divide", (1.0, 0.0), infinite), ("divide", (-1.0, 0.0), -infinite), ("divide", (1.0, -0.0), -infinite),
            ("divide", (0.0, 0.0), math.nan), ("exp", (1e4, 0.0), infinite), ("log", (0.0, 0.0), -infinite),
            ("log", (-1.0, 0.0), math.nan), ("sqrt", (-1.0, 0.0), math.nan), ("power", (0.0, -1.0), infinite),
            ("power", (0.0, -2.0), infinite), ("power", (-0.0, -1.0), -infinite), ("power", (-2.0, 0.5), math.nan),
            ("power", (1e300, 2.0), infinite), ("power", (-1e300, 3.0), -infinite), ("sin", (infinite, 0.0), math.nan),
            ("sinh", (-1e4, 0.0), -infinite), ("cosh", (1e4, 0.0), infinite), ("asin", (2.0, 0.0), math.nan),
            ("floor", (infinite, 0.0), infinite), ("log10", (0.0, 0.0), -infinite),
            ("minimum", (math.nan, 1.0), math.nan), ("maximum", (math.nan, 1.0), math.nan),
        ]:  # fmt: skip
            found = VALUES[name](*arguments, 0.0)
            assert found == expected or (math.isnan(found) and math.isnan(expected)), (name, arguments)

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_gradients_by_parameters(self, name):
        text = {"absolute": "abs"}.get(name, name) + "(a*b/3)"
        for a, b in ((0.7, 1.1), (0.3, 2.2)):
            _, gradient = Expression(text).gradient({"a": a, "b": b})
            h = 1e-6
            for parameter, moved in (("a", (a + h, b, a - h, b)), ("b", (a, b + h, a, b - h))):
                up, down = value(text, a=moved[0], b=moved[1]), value(text, a=moved[2], b=moved[3])
                assert gradient[parameter] == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-8)

    def test_gradient_of_what_isnt_chosen_doesnt_count(self):
        _, gradient = Expression("if(a > 1, a*b, sqrt(a - 5)) + max(a, b) + min(a, b)").gradient({"a": 5.0, "b": 2.0})
        assert {name: float(slope) for name, slope in gradient.items()} == {"a": 3.0, "b": 6.0}


class TestSimulated:
    @pytest.mark.parametrize("method", METHODS)
    def test_twins(self, method):
        ours, twin = both(ENZYME, [60, 0], (0, 30), n=3, method=method, rng=4, max_events=2500)
        assert len(ours.times) > 500
        assert ours.times.tobytes() == twin.times.tobytes() and ours.reactions.tobytes() == twin.reactions.tobytes()

    @settings(max_examples=60)
    @given(st.data())
    def test_any_rates(self, data):
        terms = [
            "A",
            "B",
            "k",
            "2",
            "A*B",
            "(A - 1)",
            "sqrt(A)",
            "exp(-B)",
            "max(A, B)",
            "(A > B)",
            "1/(k + A)",
            "A**2",
        ]
        rates = [data.draw(st.lists(st.sampled_from(terms), min_size=1, max_size=4).map("*".join)) for _ in range(4)]
        sides = [("A", "B"), ("B", "2 A"), ("2 A", "B"), ("", "A")]
        text = "; ".join(f"{a or 0} -> {b} @ abs({rate}) + 0*k*A" for (a, b), rate in zip(sides, rates))
        products = "; ".join(f"{a or 0} -> {b} @ k*{a.split()[-1] if a else '1'}" for a, b in sides)
        for reactions in (text, products):
            network = ReactionNetwork(f"{reactions}; k = 0.5")
            ours, twin = both(network, [9, 4], (0, 2), n=2, rng=data.draw(st.integers(0, 99)), max_events=60)
            assert ours.times.tobytes() == twin.times.tobytes() and ours.reactions.tobytes() == twin.reactions.tobytes()
            for run in range(2):
                assert (ours.path(run)[1] >= 0).all()

    @pytest.mark.parametrize(
        ("written", "mass"),
        [
            ("S + I -> 2 I @ beta*S*I; I -> R @ g*I", "S + I -> 2 I @ beta; I -> R @ g"),
            ("2 S -> I @ S*(S - 1)*g/2; I -> 2 S @ 3*I*g", "2 S -> I @ g/2; I -> 2 S @ 3*g"),
            ("3 S -> I @ (S - 2)*g*S*(S - 1); I -> R @ I", "3 S -> I @ g; I -> R @ 1"),
            ("0 -> R @ S*g; S -> I @ pow(S, 1)*beta/g", "S -> S + R @ g; S -> I @ beta/g"),
        ],
    )
    def test_products_are_mass_action(self, backend, written, mass):
        """A rate written out as a product runs as fast, and gives the same bits."""
        values = "; beta = 0.01; g = 0.3" if "beta" in written else "; g = 0.3"
        a, b = (
            ReactionNetwork(written + values),
            ReactionNetwork(mass + values, species=ReactionNetwork(written + values).species),
        )
        assert not a.programs
        np.testing.assert_allclose(a.constants(), b.constants(), rtol=1e-15)
        x0 = [40, 7, 2][: len(a.species)]
        one, other = (simulate(n, x0, (0, 5), n=3, rng=2) for n in (a, b))
        assert one.x.tolist() == other.x.tolist()
        assert np.array_equal(a.propensities(x0), b.propensities(x0))

    def test_products_are_taken_literally_by_the_equations(self, backend):
        literal = ReactionNetwork("2 P -> Q @ k*P*(P - 1); k = 0.01")
        assert not literal.programs
        assert literal.rhs([5.5, 0]).tolist() == pytest.approx([-2 * 0.01 * 5.5 * 4.5, 0.01 * 5.5 * 4.5])
        a = solve(literal, [50, 0], (0, 3), [3], sensitivities=True, method="dopri5")
        b = solve(
            ReactionNetwork("2 P -> Q @ k*P*(P - 1) + 0*exp(P); k = 0.01"),
            [50, 0],
            (0, 3),
            [3],
            sensitivities=True,
            method="rodas4",
        )
        np.testing.assert_allclose(a.x, b.x, rtol=1e-5)
        np.testing.assert_allclose(a.sensitivities, b.sensitivities, rtol=1e-5)

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("rate", ["5", "k*A", "A*A", "A*(A - 1)*k + 0*B", "3 + B", "2 + 0*A"])
    def test_no_reaction_without_its_reactants(self, backend, method, rate):
        network = ReactionNetwork(f"2 A -> B @ {rate} + 0*k; k = 1")
        sol = simulate(network, [7, 0], (0, 1e4), [1e4], method=method, rng=0, n=4)
        assert (sol.x == [1, 3]).all() and (sol.status == "absorbed").all()
        found = fsp(network, [7, 0], 20.0, limits=[7, 3])
        assert found.p[1, 3] == pytest.approx(1, abs=1e-6)

    def test_a_product_without_its_reactants(self, backend):
        # C isn't in the product, and there is none.
        network = ReactionNetwork("A + C -> B @ k*A*D; D -> D @ 0; k = 1")
        sol = simulate(network, {"A": 5, "D": 3}, (0, 1e4), [1e4], rng=0)
        assert sol.x.tolist() == [[[5, 0, 0, 3]]] and sol.status.tolist() == ["absorbed"]

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(
        ("rate", "number"),
        [("5/(S - 3)", "inf"), ("S - 3.5", "-0.5"), ("log(S - 5)*0 + 1", "nan"), ("sqrt(S - 3.5)", "-?nan")],
    )
    def test_rates_that_cant_be(self, backend, method, rate, number):
        network = ReactionNetwork(f"A -> B @ 1; S -> P @ {rate}")
        given = rf"'S -> P @ {re.escape(rate)}' must be finite and at least 0, got {number} at t = [0-9]"
        words = f"run 0: the rate of {given}"
        with pytest.raises(ValueError, match=words):
            simulate(network, {"S": 10, "A": 5}, (0, 100), method=method, rng=1)
        with pytest.raises(ValueError, match="the rate of 'S -> P @"):
            network.propensities({"S": 3})
        with pytest.raises(ValueError, match=r"the rate of 'S -> P @ .* got .* where A = 0"):
            fsp(network, {"S": 10}, 1.0)

    def test_when_it_went_wrong(self, backend):
        network = ReactionNetwork("S -> P @ 5/(S - 3)")
        with pytest.raises(ValueError, match="got inf at t = ") as caught:
            simulate(network, {"S": 10}, (0, 100), rng=1)
        time = float(str(caught.value).split("t = ")[1])
        before = simulate(network, {"S": 10}, (0, 100), max_events=6, record="jumps", rng=1)
        assert before.times[-1] < time
        stopped = simulate(
            ReactionNetwork("S -> P @ 5/max(S - 3, 0.5)"), {"S": 10}, (0, 100), max_events=7, record="jumps", rng=1
        )
        assert stopped.times[-1] == time

    def test_mass_action_that_overflows_is_still_an_overflow(self, backend):
        network = ReactionNetwork("3 A -> 4 A @ 1e300; A -> B @ A/(1 + A)")
        with pytest.raises(OverflowError, match="a rate became infinite"):
            simulate(network, [10**6, 0], (0, 1), rng=0)

    def test_distribution_against_the_master_equation(self):
        network = ReactionNetwork("0 -> A @ 50/(1 + (A/10)**2); A -> 0 @ 3*A/(2 + A)")
        exact = fsp(network, [0], 3.0, limits=[80]).marginal("A")
        runs = sized(20_000, 500)
        counts = simulate(network, [0], (0, 3), [3], n=runs, rng=5)["A"][:, 0]
        edges = [i for i in range(80) if exact[i] * runs > 20]
        observed = np.bincount(np.clip(counts, edges[0], edges[-1]) - edges[0])
        expected = exact[edges[0] : edges[-1] + 1].copy()
        expected[0] += exact[: edges[0]].sum()
        expected[-1] += 1 - expected.sum()
        assert stats.chisquare(observed, runs * expected).pvalue > 1e-6

    def test_parameter_sets_and_workers(self, backend):
        sets = {"vmax": [5.0, 20.0], "km": [3.0, 8.0]}
        one = simulate(ENZYME, [60, 0], (0, 5), [5], params=sets, n=4, rng=1)
        assert one.x.tolist() == simulate(ENZYME, [60, 0], (0, 5), [5], params=sets, n=4, rng=1, workers=2).x.tolist()
        first = simulate(ENZYME, [60, 0], (0, 5), [5], params={"vmax": 5, "km": 3}, n=4, rng=1)
        assert first.x.tolist() == one.x[0].tolist()

    def test_constants(self):
        network = ReactionNetwork("A -> B @ 2; A -> B @ k*A*3; A -> B @ A/(k + A); k = 5")
        found = network.constants()
        assert found[:2].tolist() == [2, 15] and math.isnan(found[2])
        gradient = network.constants_gradient()
        assert gradient[:2].tolist() == [[0], [3]] and math.isnan(gradient[2, 0])
        with pytest.raises(ValueError, match=r"the rate of 'A -> B @ k\*A\*3' must be finite and at least 0, got -3"):
            network.constants({"k": -1})

    def test_volume_is_for_rate_constants(self):
        network = ReactionNetwork(
            "2 A -> B @ 3; 2 A -> B @ 3*A*(A - 1); A -> B @ A/(1 + A)", volume=10, combinatorial=True
        )
        np.testing.assert_allclose(network.propensities([5, 0]), [3 / 20 * 20, 60, 5 / 6])


class TestProducts:
    """Products of counts are mass action only where they are 0 without the reactants, and never negative."""

    @pytest.mark.parametrize("method", METHODS)
    def test_reactants_that_the_rate_does_not_name(self, backend, method):
        network = ReactionNetwork("A + B -> C @ k*A; k = 1")
        result = simulate(network, {"A": 50, "B": 1}, (0, 5), n=3, rng=1, method=method)
        assert result["B"][:, -1].tolist() == [0, 0, 0]
        assert result["C"][:, -1].tolist() == [1, 1, 1]

    @pytest.mark.parametrize("method", METHODS)
    def test_a_product_that_may_be_negative(self, backend, method):
        network = ReactionNetwork("Q -> 0 @ k*Q*(P - 1); P -> P @ 0; k = 1")
        with pytest.raises(ValueError, match=r"the rate of 'Q -> 0 @ k\*Q\*\(P - 1\)' must be .* got -3.0 at t = 0"):
            simulate(network, {"P": 0, "Q": 3}, (0, 5), rng=1, method=method)


class TestTime:
    WAVE = ReactionNetwork("0 -> A @ 1 + sin(t)")

    @pytest.mark.parametrize("method", ["auto", "dopri5", "rodas4"])
    def test_integrated(self, backend, method):
        sol = solve(self.WAVE, [0], (0, 10), [0, 5, 10], method=method)
        np.testing.assert_allclose(sol["A"], [0, 6 - math.cos(5), 11 - math.cos(10)], rtol=1e-5, atol=1e-8)
        assert sol.x.shape == (3, 1) and sol.species == ("A",)
        late = solve(self.WAVE, [0], (3, 10), [10], method=method)
        np.testing.assert_allclose(late["A"], [7 - math.cos(10) + math.cos(3)], rtol=1e-5)

    @pytest.mark.parametrize("method", ["dopri5", "rodas4"])
    def test_a_rate_constant_that_changes(self, backend, method):
        """It multiplies the amounts, as any other: dA/dt = -2 k t A**2 / volume."""
        network = ReactionNetwork("2 A -> 0 @ k*t; k = 0.3", volume=4)
        sol = solve(network, [8], (0, 2), [2], method=method, sensitivities=True, rtol=1e-8)
        exact = 8 / (1 + 8 * 0.3 * 4 / 4)
        np.testing.assert_allclose(sol.x, [[exact]], rtol=1e-6)
        np.testing.assert_allclose(sol.sensitivities[0, 0, 0], -(exact**2), rtol=1e-5)
        assert network.propensities([5], 3.0).tolist() == pytest.approx([0.3 * 3 / 4 * 20])
        assert network.rhs([5.0], 3.0).tolist() == pytest.approx([-2 * 0.3 * 3 / 4 * 25])

    def test_steps_in_time(self, backend):
        network = ReactionNetwork("0 -> A @ piecewise(2, t < 1, 5, t < 3, 0)")
        assert solve(network, [0], (0, 4), [4])["A"][0] == pytest.approx(12, rel=1e-4)

    def test_parameter_sets(self, backend):
        network = ReactionNetwork("0 -> A @ k*t; k = 1; A = n; n = 1")
        sol = solve(network, None, (0, 2), [2], params={"k": [1, 2], "n": [3, 4]}, sensitivities=True, workers=2)
        np.testing.assert_allclose(sol.x[:, 0, 0], [5, 8], rtol=1e-6)
        np.testing.assert_allclose(sol.sensitivities[:, 0, 0], [[2, 1], [2, 1]], rtol=1e-5)

    def test_refused_where_it_isnt_exact(self):
        with pytest.raises(ValueError, match=r"the rate of '0 -> A @ 1 \+ sin\(t\)' changes with the time.*nrm"):
            simulate(self.WAVE, [0], (0, 1), method="direct")
        with pytest.raises(ValueError, match=r"fsp needs rates that don't change with the time.*ode.solve"):
            fsp(self.WAVE, [0], 1.0)

    @pytest.mark.parametrize("method", ["dopri5", "rodas4"])
    def test_no_value_ends(self, backend, method):
        with pytest.warns(RuntimeWarning, match="not_finite|step_too_small"):
            sol = solve(ReactionNetwork("A -> 0 @ A/(A - 5)"), [5], (0, 1), method=method)
        assert sol.status in ("not_finite", "step_too_small")


class TestEquations:
    def test_text(self):
        network = ReactionNetwork(
            "S -> P @ v*S/(km + S); 2 P -> S @ k*P*(P - 1)/2; P -> 0 @ sin(t)*k; v = 10; km = 5; k = 2"
        )
        assert equations(network, {"k": 4}) == [
            "dS/dt = -1*(10*S/(5 + S)) + 2*(P - 1)*P",
            "dP/dt = 1*(10*S/(5 + S)) - 4*(P - 1)*P - 1*(sin(t)*4)*P",
        ]
