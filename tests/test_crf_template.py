"""Feature templates: CRF++'s syntax, the declared form, and attributes made from columns."""

from __future__ import annotations

import copy
import itertools
import pickle
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore.crf import CRF, FeatureTemplate
from fastcore.crf._features import AttributeIds, index_chunks, index_items
from fastcore.crf._template import names_of

from .helpers import Liar

# The template that CRF++ comes with for chunking, as a user would write it.
CHUNKING = """
# Unigram
U00:%x[-2,0]
U01:%x[-1,0]
U02:%x[0,0]
U03:%x[1,0]
U04:%x[2,0]
U05:%x[-1,0]/%x[0,0]
U06:%x[0,0]/%x[1,0]

U10:%x[-2,1]
U16:%x[-1,1]/%x[0,1]
U20:%x[-2,1]/%x[-1,1]/%x[0,1]
U22:%x[0,1]/%x[1,1]/%x[2,1]

# Bigram
B
"""
X = [
    [("He", "PRP"), ("reckons", "VBZ"), ("the", "DT"), ("deficit", "NN")],
    [("the", "DT"), ("cat", "NN")],
    [("naïve", "JJ"), ("𠀀", "NN"), ("the", "DT")],
    [("He", "PRP")],
]
Y = [["B", "O", "B", "I"], ["B", "I"], ["B", "I", "B"], ["O"]]
VALUES = st.sampled_from(["", "a", "b", "ab", "a/b", "/", "_B-1", "_B+1", "é", "𠀀", "\ud800", "long" * 20])
SEQUENCES = st.lists(st.lists(st.tuples(VALUES, VALUES), max_size=5), max_size=5)
# All kinds of lines: no macro, text at both ends, more macros than fit a word, two that give the same names.
LINES = ["U", "Ubias", "U:%x[0,0]", "U:%x[-1,0]", "U:%x[0,1]", "U1:%x[0,0]/%x[1,0]", "U1:%x[0,0]%x[1,1]b", "U%x[-2,0]|"]
LINES += ["U4:%x[0,0]/%x[1,0]/%x[2,1]", "U4:%x[0,0]/%x[1,0]/%x[2,1]/%x[-1,1]", "U:%x[3,1]%x[-3,0]%x[0,0]%x[0,1]%x[1,1]"]


def written(lines: list[str], rows, drop: bool = False) -> list[list[str]]:
    """What the attributes of each row are called, by replacing macros in the text."""
    found = []
    for t in range(len(rows)):
        found.append([])
        for line in lines:
            name, rest, outside = "", line, False
            while "%x[" in rest:
                before, _, rest = rest.partition("%x[")
                where, _, rest = rest.partition("]")
                row, column = map(int, where.split(","))
                at = t + row
                outside = outside or not 0 <= at < len(rows)
                value = f"_B{at}" if at < 0 else f"_B+{at - len(rows) + 1}" if at >= len(rows) else rows[at][column]
                name += before + value
            if not (drop and outside):
                found[-1].append(name + rest)
    return found


def names_in(template: FeatureTemplate, sequences) -> list[list[list[str]]]:
    names = names_of(template, None, None)
    offsets, rows, ids = names.read(iter(sequences), -1, 0)
    known = names.names()
    items = [[known[i] for i in ids[a:b]] for a, b in itertools.pairwise(rows)]
    return [items[a:b] for a, b in itertools.pairwise(offsets)]


