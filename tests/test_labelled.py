"""Labelled input is read by its labels at every public door that takes named quantities."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fastcore import chain
from fastcore._labelled import by_label, complete, in_order, meant, shown
from fastcore.crf import CRF, ItemSequence
from fastcore.nce import ExponentialFamily
from fastcore.ode import fit, solve
from fastcore.reactions import ReactionNetwork, fsp, simulate
from fastcore.recurrence import linear_scan

SIR = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ gamma; beta = 0.01; gamma = 0.1")
STATE = {"S": 90, "I": 10, "R": 0}
# The same in another order, as a Series keeps it.
SERIES = pd.Series({"R": 0, "I": 10, "S": 90})
RATES = pd.Series({"gamma": 0.2, "beta": 0.02})
SETS = pd.DataFrame({"gamma": [0.2, 0.3], "beta": [0.02, 0.03]}, index=["first", "second"])
AS_ARRAY = [[0.02, 0.2], [0.03, 0.3]]


class TestStates:
    """`x0` and `x`: a Series in any order."""

    def test_simulate(self, backend):
        expected = simulate(SIR, STATE, (0, 5), n=3, rng=0).x
        assert (simulate(SIR, SERIES, (0, 5), n=3, rng=0).x == expected).all()
        assert (simulate(SIR, pd.Series([90, 10, 0]), (0, 5), n=3, rng=0).x == expected).all()  # no labels: by position

    def test_others(self, backend):
        assert (solve(SIR, SERIES, (0, 5)).x == solve(SIR, STATE, (0, 5)).x).all()
        assert (SIR.propensities(SERIES) == SIR.propensities(STATE)).all()
        assert (SIR.rhs(SERIES) == SIR.rhs(STATE)).all()

    def test_fsp(self, backend):
        small, limits = pd.Series({"R": 0, "I": 1, "S": 2}), pd.Series({"R": 3, "S": 2, "I": 3})
        expected = fsp(SIR, {"S": 2, "I": 1}, 1.0, limits={"S": 2, "I": 3, "R": 3})
        assert (fsp(SIR, small, 1.0, limits=limits).p == expected.p).all()

    def test_functions_take_their_names(self):
        sol = solve(lambda t, x: -x, pd.Series({"b": 2.0, "a": 1.0}), (0, 1), [0])
        assert sol.species == ("b", "a") and sol["a"].tolist() == [1]

    @pytest.mark.parametrize(
        ("state", "error", "words"),
        [
            (pd.Series({"S": 1, "I": 2}), ValueError, "x0 must have a label for each .* but 'R' is missing"),
            (pd.Series({"s": 1, "I": 2, "R": 0}), ValueError, "x0 must name species .*, got 's'; did you mean 'S'"),
            (pd.Series([1, 2, 0], index=[2, 1, 0]), TypeError, "x0 must be labelled with names, got the label 2"),
            (pd.Series([1, 2, 0, 3], index=list("SIRS")), ValueError, "x0 must have each label once, got 'S' twice"),
        ],
    )
    def test_bad_labels(self, state, error, words):
        for call in (lambda: simulate(SIR, state, (0, 1)), lambda: solve(SIR, state, (0, 1))):
            with pytest.raises(error, match=words):
                call()
        with pytest.raises(error, match=words.replace("x0", "x")):
            SIR.propensities(state)


class TestParams:
    def test_one_set(self, backend):
        assert SIR.constants(RATES).tolist() == [0.02, 0.2]
        expected = simulate(SIR, STATE, (0, 5), params={"beta": 0.02, "gamma": 0.2}, rng=0).x
        assert (simulate(SIR, STATE, (0, 5), params=RATES, rng=0).x == expected).all()
        assert SIR.with_params(RATES).params == {"beta": 0.02, "gamma": 0.2}
        assert ReactionNetwork("S -> I @ beta * gamma", params=RATES).constants().tolist() == [0.02 * 0.2]

    def test_several_sets(self, backend):
        assert SIR.constants(SETS).tolist() == AS_ARRAY
        assert (solve(SIR, STATE, (0, 5), params=SETS).x == solve(SIR, STATE, (0, 5), params=AS_ARRAY).x).all()
        assert SIR.constants(pd.DataFrame(AS_ARRAY)).tolist() == AS_ARRAY  # no names: by position
        assert SIR.constants({"beta": SETS["beta"], "gamma": SETS["gamma"]}).tolist() == AS_ARRAY

    def test_bad_labels(self):
        with pytest.raises(ValueError, match=r"params must have a label for each .* but 'gamma' is missing"):
            SIR.constants(RATES.drop("gamma"))
        with pytest.raises(ValueError, match=r"params must name parameters .* got 'Beta'; did you mean 'beta'"):
            SIR.constants(SETS.rename(columns={"beta": "Beta"}))
        turned = SETS["gamma"][::-1]
        with pytest.raises(ValueError, match=r"params\['beta'\] and params\['gamma'\] must have the same row labels"):
            SIR.constants({"beta": SETS["beta"], "gamma": turned})


class TestMatrices:
    def test_columns(self):
        reactants = pd.DataFrame({"I": [1, 1], "S": [1, 0], "R": [0, 0]}, index=["infect", "recover"])
        products = pd.DataFrame({"R": [0, 1], "I": [2, 0], "S": [0, 0]}, index=["infect", "recover"])
        rates = pd.Series([0.01, 0.1], index=["infect", "recover"])
        network = ReactionNetwork(species=["S", "I", "R"], reactants=reactants, products=products, rates=rates)
        assert str(network) == "S + I -> 2 I @ 0.01\nI -> R @ 0.1"
        with pytest.raises(ValueError, match="reactants and rates must have the same row labels in the same order"):
            ReactionNetwork(species=["S", "I", "R"], reactants=reactants, products=products, rates=rates[::-1])
        with pytest.raises(ValueError, match=r"products must name species of .* got 'Q'"):
            ReactionNetwork(
                species=["S", "I", "R"], reactants=reactants, products=products.rename(columns={"R": "Q"}), rates=rates
            )


class TestFit:
    NETWORK = ReactionNetwork("A -> B @ k1; B -> A @ k2; k1 = 0.5; k2 = 0.1")
    T = np.array([0.0, 1, 2, 4])
    TABLE = pd.DataFrame({"B": [0.0, 3, 5, 7], "A": [10.0, 7, 5, 3]})

    def test_tables(self):
        plain = fit(self.NETWORK, self.T, {"A": [10, 7, 5, 3], "B": [0, 3, 5, 7]}, x0={"A": 10})
        for data, t in (
            (self.TABLE, self.T),
            (self.TABLE.set_axis(self.T), self.T),
            (self.TABLE.set_axis([5, 6, 8, 9]), pd.Series(self.T, index=[5, 6, 8, 9])),
            ({"A": self.TABLE["A"].set_axis(self.T), "B": self.TABLE["B"]}, self.T),
        ):
            found = fit(self.NETWORK, t, data, x0=pd.Series({"B": 0, "A": 10}))
            assert found.params == pytest.approx(plain.params) and found.sse == pytest.approx(plain.sse)
        begun = fit(self.NETWORK, self.T, self.TABLE, x0=[10, 0], start=pd.Series({"k2": 0.2, "k1": 0.4}))
        assert begun.params == pytest.approx(plain.params, rel=1e-4)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"data": TABLE.set_axis([4, 2, 1, 0])}, "the rows of data must be labelled with the times, or as t is"),
            ({"data": {"A": TABLE["A"][::-1]}}, r"the rows of data\['A'\] must be labelled"),
            ({"data": TABLE.rename(columns={"A": "a"})}, "data must name species of .*, got 'a'; did you mean 'A'"),
            ({"start": {"k3": 1}}, "start must name free parameters.* got 'k3'; did you mean 'k[12]'"),
            ({"bounds": {"K1": (0, 1)}}, "bounds must name free parameters.* got 'K1'; did you mean 'k1'"),
            ({"free": ["k"]}, "free must name parameters .* got 'k'; did you mean 'k[12]'"),
        ],
    )
    def test_bad_labels(self, options, words):
        with pytest.raises(ValueError, match=words):
            fit(self.NETWORK, self.T, **{"data": self.TABLE, "x0": [10, 0], **options})


class TestNoise:
    def test_columns_of_the_fit(self):
        x = np.random.default_rng(0).normal([0, 5], [1, 2], (500, 2))
        table = pd.DataFrame(x, columns=["small", "large"])
        model = ExponentialFamily(lambda x: np.concatenate([x, -(x**2)], axis=1)).fit(table, rng=0)
        assert model.columns == ("small", "large")
        expected = model.logpdf(x)
        assert (model.logpdf(table[["large", "small"]]) == expected).all()
        with pytest.raises(ValueError, match=r"x must name columns of .* got 'Large'; did you mean 'large'"):
            model.logpdf(table.rename(columns={"large": "Large"}))


class TestScan:
    def test_labels_are_the_same(self):
        days = pd.date_range("2026-01-01", periods=3)
        a, b = pd.Series([0.5, 0.25, 1.0], index=days), pd.Series([1.0, 2.0, 3.0], index=days)
        assert linear_scan(a, b).tolist() == linear_scan(a, b.to_numpy()).tolist() == [1, 2.25, 5.25]
        with pytest.raises(ValueError, match="a and b must have the same row labels in the same order"):
            linear_scan(a, b[::-1])
        table = pd.DataFrame({"x": b, "y": a})
        with pytest.raises(ValueError, match="a and b must have the same columns in the same order"):
            linear_scan(table, table[["y", "x"]], axis=0)
        assert linear_scan(table, table, axis=0).shape == (3, 2)


class TestForms:
    """What other libraries hand over, known by its attributes."""

    def test_xarray(self):
        import xarray

        state = xarray.DataArray([0, 10, 90], coords={"species": ["R", "I", "S"]}, dims="species")
        assert (solve(SIR, state, (0, 1)).x == solve(SIR, STATE, (0, 1)).x).all()
        assert (solve(SIR, xarray.DataArray([90, 10, 0]), (0, 1)).x == solve(SIR, STATE, (0, 1)).x).all()

    def test_arrow(self):
        import pyarrow

        assert SIR.constants(pyarrow.table(SETS.reset_index(drop=True))).tolist() == AS_ARRAY

    def test_other_tables(self):
        """A polars DataFrame: columns are a list of names, and there is no index."""

        class Table(SimpleNamespace):
            def __getitem__(self, name):
                return self.data[name]

        table = Table(columns=["gamma", "beta"], data={"gamma": [0.2, 0.3], "beta": [0.02, 0.03]})
        assert SIR.constants(table).tolist() == AS_ARRAY

    def test_structured_arrays(self):
        sets = np.array([(0.2, 0.02), (0.3, 0.03)], [("gamma", float), ("beta", float)])
        assert SIR.constants(sets).tolist() == AS_ARRAY
        assert SIR.constants(sets[0]).tolist() == AS_ARRAY[0]

    def test_everything_else_is_left_alone(self):
        for value in ([1, 2], (1,), np.ones(3), {"a": 1}, "text", None, 3.0, pd.Series([1, 2]), pd.DataFrame([[1]])):
            assert by_label(value, "x") is value
            assert complete(value, "x", ["a"], "names") is value
            assert in_order(value, "x", ["a"], "names") is value


class TestChains:
    """Tables and Series are read by position: their labels have to be in one order."""

    NAMES, OTHER = ["a", "b", "c"], ["c", "a", "b"]
    ROWS, MOVES = (np.random.default_rng(0).normal(size=(n, 3)) for n in (4, 3))
    EMISSIONS = pd.DataFrame(ROWS, columns=NAMES)
    TRANSITIONS = pd.DataFrame(MOVES, NAMES, NAMES)
    ENDS = pd.Series([0.1, 0.2, 0.3], NAMES)

    def test_one_order(self, backend):
        expected = chain.log_partition(self.ROWS, self.MOVES, start=self.ENDS.to_numpy())
        given = self.EMISSIONS, self.ROWS
        for emissions in given:
            for transitions in self.TRANSITIONS, self.MOVES, pd.DataFrame(self.MOVES):
                assert chain.log_partition(emissions, transitions, start=self.ENDS) == expected
        assert chain.log_partition(list(given), self.TRANSITIONS, start=self.ENDS).tolist() == [expected] * 2
        decoder = chain.ViterbiDecoder(self.TRANSITIONS, start=self.ENDS)
        labels = [*decoder.push(self.EMISSIONS), *decoder.push(self.EMISSIONS.iloc[0]), *decoder.finish(self.ENDS)[0]]
        rows = np.concatenate([self.ROWS, self.ROWS[:1]])
        ends = self.ENDS.to_numpy()
        assert labels == chain.viterbi(rows, self.MOVES, start=ends, end=ends)[0].tolist()

    @pytest.mark.parametrize("function", [chain.log_partition, chain.viterbi, chain.marginals, chain.entropy])
    def test_two_orders(self, backend, function):
        other, turned = self.EMISSIONS[self.OTHER], self.TRANSITIONS.loc[self.OTHER]
        for emissions, transitions, more, words in [
            (other, self.TRANSITIONS, {}, "emissions and transitions"),
            ([self.EMISSIONS, other], self.MOVES, {}, r"emissions\[0\] and emissions\[1\]"),
            (self.ROWS, turned, {}, "transitions and rows of transitions"),
            (self.EMISSIONS, self.MOVES, {"end": self.ENDS[self.OTHER]}, "emissions and end"),
        ]:
            with pytest.raises(ValueError, match=f"{words} must have the same labels in the same order"):
                function(emissions, transitions, **more)

    def test_a_decoder(self, backend):
        same = "must have the same labels in the same order"
        with pytest.raises(ValueError, match=f"transitions and start {same}"):
            chain.ViterbiDecoder(self.TRANSITIONS, start=self.ENDS[self.OTHER])
        decoder = chain.ViterbiDecoder(self.TRANSITIONS)
        for emissions in self.EMISSIONS[self.OTHER], self.EMISSIONS.iloc[0][self.OTHER]:
            with pytest.raises(ValueError, match=f"transitions and emissions {same}"):
                decoder.push(emissions)
        with pytest.raises(ValueError, match=f"transitions and end {same}"):
            decoder.finish(self.ENDS[self.OTHER])


WORDS = [[{"w": "the", "n": 1.5}, {"w": "dog", "n": 2.0}], [{"w": "a", "n": 0.5}]]
TAGS = [["D", "N"], ["D"]]


class TestItems:
    """Items, sequences and labels that come out of tables."""

    def test_items(self, backend):
        expected = ItemSequence(WORDS[0]).items()
        table = pd.DataFrame(WORDS[0])
        assert ItemSequence([row for _, row in table.iterrows()]).items() == expected
        assert ItemSequence(pd.Series(WORDS[0], index=[7, 3])).items() == expected
        assert ItemSequence([pd.Series(["a", "b"])]).items() == [{"a": 1.0, "b": 1.0}]  # no labels: a list
        with pytest.raises(TypeError, match="an item must be a mapping or a list of attributes, got str"):
            ItemSequence(table)

    def test_labels(self, backend):
        expected = CRF().fit(WORDS, TAGS)
        several = pd.Series(TAGS, index=[5, 3])
        for y in (
            several,
            [pd.Series(row, index=range(9, 9 + len(row))) for row in TAGS],
            [pd.Categorical(row) for row in TAGS],
            [pd.array(row, dtype="string") for row in TAGS],
            (iter(row) for row in TAGS),
        ):
            assert CRF().fit(pd.Series(WORDS), y).state_features_ == expected.state_features_
        assert expected.log_proba(WORDS, several).tolist() == expected.log_proba(WORDS, TAGS).tolist()
        assert expected.predict(WORDS, allowed=pd.Series([None, [{"N"}]])) == [["D", "N"], ["N"]]

    def test_labels_without_an_order(self):
        for y in {"a": 1}, {"a"}, pd.DataFrame([["D"]]), np.array("a"):
            with pytest.raises(TypeError, match=f"y must be a list of lists of labels, got {type(y).__name__}"):
                CRF().fit(WORDS, y)


class TestNames:
    def test_meant(self):
        assert meant("s", ["S", "I"]) == "; did you mean 'S'?"
        assert meant("gama", ["beta", "gamma"]) == "; did you mean 'gamma'?"
        assert meant("zzz", ["beta"]) == meant(3, ["beta"]) == ""

    def test_shown(self):
        assert shown(["a", "b"]) == "['a', 'b']"
        assert shown([f"x{i}" for i in range(10**5)]).endswith("'x19', ...] (100000 in all)")
