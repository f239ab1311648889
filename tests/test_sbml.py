"""Networks in SBML: what elements mean, what is refused, and the Discrete Stochastic Models Test Suite."""

from __future__ import annotations

import gzip
import math
import pickle
import sys
from pathlib import Path

import libsbml
import numpy as np
import pytest
from scipy import stats

from fastcore.ode import solve
from fastcore.reactions import ReactionNetwork, fsp, read_sbml, simulate, write_sbml

from .helpers import dsmts, sized

DSMTS = Path(__file__).with_name("dsmts")
CASES = sorted(path.name[:5] for path in DSMTS.glob("*-results.csv"))


def math_ml(formula: str) -> str:
    """A formula as MathML."""
    tree = libsbml.parseL3Formula(formula)
    assert tree is not None, libsbml.getLastParseL3Error()
    return str(libsbml.writeMathMLToString(tree)).partition("?>")[2].replace("\n", "")


def lists(**parts: str) -> str:
    """Lists of elements in SBML's order."""
    order = (
        *("FunctionDefinitions", "Compartments", "Species", "Parameters", "InitialAssignments", "Rules", "Reactions"),
        "Events",
    )
    assert set(parts) <= {name.lower() for name in order}
    return "".join(f"<listOf{name}>{parts[name.lower()]}</listOf{name}>" for name in order if name.lower() in parts)


def document(body: str, level: int = 3, version: int = 1, model: str = "") -> str:
    space = {2: "level2/version4", 3: f"level3/version{version}/core"}[level]
    return (
        f'<sbml xmlns="http://www.sbml.org/sbml/{space}" level="{level}" version="{4 if level == 2 else version}">'
        f'<model id="m"{model}>{body}</model></sbml>'
    )


def compartment(name: str = "cell", size: str = ' size="2"', more: str = ' spatialDimensions="3"') -> str:
    return f'<compartment id="{name}"{size}{more} constant="true"/>'


def species(name: str, start: str = "", amounts: bool = True, boundary: bool = False, constant: bool = False) -> str:
    words = [str(flag).lower() for flag in (amounts, boundary, constant)]
    return (
        f'<species id="{name}" compartment="cell"{start} hasOnlySubstanceUnits="{words[0]}" '
        f'boundaryCondition="{words[1]}" constant="{words[2]}"/>'
    )


def parameter(name: str, value: float | None = None, constant: bool = True) -> str:
    given = "" if value is None else f' value="{str(value).upper()}"'
    return f'<parameter id="{name}"{given} constant="{str(constant).lower()}"/>'


def reference(name: str, n: float = 1, more: str = "") -> str:
    return f'<speciesReference species="{name}" stoichiometry="{n}" constant="true"{more}/>'


def reaction(name: str, left: str, right: str, law: str, local: str = "", more: str = 'fast="false"') -> str:
    return (
        f'<reaction id="{name}" reversible="false" {more}>'
        f"<listOfReactants>{left}</listOfReactants><listOfProducts>{right}</listOfProducts>"
        f"<kineticLaw>{math_ml(law)}<listOfLocalParameters>{local}</listOfLocalParameters></kineticLaw></reaction>"
    ).replace("<listOfReactants></listOfReactants>", "").replace("<listOfProducts></listOfProducts>", "").replace(
        "<listOfLocalParameters></listOfLocalParameters>", ""
    )  # fmt: skip


def assignment(name: str, formula: str) -> str:
    return f'<initialAssignment symbol="{name}">{math_ml(formula)}</initialAssignment>'


def rule(name: str, formula: str, kind: str = "assignmentRule") -> str:
    return f'<{kind} variable="{name}">{math_ml(formula)}</{kind}>'


def function(name: str, formula: str) -> str:
    return f'<functionDefinition id="{name}">{math_ml(formula)}</functionDefinition>'


def event(
    trigger: str, sets: str, more: str = "", initial: bool = True, persistent: bool = True, extra: str = ""
) -> str:
    changes = "".join(
        f'<eventAssignment variable="{name.strip()}">{math_ml(value)}</eventAssignment>'
        for name, _, value in (part.partition("=") for part in sets.split(";"))
    )
    flags = f'initialValue="{str(initial).lower()}" persistent="{str(persistent).lower()}"'
    return (
        f'<event id="e"{more or " useValuesFromTriggerTime=" + chr(34) + "true" + chr(34)}><trigger {flags}>'
        f"{math_ml(trigger)}</trigger>{extra}<listOfEventAssignments>{changes}</listOfEventAssignments></event>"
    )