class TestNames:
    @given(SEQUENCES, st.lists(st.sampled_from(LINES), unique=True), st.booleans())
    def test_as_written_out(self, backend, sequences, lines, drop):
        template = FeatureTemplate("\n".join(lines), outside="drop" if drop else "name")
        expected = [written(lines, rows, drop) for rows in sequences]
        assert names_in(template, sequences) == expected

        # The same by the names of some of them, in another order.
        some = sorted({name for items in expected for item in items for name in item})[::-2]
        offsets, rows, ids = names_of(template, some, None).read(iter(sequences), -1, 0)
        assert [some[i] for i in ids] == [n for items in expected for item in items for n in item if n in some]
        wanted = [sum(n in some for n in item) for items in expected for item in items]
        assert np.diff(rows).tolist() == wanted
        assert np.diff(offsets).tolist() == list(map(len, sequences))
        assert (offsets.dtype, rows.dtype, ids.dtype) == (np.int64, np.int64, np.int32)

    def test_ids_come_in_order_and_stay(self, backend):
        template = FeatureTemplate("U:%x[0,0]\nU:%x[1,0]")
        names = names_of(template, None, None)
        assert names.read(iter(["aba"]), -1, 0)[2].tolist() == [0, 1, 1, 0, 0, 2]
        assert names.read(iter(["ca"]), -1, 0)[2].tolist() == [3, 0, 0, 2]
        assert (names.names(), len(names)) == (["U:a", "U:b", "U:_B+1", "U:c"], 4)

    def test_runs(self, backend):
        names = names_of(FeatureTemplate("U:%x[0,0]"), None, None)
        rest = iter(["abc", "de", "", "f"])
        assert names.read(rest, 3, 0)[0].tolist() == [0, 3]
        assert names.read(rest, 3, 1)[0].tolist() == [0, 2, 2, 3]
        assert names.read(rest, 3, 4)[0].tolist() == [0]
        # Sixteen times as many attributes end a run as well.
        names = names_of(FeatureTemplate("\n".join(f"U{i}:%x[0,0]" for i in range(40))), None, None)
        assert names.read(iter(["abc", "d"]), 7, 0)[0].tolist() == [0, 3]

    def test_twins_on_many(self):
        rng = np.random.default_rng(0)
        sequences = [
            [(f"w{a}", f"t{b}", "x") for a, b in zip(rng.zipf(1.3, n) % 5000, rng.integers(0, 9, n))]
            for n in rng.integers(0, 40, 300)
        ]
        template = FeatureTemplate(CHUNKING + "\n".join(LINES))
        found = []
        for name in ("compiled", "reference"):
            names = names_of(template, None, name)
            ids = [names.read(iter(sequences[i : i + 50]), -1, 0)[2].tolist() for i in range(0, 300, 50)]
            known = names_of(template, names.names()[::3], name)
            found.append((ids, names.names(), [part.tolist() for part in known.read(iter(sequences), -1, 0)]))
        assert found[0] == found[1]

    def test_names_that_are_long_and_far(self, backend):
        template = FeatureTemplate("U:%x[-1000,0]%x[1000,0]%x[0,0]%x[0,0]\nU:%x[0,999]")
        row = ["w" * 100_000] + ["x"] * 999
        assert names_in(template, [[row]]) == [[["U:_B-1000_B+1000" + "w" * 200_000, "U:x"]]]

    @pytest.mark.parametrize(
        ("sequence", "error", "words"),
        [
            (5, TypeError, r"X\[1\] must be a sequence of rows, got int"),
            ({"a": 1}, TypeError, r"X\[1\] must be a sequence of rows, got dict"),
            (b"ab", TypeError, r"X\[1\] must be a sequence of rows, got bytes"),
            ("ab", ValueError, r"X\[1\] must have at least 2 columns for this template, got a str"),
            ([("a", "b"), 5], TypeError, r"X\[1\]\[1\] must be a str or a row of str, got int"),
            ([("a", "b"), b"ab"], TypeError, r"X\[1\]\[1\] must be a str or a row of str, got bytes"),
            ([("a", "b"), {"a": 1, "b": 2}], TypeError, r"X\[1\]\[1\] must be a str or a row of str, got dict"),
            ([("a", "b"), ("a", 1)], TypeError, r"X\[1\]\[1\] must hold str, got int"),
            ([("a", "b"), ("a", "b", "c")], ValueError, r"X\[1\]\[1\] must have 2 columns, as the row before, got 3"),
            ([("a", "b"), ("a",)], ValueError, r"X\[1\]\[1\] must have 2 columns, as the row before, got 1"),
            ([("a",)], ValueError, r"X\[1\]\[0\] must have at least 2 columns for this template, got 1"),
            (["a"], ValueError, r"X\[1\]\[0\] must have at least 2 columns for this template, got 1"),
        ],
    )
    def test_bad_rows(self, backend, sequence, error, words):
        template = FeatureTemplate("U:%x[0,1]")
        for known in (None, ["U:b"]):
            names = names_of(template, known, None)
            for first in (0, 100):
                with pytest.raises(error, match=words.replace(r"X\[1\]", rf"X\[{first + 1}\]")):
                    names.read(iter([[("a", "b")], sequence]), -1, first)
            # What went wrong leaves no trace in what follows.
            assert names.read(iter([[("c", "b")]]), -1, 0)[2].tolist() == [0]

    def test_what_fails_when_it_is_asked(self, backend):
        class Unknown:
            @property
            def __class__(self):
                raise OSError("nobody knows")

        names = names_of(FeatureTemplate("U:%x[0,0]"), None, None)
        for sequence in (Unknown(), ["a", Unknown()]):
            with pytest.raises(OSError, match="nobody knows"):
                names.read(iter([sequence]), -1, 0)
        with pytest.raises(OSError, match="nobody knows"):
            kernels("crf.items").Names().read(iter([Unknown()]), -1)

    def test_bad_lines_and_names(self, backend):
        kernel = kernels("crf.columns")
        for lines, words in (
            ([(("a",), ((0, 0),))], "a piece more than macros, got 1 and 1"),
            ([(("a", "b"), ((1001, 0),))], "a row in -1000..1000"),
            ([(("a", "b"), ((0, -1),))], "a column in 0..999"),
        ):
            with pytest.raises(ValueError, match=words):
                kernel.Names(lines, False)
        with pytest.raises(TypeError, match="names must be str, got int"):
            kernel.Names([], False, [1])
        with pytest.raises(ValueError, match="names must differ, got 'a' twice"):
            kernel.Names([], False, ["a", "b", "a"])

    def test_subclasses_that_lie(self, backend):
        template = FeatureTemplate("U:%x[0,0]/%x[1,0]")
        assert names_in(template, [[Liar("ab"), (Liar("c"),)]]) == [[["U:ab/c"], ["U:c/_B+1"]]]
        assert names_in(template, [Liar("ab")]) == [[["U:a/b"], ["U:b/_B+1"]]]