def model(**parts: str) -> str:
    """A model of X, Y (amounts) and C (a concentration) in a cell of size 2, with k = 3; X dies at rate k*X."""
    defaults = {
        "compartments": compartment(),
        "species": species("X", ' initialAmount="10"')
        + species("Y")
        + species("C", ' initialConcentration="4"', False),
        "parameters": parameter("k", 3),
        "reactions": reaction("death", reference("X"), "", "k*X"),
    }
    return document(lists(**(defaults | parts)))


def rates(text: str, x: dict[str, int], **options: float) -> list[float]:
    return read_sbml(text).propensities(x, **options).tolist()


class TestMeaning:
    def test_whole(self):
        network = read_sbml(model())
        assert network.species == ("X", "Y", "C")
        assert dict(network.x0) == {"X": 10, "Y": 0, "C": 8}
        assert dict(network.params) == {"cell": 2, "k": 3}
        assert str(network.reactions[0]) == "X -> 0 @ k*X"
        again = pickle.loads(pickle.dumps(network))
        assert str(again) == str(network)
        assert str(ReactionNetwork(str(network), species=network.species)) == str(network)

    def test_concentrations(self):
        law = reaction("r", reference("C"), reference("X", 2), "k*C*X*cell")
        network = read_sbml(model(reactions=law))
        # C is a concentration, X an amount; the law is the rate as it stands.
        assert network.propensities({"C": 5, "X": 7}).tolist() == [3 * 5 / 2 * 7 * 2]
        assert network.propensities({"C": 5, "X": 7}, params={"cell": 4}).tolist() == [3 * 5 / 4 * 7 * 4]
        assert network.stoichiometry.tolist() == [[2], [0], [-1]]
        # A start that is a concentration follows the size.
        assert simulate(network, None, (0, 0), [0], params={"cell": 5}).x.tolist() == [[[10, 0, 20]]]

    def test_sizes(self):
        for given, expected in ((compartment(size=""), 5), (compartment(more=' spatialDimensions="0"', size=""), 5)):
            law = reaction("r", reference("C"), "", "C")
            assert rates(model(compartments=given, reactions=law), {"C": 5}) == [expected]
        # Dimensions that aren't given don't make a compartment a point.
        assert rates(model(compartments=compartment(more=""), reactions=law), {"C": 5}) == [2.5]

    def test_computed_starts_are_whole(self):
        cell = compartment(size=' size="0.1"')
        three = species("C", ' initialConcentration="29.999999999999996"', False)
        network = read_sbml(model(compartments=cell, species=three + species("X")))
        assert network.x0["C"] == 3
        assert simulate(network, None, (0, 0), [0])["C"].tolist() == [[3]]

    def test_held_fixed(self):
        given = (
            species("X", ' initialAmount="10"')
            + species("B", ' initialAmount="4"', boundary=True)
            + species("F", ' initialAmount="0"', boundary=True, constant=True)
        )
        law = reaction("r", reference("B") + reference("X"), reference("F"), "k*B*X")
        network = read_sbml(model(species=given, reactions=law))
        assert network.stoichiometry.tolist() == [[-1], [0], [0]]
        assert network.propensities({"X": 2, "B": 1}).tolist() == [6]
        # Nothing is needed of what isn't used up: 0 -> X from a source that is empty.
        source = reaction("r", reference("F"), reference("X"), "k")
        network = read_sbml(model(species=given, reactions=source))
        assert network.propensities({}).tolist() == [3]
        sol = simulate(network, None, (0, 5), rng=0)
        assert (sol["F"] == 0).all() and (sol["B"] == 4).all() and sol["X"][0, -1] > 10

    @pytest.mark.parametrize("law", ["k", "v", "k + time"])
    def test_a_constant_law_is_the_whole_rate(self, backend, law):
        # Not a constant that mass action multiplies by 7*6.
        reactions = reaction("r", reference("X", 2), "", law)
        text = model(
            reactions=reactions,
            parameters=parameter("k", 3) + parameter("v", constant=False),
            rules=rule("v", "k"),
        )
        network = read_sbml(text)
        assert network.propensities({"X": 7}).tolist() == [3]
        assert network.propensities({"X": 1}).tolist() == [0]
        assert network.rhs({"X": 7}).tolist() == [-6, 0, 0]
        if "time" not in law:
            sol = simulate(network, {"X": 9}, (0, 50), n=5, rng=0)
            assert (sol["X"][:, -1] == 1).all() and (sol.status == "absorbed").all()

    def test_local_parameters(self):
        own = '<localParameter id="k" value="7"/>'
        both = reaction("r", reference("X"), "", "k*X", own) + reaction("s", reference("Y"), "", "k*Y")
        network = read_sbml(model(reactions=both, parameters=parameter("k", 3) + parameter("r_k", 1)))
        assert dict(network.params) == {"cell": 2, "k": 3, "r_k": 1, "r_k_": 7}
        assert network.propensities({"X": 1, "Y": 1}).tolist() == [7, 3]

    def test_functions(self):
        functions = (
            function("f", "lambda(x, y, x*g(y))") + function("g", "lambda(x, x + 1)") + function("c", "lambda(5)")
        )
        law = reaction("r", reference("X"), "", "f(X, k) + f(k, X) + c()")
        text = model(functiondefinitions=functions, reactions=law)
        assert rates(text, {"X": 2}) == [2 * 4 + 3 * 3 + 5]

    def test_functions_that_would_explode(self):
        functions = function("f0", "lambda(x, x + 1)")
        functions += "".join(function(f"f{i}", f"lambda(x, f{i - 1}(x) + f{i - 1}(x))") for i in range(1, 60))
        text = model(functiondefinitions=functions, reactions=reaction("r", reference("X"), "", "f59(X)"))
        network = read_sbml(text)
        assert network.propensities({"X": 2}).tolist() == [3 * 2.0**59]
        # Too long a text for a rate: it has the reaction's name.
        assert network.reactions[0].rate == "r" and "r" in network.variables

    def test_rules(self, backend):
        given = model(
            parameters=parameter("k", 3) + parameter("p", constant=False) + parameter("q", constant=False),
            rules=rule("q", "2*p + time") + rule("p", "X + C*cell") + rule("Y", "2*X"),
            reactions=reaction("r", reference("X"), "", "p*Y*k"),
        )
        network = read_sbml(given)
        assert network.species == ("X", "C")
        assert network.propensities({"X": 2, "C": 4}).tolist() == [(2 + 4) * (2 * 2) * 3]
        sol = simulate(network, None, (0, 0.05), n=2, rng=0)
        assert sol["Y"].tolist() == (2 * sol["X"]).tolist()
        assert sol["p"].tolist() == (sol["X"] + sol["C"]).tolist()
        np.testing.assert_allclose(sol["q"], 2 * sol["p"] + sol.t, rtol=1e-15)
        assert solve(network, None, (0, 1))["Y"][0] == 20

    def test_a_rule_for_a_concentration_gives_the_amount(self):
        network = read_sbml(model(rules=rule("C", "3*X"), reactions=reaction("r", reference("X"), "", "C")))
        assert network.propensities({"X": 5}).tolist() == [15]
        assert simulate(network, None, (0, 0), [0])["C"].tolist() == [[3 * 10 * 2]]

    def test_initial_assignments(self):
        given = model(
            parameters=parameter("k", 3) + parameter("p") + parameter("q") + parameter("n", 6),
            initialassignments=assignment("X", "n*cell + time") + assignment("C", "X + 1")
            + assignment("p", "2*C + k") + assignment("q", "p + 1") + assignment("cell", "k + 1"),
            reactions=reaction("r", reference("X"), "", "q*X"),
        )  # fmt: skip
        network = read_sbml(given)
        # The cell has 4, X 6*4, C is 25 per unit of size; p is 2*25 + 3 for good.
        assert dict(network.x0) == {"X": 24, "Y": 0, "C": 100}
        assert network.propensities({"X": 2}).tolist() == [(2 * 25 + 3 + 1) * 2]
        found = simulate(network, None, (0, 0), [0], params={"n": 8})
        assert found.x.tolist() == [[[32, 0, 33 * 4]]]
        assert found["q"].tolist() == [[2 * 33 + 3 + 1]]

    def test_parameters_without_a_value(self):
        network = read_sbml(model(parameters=parameter("k")))
        with pytest.raises(ValueError, match="params must give 'k'"):
            simulate(network, None, (0, 1))
        assert network.propensities({"X": 2}, params={"k": 5}).tolist() == [10]

    def test_reserved_names(self):
        given = species("t", ' initialAmount="5"') + species("and", ' initialAmount="7"') + species("t_")
        law = (
            '<reaction id="or" reversible="false" fast="false"><listOfReactants>' + reference("t")
            + '</listOfReactants><kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>t</ci>'
            "<ci>and</ci></apply></math></kineticLaw></reaction>"
        )  # fmt: skip
        network = read_sbml(model(species=given, reactions=law))
        assert network.species == ("t_", "and_", "t__")
        assert network.propensities({"t_": 2, "and_": 3}).tolist() == [6]

    def test_names_that_mean_something_elsewhere(self):
        given = model(parameters=parameter("pi", 3) + parameter("lambda", 2) + parameter("sin", 5),
                      reactions=reaction("r", reference("X"), "", "X")).replace(
            "<ci> X </ci>", "<apply><times/><ci>pi</ci><ci>lambda</ci><ci>sin</ci><pi/></apply>")  # fmt: skip
        assert rates(given, {"X": 1}) == [pytest.approx(30 * math.pi, rel=1e-15)]

    def test_rates_of_reactions_in_formulas(self):
        given = model(
            parameters=parameter("k", 3) + parameter("flux", constant=False),
            rules=rule("flux", "2*death"),
            reactions=reaction("death", reference("X"), "", "k*X") + reaction("r", "", reference("Y"), "death + 1"),
        )
        network = read_sbml(given)
        assert network.propensities({"X": 2}).tolist() == [6, 7]
        assert simulate(network, None, (0, 0), [0])["flux"].tolist() == [[60]]

    def test_stoichiometry(self):
        twice = reference("X") + reference("X", 2)
        named = reaction("r", twice, reference("Y", 3, ' id="n"'), "k*n")
        network = read_sbml(model(reactions=named))
        assert network.stoichiometry.tolist() == [[-3], [3], [0]]
        assert network.propensities({"X": 5}).tolist() == [9]
        second = document(
            lists(
                compartments='<compartment id="cell"/>',
                species='<species id="X" compartment="cell" initialAmount="3" hasOnlySubstanceUnits="true"/>',
                reactions='<reaction id="r" reversible="false"><listOfReactants><speciesReference species="X">'
                '<stoichiometryMath><math xmlns="http://www.w3.org/1998/Math/MathML"><cn>2</cn></math>'
                "</stoichiometryMath></speciesReference></listOfReactants><kineticLaw>"
                f"{math_ml('X')}</kineticLaw></reaction>",
            ),
            level=2,
        )
        assert read_sbml(second).stoichiometry.tolist() == [[-2]]

    def test_packages_that_arent_required(self):
        text = model().replace(' level="3"', ' xmlns:layout="http://www.sbml.org/sbml/level3/version1/layout/version1" '
                               'layout:required="false" level="3"')  # fmt: skip
        assert read_sbml(text).species == ("X", "Y", "C")


class TestFormulas:
    @pytest.mark.parametrize(
        ("formula", "expected"),
        [
            ("2 + 3 + x", 12),
            ("2*x*3", 42),
            ("-x + 10", 3),
            ("x/2/7", 0.5),
            ("2^(3^2)", 512),
            ("pow(x, 2) + sqrt(16) + root(3, 27)", 49 + 4 + 3),
            ("exp(0) + ln(exponentiale) + log10(1000) + log(2, 8)", 1 + 1 + 3 + 3),
            ("abs(-x) + floor(2.7) + ceil(2.2)", 7 + 2 + 3),
            ("sin(x) + cos(x) + tan(x)", math.sin(7) + math.cos(7) + math.tan(7)),
            ("sec(x) + csc(x) + cot(x)", 1 / math.cos(7) + 1 / math.sin(7) + 1 / math.tan(7)),
            ("sinh(1) + cosh(1) + tanh(1)", math.sinh(1) + math.cosh(1) + math.tanh(1)),
            ("sech(1) + csch(1) + coth(1)", 1 / math.cosh(1) + 1 / math.sinh(1) + 1 / math.tanh(1)),
            ("arcsin(.5) + arccos(.5) + arctan(x)", math.asin(0.5) + math.acos(0.5) + math.atan(7)),
            ("arcsec(x) + arccsc(x) + arccot(x)", math.acos(1 / 7) + math.asin(1 / 7) + math.atan(1 / 7)),
            ("arcsinh(x) + arccosh(x) + arctanh(.5)", math.asinh(7) + math.acosh(7) + math.atanh(0.5)),
            ("arcsech(.5) + arccsch(x) + arccoth(x)", math.acosh(2) + math.asinh(1 / 7) + math.atanh(1 / 7)),
            ("piecewise(1, x > 8, 2, x > 6, 3)", 2),
            ("piecewise(1, x < 7, 3) + piecewise(1, x <= 7, 3)", 4),
            ("piecewise(1, x >= 8, 3) + piecewise(1, x == 7, 3) + piecewise(1, x != 7, 3)", 7),
            ("piecewise(5, 1 < x && x < 8 && !(x < 2), 0) + piecewise(6, x < 1 || x > 6, 0)", 11),
            ("piecewise(5, gt(8, x, 1), 0) + piecewise(6, gt(8, x, 7), 0)", 5),
            ("piecewise(5, xor(x > 1, x > 2, x > 3), 0) + piecewise(6, xor(true, true), 0)", 5),
            ("piecewise(5, true, 0) + piecewise(6, false, 0) + piecewise(7, and(), 0) + piecewise(8, or(), 0)", 12),
            ("plus() + times() + plus(x) + times(x)", 15),
            ("pi*1.5e-3", math.pi * 1.5e-3),
            ("avogadro*1e-23", 6.02214179),
            ("(1/3)*x", 7 / 3),
        ],
    )
    def test_values(self, formula, expected):
        text = model(parameters=parameter("x", 7), reactions=reaction("r", "", reference("Y"), formula))
        assert rates(text, {}) == [pytest.approx(expected, rel=1e-14)]

    @pytest.mark.parametrize(
        ("formula", "expected"),
        [("min(x, 3, 5) + max(x, 3, 5)", 10), ("piecewise(4, implies(x > 8, x > 9), 0)", 4), ("max(x)", 7)],
    )
    def test_level_3_version_2(self, formula, expected):
        body = lists(
            compartments=compartment(),
            species=species("Y"),
            parameters=parameter("x", 7),
            reactions=reaction("r", "", reference("Y"), formula, more=""),
        )
        assert rates(document(body, version=2), {}) == [expected]

    def test_time(self):
        text = model(reactions=reaction("r", "", reference("Y"), "1 + time"))
        assert rates(text, {}, t=4.0) == [5]

    def test_numbers(self):
        text = model(reactions=reaction("r", "", reference("Y"), "X")).replace(
            "<ci> X </ci>",
            "<apply><plus/><cn type='rational'>3<sep/>4</cn><cn type='e-notation'>2<sep/>-3</cn></apply>",
        )
        assert rates(text, {}) == [0.75 + 0.002]

    def test_without_an_otherwise(self):
        text = model(reactions=reaction("r", "", reference("Y"), "piecewise(1, X > 2)"))
        assert rates(text, {"X": 3}) == [1]
        with pytest.raises(ValueError, match="must be finite and at least 0, got nan"):
            rates(text, {"X": 2})

    def test_deep_ones(self):
        text = model(reactions=reaction("r", "", reference("Y"), "X"))
        for depth, works in ((150, True), (250, False), (20_000, False)):
            inner = "<apply><abs/>" * depth + "<ci>X</ci>" + "</apply>" * depth
            deep = text.replace("<ci> X </ci>", inner)
            if works:
                assert rates(deep, {"X": 3}) == [3]
            else:
                with pytest.raises(ValueError, match=r"nested more than (200|1000) deep"):
                    read_sbml(deep)