class TestTemplate:
    def test_apply(self, backend):
        template = FeatureTemplate(CHUNKING)
        lines = [line for line in CHUNKING.splitlines() if line.startswith("U")]
        for rows in (*X, []):
            items = template.apply(rows).items()
            assert items == [dict.fromkeys(names, 1.0) for names in written(lines, rows)]
        # Rows of any kind, and a name that a row has twice counts twice.
        twice = FeatureTemplate("U:%x[0,0]\nU:%x[-1,0]").apply(iter([["a"], np.array(["a"]), "b"]))
        assert twice.items() == [{"U:a": 1, "U:_B-1": 1}, {"U:a": 2}, {"U:b": 1, "U:a": 1}]

    def test_what_the_syntax_allows(self):
        template = FeatureTemplate("  U1:%x[ -1 , 0 ]x%x[+1,0] \r\n#U2:%y\n\nB\nB01\nUbias\nU%x[0,0]%x[0,0]")
        assert template.apply("ab").items()[0] == {"U1:_B-1xb": 1, "Ubias": 1, "Uaa": 1}
        assert FeatureTemplate("").apply("ab").items() == [{}, {}]
        assert FeatureTemplate("U1", outside="drop").apply([("a", "b")]).items() == [{"U1": 1}]
        assert FeatureTemplate("U1:%x[1,0]", outside="drop").apply("ab").items() == [{"U1:b": 1}, {}]

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("X01:%x[0,0]", "must begin with U .* got 'X01:%x"),
            ("u01:%x[0,0]", "must begin with U"),
            ("U01:%y[0,0]", r"must have %x\[row,column\] where it has a %, got '%y"),
            ("U01:%x[0]", r"must have %x\[row,column\] where it has a %, got '%x\[0\]'"),
            ("U01:%x[0,0", r"must have %x\[row,column\]"),
            ("U01:%x[a,0]", r"must have %x\[row,column\]"),
            ("U01:%x[0,-1]", r"must have %x\[row,column\]"),
            ("U01:%x[0,0]/%", r"must have %x\[row,column\] where it has a %, got '%'"),
            ("U01:%x[٣,0]", r"must have %x\[row,column\]"),
            ("U01:%x[1001,0]", r"must have rows in -1000..1000 and columns in 0..999, got '%x\[1001,0\]'"),
            ("U01:%x[0,1000]", "must have rows in -1000..1000 and columns in 0..999"),
            ("U01:%x[99999999999999999999,0]", "must have rows in -1000..1000"),
            ("B01:%x[0,0]", "must not have macros: a CRF weighs pairs of labels by themselves"),
        ],
    )
    def test_malformed(self, line, words):
        with pytest.raises(ValueError, match=f"line 3 of the template {words}"):
            FeatureTemplate(f"# words\nU00:%x[0,0]\n{line}\nU02:%x[0,0]")

    def test_bad_parameters(self):
        with pytest.raises(TypeError, match="text must be a str, got bytes"):
            FeatureTemplate(b"U")
        with pytest.raises(ValueError, match="outside must be"):
            FeatureTemplate("U", outside="no")
        for bad in ("ab", b"ab", {"a": 1}, 5, iter(["ab"])):
            with pytest.raises(TypeError, match="X must be a list of sequences of rows, got"):
                FeatureTemplate("U").items(bad)

    def test_declared(self, backend):
        template = FeatureTemplate.of(word=[-1, 0, (-1, 0)], tag=[0, (0, ("word", 1)), (("word", 0), ("word", 1))])
        assert template.apply(X[1]).items()[0] == dict.fromkeys(
            [
                "U:word[-1]=_B-1",
                "U:word[0]=the",
                "U:word[-1]|word[0]=_B-1|the",
                "U:tag[0]=DT",
                "U:tag[0]|word[1]=DT|cat",
                "U:word[0]|word[1]=the|cat",
            ],
            1.0,
        )
        assert FeatureTemplate.of(c=[-1], outside="drop").apply("ab").items() == [{}, {"U:c[-1]=a": 1}]
        assert FeatureTemplate.of() == FeatureTemplate("")
        assert FeatureTemplate.of(a=np.arange(-1, 1)) == FeatureTemplate.of(a=[-1, 0])
        assert FeatureTemplate.of(a=range(-1, 1), b=()) == FeatureTemplate.of(a=(-1, 0), b=[])

    @pytest.mark.parametrize(
        ("columns", "error", "words"),
        [
            ({"a": 1}, TypeError, "a must be a list of rows, got int"),
            ({"a": "12"}, TypeError, "a must be a list of rows, got str"),
            ({"a": ["b"]}, TypeError, r"a must hold rows, tuples of them, and in those \(column, row\), got 'b'"),
            ({"a": [True]}, TypeError, "a must hold rows"),
            ({"a": [(0, ("a", 0.5))]}, TypeError, "a must hold rows"),
            ({"a": [(0, ("b", 0))]}, ValueError, "a must hold columns a, got 'b'"),
            ({"a": [()]}, ValueError, "a must hold no empty tuple"),
            ({"a": [2000]}, ValueError, "line 1 of the template must have rows in -1000..1000"),
            ({"a%": [0]}, ValueError, "a column's name must be a word, got 'a%'"),
            ({"a\nU": [0]}, ValueError, "a column's name must be a word"),
            ({"": [0]}, ValueError, "a column's name must be a word"),
        ],
    )
    def test_badly_declared(self, columns, error, words):
        with pytest.raises(error, match=words):
            FeatureTemplate.of(**columns)

    def test_is_a_value(self):
        template = FeatureTemplate(CHUNKING, outside="drop")
        again = pickle.loads(pickle.dumps(template))
        assert again == template == copy.deepcopy(template)
        assert hash(again) == hash(template)
        assert template != FeatureTemplate(CHUNKING)
        assert template != CHUNKING
        assert eval(repr(template)) == template
        assert repr(FeatureTemplate("U")) == "FeatureTemplate('U')"