class TestEvents:
    def test_read(self, backend):
        text = model(
            reactions=reaction("birth", "", reference("X"), "k"),
            events=event("time >= 2.5", "X = 5*k; C = X/cell"),
        )
        network = read_sbml(text)
        assert network.events == ("at 2.5 <= t: X = 5*k, C = X/cell*cell",)
        sol = simulate(network, None, (0, 5), [2, 2.5], n=20, rng=0)
        assert (sol["X"][:, 1] == 15).all() and (sol["C"][:, 0] == 8).all()
        assert (sol["C"][:, 1] >= sol["X"][:, 0]).all()

    def test_a_parameter_that_varies(self, backend):
        """It is a species that no reaction changes, and is counted as one."""
        text = model(
            parameters=parameter("k", 3, False) + parameter("half", 0.5, False),
            events=event("time >= 2", "k = 2*k; half = k/8"),
        )
        network = read_sbml(text)
        assert network.species == ("X", "Y", "C", "k", "half") and dict(network.params) == {"cell": 2}
        sol = solve(network, None, (0, 3), [1, 3], rtol=1e-9)
        assert sol["k"].tolist() == [3, 6] and sol["half"].tolist() == [0.5, 0.375]
        np.testing.assert_allclose(sol["X"], [10 * math.exp(-3), 10 * math.exp(-3 * 2 - 6)], rtol=1e-4)
        whole = read_sbml(model(parameters=parameter("k", 0, False), events=event("time >= 2", "k = 3")))
        runs = simulate(whole, None, (0, 9), [1.9, 9], n=5, rng=0)
        assert (runs["X"][:, 0] == 10).all() and (runs["X"][:, 1] < 10).all() and (runs["k"][:, 1] == 3).all()
        with pytest.raises(ValueError, match="whole"):
            simulate(network, None, (0, 3))

    def test_rate_rules(self, backend):
        """Of a parameter, an amount, and a concentration in a cell of size 2; rates of either sign, constant or not."""
        text = model(
            species=species("X", ' initialAmount="10"')
            + species("Y", boundary=True)
            + species("C", ' initialConcentration="4"', False, boundary=True),
            parameters=parameter("k", 3, False),
            rules=rule("k", "0 - 1", "rateRule") + rule("Y", "k*C", "rateRule") + rule("C", "0 - C", "rateRule"),
        )
        network = read_sbml(text)
        assert network.species == ("X", "Y", "C", "k") and str(network.reactions[-1]) == "0 -> C @ (0 - C/cell)*cell"
        t = 1.5
        for again in (network, pickle.loads(pickle.dumps(network)), read_sbml(write_sbml(network))):
            sol = solve(again, None, (0, t), [t], rtol=1e-10, atol=1e-12)
            # Y' = k c with k = 3 - t and c = 4 exp(-t), and X' = -k X.
            integral = 4 * (3 * (1 - math.exp(-t)) - (1 - math.exp(-t) * (1 + t)))
            expected = [10 * math.exp(-(3 * t - t * t / 2)), integral, 8 * math.exp(-t), 3 - t]
            np.testing.assert_allclose(sol.x[0], expected, rtol=1e-8)
            for call, time in ((simulate, (0, 1)), (fsp, 1)):
                with pytest.raises(ValueError, match=r"stands for a rate rule: ode\.solve takes it"):
                    call(again, None, time)
        of_a_reaction = model(species=species("X", ' initialAmount="10"') + species("Y", boundary=True) + species("C"),
                              rules=rule("Y", "2*death", "rateRule"))  # fmt: skip
        sol = solve(read_sbml(of_a_reaction), None, (0, 1), [1], rtol=1e-9)
        np.testing.assert_allclose(sol["Y"], 20 * (1 - math.exp(-3)), rtol=1e-7)
        alone = document(lists(parameters=parameter("p", 1, False), rules=rule("p", "0.5 - p", "rateRule")))
        np.testing.assert_allclose(
            solve(read_sbml(alone), None, (0, 1), [1], rtol=1e-9).x[0], [0.5 + 0.5 * math.exp(-1)]
        )

    def test_at_the_start(self, backend):
        for initial, expected in ((True, 10), (False, 3)):
            text = model(events=event("X > 5", "X = 3", initial=initial))
            assert simulate(read_sbml(text), None, (0, 0), [0])["X"].tolist() == [[expected]]

    def test_level_2(self, backend):
        network = read_sbml(DSMTS / "00028-sbml-l2v4.xml")
        assert network.events == ("at 25 <= t: X = 50",)
        sol = simulate(network, None, (0, 25), [0, 25], n=3, rng=0)
        assert sol.x[:, :, 0].tolist() == [[0, 50]] * 3

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (event("X > 5", "X = 3", extra=f"<delay>{math_ml('1')}</delay>"), "event 'e': a delay isn't supported"),
            (event("X > 5", "X = 3", extra=f"<priority>{math_ml('1')}</priority>"), "a priority isn't supported"),
            (event("X > 5", "k = 3"), "event 'e': it sets 'k', and only species and parameters that vary"),
            (event("X > 5", "cell = 3"), "event 'e': it sets 'cell', and only species and parameters that vary"),
            (event("X > 5", "Z = 3"), "event 'e': it sets 'Z', and only species and parameters that vary"),
            (event("sin(time) > 0", "X = 3"), "must compare t itself with numbers or parameters"),
            (event("time > X", "X = 3"), "must compare t itself with numbers or parameters"),
            (2 * event("X > 5", "X = 3", persistent=False), "isn't persistent isn't supported among several"),
            (2 * event("X > 5", "X = 3", ' useValuesFromTriggerTime="false"'), "among several events"),
        ],
    )
    def test_refused(self, given, words):
        with pytest.raises(ValueError, match=words):
            read_sbml(model(events=given))

    def test_alone_the_order_doesnt_matter(self, backend):
        text = model(events=event("X > 5", "X = 3", ' useValuesFromTriggerTime="false"', False, False,
                                  f"<delay>{math_ml('0')}</delay>"))  # fmt: skip
        assert simulate(read_sbml(text), None, (0, 0), [0])["X"].tolist() == [[3]]


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("<sbml><foo", "the text, line 1: not SBML"),
            ('<!DOCTYPE sbml [<!ENTITY a "b">]><sbml>&a;</sbml>', "line 1: a DOCTYPE isn't supported"),
            ("<html></html>", "the text, line 1: not SBML"),
            ("<", "not SBML"),
            (model().replace("</model>", ""), "not SBML"),
            (model().replace("<listOfSpecies>", "<listOfSpecies></x>"), "not SBML"),
            (model().replace('level="3"', 'level="9"'), "not SBML"),
            ('<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"/>', "has no model"),
            ('<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model/></sbml>', "level 1 isn't"),
            (model(rules=rule("X", "1", "rateRule")), "the reaction 'death' and a rule both change 'X'"),
            (model(rules=rule("X", "1")), "the reaction 'death' and a rule both change 'X'"),
            (model(rules=2 * rule("Y", "1", "rateRule")), "rateRule 'Y': it is the second rule for 'Y'"),
            (model(rules=rule("Y", "1") + rule("Y", "1", "rateRule")), "it is the second rule for 'Y'"),
            (model(rules=rule("k", "1", "rateRule")), "rateRule 'k': it is for 'k', which doesn't vary"),
            (model(rules=rule("Z", "1", "rateRule")), "rateRule 'Z': it is for 'Z', which isn't in the model"),
            (model(rules=f"<algebraicRule>{math_ml('X - Y')}</algebraicRule>"), "algebraicRule.*: only assignment"),
            (model(rules=rule("cell", "X")), "compartment 'cell': a size that a rule gives isn't supported"),
            (model(rules=rule("cell", "X", "rateRule")), "compartment 'cell': a size that a rule gives isn't"),
            (model(rules=rule("Z", "X")), "assignmentRule 'Z': it is for 'Z', which isn't in the model"),
            (model(rules=rule("Y", "Y + X")), "assignmentRule 'Y': 'Y' depends on itself"),
            (model(rules=rule("Y", "C") + rule("C", "Y")), "depends on itself"),
            (model(rules=rule("Y", "Q + X")), "assignmentRule 'Y': its formula names 'Q', which isn't in the model"),
            (model(rules=rule("Y", "delay(X, 1)")), "assignmentRule 'Y': 'delay' isn't supported"),
            # What a symbol means doesn't go by what it is called.
            (model(rules=rule("Y", "delay(X, 1)").replace(" delay ", " plus ")), "'delay' isn't supported"),
            (model(rules=rule("Y", "rateOf(X)").replace(" rateOf ", " minus ")), "'rateOf' isn't supported"),

            (model(rules=rule("Y", "factorial(X)")), "'factorial' with 1 operands isn't supported"),
            (model(rules=rule("Y", "f(X)")), "the function 'f' isn't defined"),
            (model(rules=rule("Y", "INF*X")), "the number inf isn't supported"),
            (model(rules=rule("Y", "f(X)"), functiondefinitions=function("f", "lambda(x, f(x))")), "'f' calls itself"),
            (model(rules=rule("Y", "f(X)"), functiondefinitions=function("f", "lambda(x, y, x)")), "takes 2 arguments"),
            (model(rules=rule("Y", "f(X)"), functiondefinitions=function("f", "lambda(x, k)")), "isn't an argument"),
            (model(initialassignments=assignment("Z", "1")), "initialAssignment 'Z': it is for 'Z', which isn't"),
            (model(initialassignments=2 * assignment("X", "1")), "initialAssignment 'X': it comes twice"),
            (model(initialassignments=assignment("X", "Y") + assignment("Y", "X")), "depends on itself"),
            (model(initialassignments=assignment("k", "k + 1")), "initialAssignment 'k': it depends on itself"),
            (model(reactions=reaction("r", reference("Z"), "", "k")), "the species 'Z' of the reaction 'r' isn't"),
            (model(reactions=reaction("r", reference("X", 0.5), "", "k")), "of 'X' must be a whole number"),
            (model(reactions=reaction("r", reference("X", -1), "", "k")), "must be a whole number.*, got -1"),
            (model(reactions=reaction("r", reference("X"), "", "k", more='fast="true"')), "fast reactions aren't"),
            (model(reactions=2 * reaction("r", reference("X"), "", "k")), "reaction 'r': the id 'r' comes twice"),
            (model(reactions='<reaction id="r" reversible="false" fast="false"/>'), "'r': it has no kinetic law"),
            (model(reactions=reaction("r", reference("X", 1, ' id="n"'), "", "k"),
                   initialassignments=assignment("n", "2")), "'n' is a stoichiometry"),
            (document(lists(compartments=compartment(), species=species("X"))), "at least one reaction"),
            (model(species=species("X") + species("X")), "species 'X': the id 'X' comes twice"),
            (model(species=species("X").replace("cell", "dell")), "species 'X': its compartment 'dell' isn't"),
            (model(species=species("X", ' initialAmount="INF"')), "species 'X': its value must be finite, got inf"),
            (model(parameters=parameter("k", math.inf)), "parameter 'k': its value must be finite, got inf"),
            (model(species=species("X", ' conversionFactor="k"')), "species 'X': a conversion factor isn't supported"),
            (document(lists(), model=' conversionFactor="k"'), "a conversion factor isn't supported"),
            (model().replace(' level="3"', ' xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" '
                             'comp:required="true" level="3"'), "the package 'comp' isn't supported"),
        ],
    )  # fmt: skip
    def test_elements(self, text, words):
        with pytest.raises(ValueError, match=words):
            read_sbml(text)

    def test_counts_that_arent_whole(self):
        network = read_sbml(model(species=species("X", ' initialAmount="1.5"')))
        with pytest.raises(ValueError, match=r"x0 must hold whole numbers .*, got 1\.5 for the species 'X'"):
            simulate(network, None, (0, 1))
        assert solve(network, None, (0, 0), [0])["X"].tolist() == [1.5]

    def test_rates_below_zero(self, backend):
        network = read_sbml(model(reactions=reaction("r", reference("X"), reference("Y"), "k*X - k*Y - 1")))
        with pytest.raises(ValueError, match=r"the rate of 'X -> Y @ k.X - k.Y - 1' must be finite and at least 0"):
            simulate(network, None, (0, 50), rng=0)
        np.testing.assert_allclose(solve(network, None, (0, 50))["X"][-1], 5 + 1 / 6, rtol=1e-4)

    def test_sources(self, tmp_path: Path):
        plain, packed = tmp_path / "model.xml", tmp_path / "model.xml.gz"
        plain.write_text(model(), "utf-8")
        packed.write_bytes(gzip.compress(model().encode()))
        expected = str(read_sbml(model()))
        for source in (plain, str(plain), packed, model().encode(), "\ufeff" + model(), "\n" + model()):
            assert str(read_sbml(source)) == expected
        with pytest.raises(FileNotFoundError):
            read_sbml(tmp_path / "none.xml")
        with pytest.raises(TypeError, match="source must be a path, or the text as str or bytes, got int"):
            read_sbml(5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="the text must be UTF-8, byte 5 isn't"):
            read_sbml(b"<sbml\xff>")
        plain.write_text("<sbml", "utf-8")
        with pytest.raises(ValueError, match=r"model\.xml, line 1: not SBML"):
            read_sbml(plain)

    def test_without_libsbml(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "libsbml", None)
        with pytest.raises(ImportError, match=r"read_sbml needs libsbml: pip install 'fastcore-kernels\[sbml\]'"):
            read_sbml(model())

    def test_many_elements(self):
        n = 3000
        many = "".join(species(f"S{i}", ' initialAmount="1"') for i in range(n))
        laws = "".join(
            reaction(f"r{i}", reference("X"), "", "k*X").replace("X", f"S{i}") for i in range(n)
        )  # fmt: skip
        network = read_sbml(model(species=many, reactions=laws))
        assert simulate(network, None, (0, 100), [100], rng=0).x.sum() == 0