class TestItems:
    def test_is_a_sequence(self, backend):
        items = FeatureTemplate(CHUNKING).items(X)
        assert len(items) == len(X)
        assert [x.items() for x in items] == [FeatureTemplate(CHUNKING).apply(x).items() for x in X]
        assert len(items[1:3]) == 2
        assert items[1:3][0].items() == items[1].items()
        assert repr(items) == "<TemplateItems of 4 sequences>"
        assert pickle.loads(pickle.dumps(items))[3].items() == items[3].items()

    def test_same_model_as_from_strings(self, backend):
        lines = [line for line in CHUNKING.splitlines() if line.startswith("U")]
        template = FeatureTemplate(CHUNKING)
        strings = [written(lines, rows) for rows in X]
        one, other = (CRF(c2=0.1, max_iterations=20).fit(x, Y) for x in (template.items(X), strings))
        assert one.attributes_ == other.attributes_
        assert one.state_features_ == other.state_features_
        assert (one.transition_features_, one.loss_) == (other.transition_features_, other.loss_)
        new = [[("the", "DT"), ("dog", "NN")], [("He", "PRP"), ("_B+1", "DT")], []]
        expected = other.predict([written(lines, rows) for rows in new])
        for crf in (one, other, pickle.loads(pickle.dumps(one))):
            assert crf.predict(template.items(new)) == expected
            assert crf.predict([template.apply(rows) for rows in new]) == expected
            assert crf.predict_marginals(template.items(new)) == other.predict_marginals(
                [written(lines, rows) for rows in new]
            )
        assert one.score(template.items(X), Y) == other.score(strings, Y)

    def test_another_template_asks_a_model_anew(self, backend):
        words, tags = FeatureTemplate("U:%x[0,0]"), FeatureTemplate("U:%x[0,1]")
        crf = CRF(c2=0.01).fit(words.items([[("a", "b"), ("b", "a")]] * 3), [["A", "B"]] * 3)
        for _ in range(2):
            assert crf.predict(words.items([[("a", "b"), ("b", "a")]])) == [["A", "B"]]
            assert crf.predict(tags.items([[("a", "b"), ("b", "a")]])) == [["B", "A"]]
            assert crf.predict([[["U:a"], ["U:b"]]]) == [["A", "B"]]

    def test_lines_that_give_the_same_names(self, backend):
        # A bag of words, and values that look like pieces of the line.
        template = FeatureTemplate("U:%x[-1,0]\nU:%x[0,0]\nU1:%x[0,0]/%x[1,0]")
        sequences = [["1/2", "3"], ["1", "2/3"]]
        ids = AttributeIds()
        items = index_items(template.items(sequences), ids)
        assert list(ids) == ["U:_B-1", "U:1/2", "U1:1/2/3", "U:3", "U1:3/_B+1", "U:1", "U:2/3", "U1:2/3/_B+1"]
        assert items.attributes.tolist() == [0, 1, 2, 1, 3, 4, 0, 5, 2, 5, 6, 7]

    def test_chunks_and_numbers_of_sequences(self, backend):
        template = FeatureTemplate("U:%x[0,0]")
        ids, long = AttributeIds(), [list("abcab")] * 9
        chunks = list(index_chunks(template.items(long), ids, 7))
        assert [chunk.offsets.tolist() for chunk in chunks] == [[0, 5, 10]] * 4 + [[0, 5]]
        assert list(ids) == ["U:a", "U:b", "U:c"]
        with pytest.raises(TypeError, match=r"X\[9\]\[1\] must hold str, got int"):
            list(index_chunks(template.items([*long, [["a"], [1]]]), AttributeIds(), 7))

    def test_cross_validation(self, backend):
        from sklearn.model_selection import cross_val_score

        items = FeatureTemplate(CHUNKING).items(X * 3)
        scores = cross_val_score(CRF(max_iterations=5), items, Y * 3, cv=3, error_score="raise")
        assert scores.shape == (3,)

    def test_many_threads_label(self, backend):
        template = FeatureTemplate(CHUNKING)
        crf = CRF(c2=0.1, max_iterations=5).fit(template.items(X), Y)
        expected, found = crf.predict(template.items(X)), []

        def work() -> None:
            with use_backend(backend.name):
                found.append(all(crf.predict(template.items(X)) == expected for _ in range(backend.size(50, 10))))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [True] * 4


@pytest.mark.parametrize("made", [pd.DataFrame, pa.table])
def test_tables_are_rows_of_their_columns(backend, made):
    table = made({"word": ["the", "dog", "barks"], "tag": ["DT", "NN", "VB"]})
    template = FeatureTemplate("U0:%x[0,0]\nU1:%x[-1,1]")
    rows = [("the", "DT"), ("dog", "NN"), ("barks", "VB")]
    assert list(template.apply(table).items()) == list(template.apply(rows).items())
    fitted = [CRF().fit(template.items(X), [["a", "b", "c"]]).state_features_ for X in ([table], [rows])]
    assert fitted[0] == fitted[1]