class TestStochasticTestSuite:
    """Means and standard deviations of its 25 cases (``python -m bench dsmts``: 10,000 runs)."""

    @pytest.mark.parametrize("case", CASES)
    def test_levels_agree(self, case):
        texts = [str(read_sbml(DSMTS / f"{case}-sbml-{level}.xml")).partition("  #")[0] for level in ("l2v4", "l3v1")]
        assert texts[0] == texts[1]

    @pytest.mark.parametrize("case", CASES)
    def test_moments(self, case):
        network, expected = read_sbml(DSMTS / f"{case}-sbml-l3v1.xml"), dsmts(case)
        n = sized(200 if case == "00023" else 1000, 20)  # that one has by far the most reactions
        sol = simulate(network, None, (0, 50), expected["time"], n=n, rng=11)
        names = [name.removesuffix("-mean") for name in expected if name.endswith("-mean")]
        assert names
        for name in names:
            mean, sd = np.array(expected[f"{name}-mean"]), np.array(expected[f"{name}-sd"])
            still = sd == 0
            assert (sol[name][:, still] == mean[still]).all()
            values = sol[name][:, ~still].astype(np.float64)
            if not values.size:
                continue
            z = math.sqrt(n) * (values.mean(axis=0) - mean[~still]) / sd[~still]
            y = math.sqrt(n / 2) * (values.var(axis=0, ddof=1) / sd[~still] ** 2 - 1)
            assert np.abs(z).max() < 5.5
            # The sample variance of a skewed distribution varies more than a normal's: some die out.
            kurtosis = np.maximum(stats.kurtosis(values, axis=0), 0)
            assert (np.abs(y) < 5.5 * np.sqrt(1 + kurtosis / 2)).all()
