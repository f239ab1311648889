"""The vectorizer, beside scikit-learn's CountVectorizer."""

from __future__ import annotations

import io
import pickle
import re
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline

from fastcore import use_backend
from fastcore._backend import kernels
from fastcore._data import english_verse, poems
from fastcore.vectorizer import NgramVectorizer

from .helpers import Liar, memory_growth, run_script

# White space of all kinds, case that changes length, combining marks, astral planes, a NUL, digits of other scripts.
LETTERS = "aabbcA \n\t\u3000\u2003\x1c\x85İßéÉ\u0301中文字😀𝒜_-.'\0٣Ⅷˢ\ud800"
texts = st.text(st.sampled_from(LETTERS), max_size=25)
corpora = st.lists(texts, max_size=6)
ranges = st.sampled_from([(1, 1), (1, 2), (2, 2), (1, 4), (3, 5), (5, 9), (2, 40)])


def outcome(make, documents, others=()):
    """What fit_transform, the vocabulary and transform give, or the kind of error."""
    try:
        vectorizer = make()
        parts = [vectorizer.fit_transform(iter(documents))]
        names = vectorizer.get_feature_names_out()
        parts += [vectorizer.transform(documents), vectorizer.transform(iter(others))]
        terms = [array.tolist() for array in vectorizer.inverse_transform(parts[0])]
    except (ValueError, TypeError, UnicodeError, AttributeError) as error:
        return [base for base in (ValueError, TypeError, AttributeError) if isinstance(error, base)]
    matrices = [
        (X.shape, X.dtype, *((part.dtype, part.tolist()) for part in (X.indptr, X.indices, X.data))) for X in parts
    ]
    return matrices, vectorizer.vocabulary_, names.dtype, names.tolist(), terms, type(parts[0])


def assert_same(documents, others=(), **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = outcome(partial(CountVectorizer, **parameters), documents, others)
        ours = outcome(partial(NgramVectorizer, **parameters), documents, others)
    assert ours == theirs


class TestLikeCountVectorizer:
    @given(corpora, corpora, ranges, st.booleans())
    def test_char(self, backend, documents, others, ngram_range, lowercase):
        assert_same(documents, others, analyzer="char", ngram_range=ngram_range, lowercase=lowercase)

    @given(corpora, corpora, ranges)
    def test_char_wb(self, backend, documents, others, ngram_range):
        assert_same(documents, others, analyzer="char_wb", ngram_range=ngram_range)

    @given(corpora, corpora, ranges, st.booleans())
    def test_word(self, backend, documents, others, ngram_range, lowercase):
        assert_same(documents, others, ngram_range=ngram_range, lowercase=lowercase)

    @given(
        corpora,
        corpora,
        st.sampled_from(["char", "char_wb", "word"]),
        st.sampled_from([1, 2, 0.0, 0.3, 1.0]),
        st.sampled_from([1.0, 0.5, 2, 4]),
        st.sampled_from([None, 1, 3, 10]),
        st.booleans(),
    )
    def test_limits(self, backend, documents, others, analyzer, min_df, max_df, max_features, binary):
        limits = {"min_df": min_df, "max_df": max_df, "max_features": max_features, "binary": binary}
        assert_same(documents, others, analyzer=analyzer, ngram_range=(1, 2), token_pattern=r"(?u)\b\w\w+\b", **limits)

    @given(corpora, st.sampled_from(["ascii", "unicode", str.swapcase]), st.sampled_from(["char", "char_wb", "word"]))
    def test_accents(self, backend, documents, strip_accents, analyzer):
        assert_same(documents, documents, strip_accents=strip_accents, analyzer=analyzer, ngram_range=(1, 2))

    @given(
        corpora,
        st.sampled_from([r"(?u)\b\w+\b", r"\S+", r"[^a]+", r"(a).", r"b*", r"(a)(b)", "("]),
        ranges,
    )
    def test_token_patterns(self, backend, documents, pattern, ngram_range):
        def outcome_or_error(make):
            try:
                return outcome(make, documents)
            except re.error:
                return "re.error"

        make = {"token_pattern": pattern, "ngram_range": ngram_range}
        assert outcome_or_error(partial(NgramVectorizer, **make)) == outcome_or_error(partial(CountVectorizer, **make))

    @given(corpora, st.lists(st.sampled_from(["aa", "ab", "bb", "中文", "", "A", "a b"]), max_size=3), ranges)
    def test_stop_words(self, backend, documents, words, ngram_range):
        assert_same(documents, documents, stop_words=words, ngram_range=ngram_range)

    def test_english_stop_words(self, backend):
        documents = english_verse()[:60]
        assert_same(documents, documents, stop_words="english", ngram_range=(1, 2))

    @pytest.mark.parametrize("analyzer", ["char", "char_wb", "word"])
    @pytest.mark.parametrize(
        "vocabulary",
        [
            ["ab", "a", "b ", "zz", "中文", "a b", "aa bb"],
            {"b": 0, "ab": 2, "aa": 1, "": 3},
            {"aa", "bb", "ab"},
            ("ab", "ab"),
            {"a": 0, "b": 0},
            {"a": 0, "b": 2},
            [],
            ["Ab"],
            5,
        ],
    )
    def test_vocabulary(self, backend, analyzer, vocabulary):
        documents = ["ab aa bb", "", "b ab 中文 ab", "aa bb"]
        assert_same(documents, documents, analyzer=analyzer, vocabulary=vocabulary, ngram_range=(1, 2))

    @pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.float32, np.float64, bool, "f8"])
    def test_dtype(self, backend, dtype):
        documents = ["a" * 300 + "b", "b" * 3]
        assert_same(documents, documents, analyzer="char", dtype=dtype, max_features=1)

    @pytest.mark.parametrize("binary", [False, True])
    def test_real_text(self, backend, binary):
        some = backend.size(150, 40)
        for analyzer, ngram_range in (("char", (1, 4)), ("char_wb", (2, 5)), ("word", (1, 3))):
            options = {"analyzer": analyzer, "ngram_range": ngram_range, "binary": binary}
            assert_same(poems()[:some], english_verse()[:some], **options)
            assert_same(english_verse()[:some], english_verse()[some : 2 * some], min_df=2, max_features=500, **options)

    def test_one_long_document(self, backend):
        text = "".join(poems()[: backend.size(800, 100)])
        assert_same([text], [text, ""], analyzer="char", ngram_range=(1, 3))

    @pytest.mark.parametrize(
        "parameters",
        [
            {"tokenizer": str.split, "ngram_range": (1, 3)},
            {"tokenizer": lambda text: [text[::2], " b", "a\x01", "a", ""], "ngram_range": (1, 3)},
            {"tokenizer": lambda text: [len(text), 3]},
            {"tokenizer": lambda text: [len(text), 3], "ngram_range": (1, 2)},
            {"preprocessor": lambda text: text[:5]},
            {"preprocessor": lambda text: text[:5], "analyzer": "char"},
            {"preprocessor": np.str_, "analyzer": "char_wb", "ngram_range": (2, 3)},
            {"analyzer": str.split},
            {"analyzer": lambda text: [len(text), 2, 1]},
            {"analyzer": lambda text: [None, "a"]},
        ],
    )
    def test_callables(self, backend, parameters):
        documents = ["one two  one", "", "b a a\x01 b", "three"]
        assert_same(documents, documents, **parameters)

    def test_features_of_any_type(self, backend):
        vectorizer = NgramVectorizer(analyzer=lambda text: [(c, 1) for c in text])
        assert vectorizer.fit_transform(["ba", "b"]).toarray().tolist() == [[1, 1], [0, 1]]
        assert vectorizer.get_feature_names_out().tolist() == [("a", 1), ("b", 1)]

    def test_kinds_of_input(self, backend, tmp_path):
        paths = []
        for i, text in enumerate(["one two", "zwei ä drei", "two two"]):
            paths.append(str(tmp_path / f"{i}"))
            (tmp_path / f"{i}").write_text(text, encoding="utf-8")
        assert_same(paths, paths, input="filename")
        ours = NgramVectorizer(input="file").fit([io.BytesIO(b"one two"), io.StringIO("zwei drei")])
        assert sorted(ours.vocabulary_) == ["drei", "one", "two", "zwei"]
        assert NgramVectorizer(input="file").fit_transform([io.StringIO("ab cd")]).shape == (1, 2)
        for error in ("strict", "ignore", "replace"):
            assert_same([b"caf\xe9 noir", "caf\u00e9"], decode_error=error)
        assert_same(["café".encode("latin-1")], encoding="latin-1")

    @pytest.mark.parametrize("documents", [[None], [5], [np.nan], [["a"]], "a b", 5, None, [b"\xff"], []])
    @pytest.mark.parametrize("parameters", [{}, {"analyzer": "char"}, {"analyzer": "char", "lowercase": False}])
    def test_bad_documents(self, backend, documents, parameters):
        def outcome_or_error(vectorizer):
            try:
                vectorizer.fit_transform(documents)
            except Exception as error:
                return next(base for base in (ValueError, TypeError, AttributeError) if isinstance(error, base))

        assert outcome_or_error(NgramVectorizer(**parameters)) == outcome_or_error(CountVectorizer(**parameters))

    @pytest.mark.parametrize(
        "parameter",
        [
            *({"input": "x"}, {"input": 5}, {"encoding": None}, {"decode_error": "x"}, {"strip_accents": "x"}),
            *({"lowercase": "yes"}, {"preprocessor": 5}, {"tokenizer": 5}, {"stop_words": "german"}),
            *({"token_pattern": 5}, {"ngram_range": [1, 2]}, {"ngram_range": (2, 1)}, {"ngram_range": 3}),
            *({"analyzer": "x"}, {"analyzer": None}, {"max_df": 1.5}, {"max_df": 0}, {"min_df": -1}, {"min_df": "a"}),
            *({"max_features": 0}, {"max_features": 1.5}, {"vocabulary": 5}, {"binary": 2}),
            *({"min_df": 5}, {"max_df": 0.0}, {"max_df": 1, "min_df": 2}, {"token_pattern": None}),
        ],
    )
    def test_bad_parameters(self, backend, parameter):
        with pytest.raises((ValueError, TypeError)) as theirs:
            CountVectorizer(**parameter).fit(["some words here", "words"])
        with pytest.raises((ValueError, TypeError)) as ours:
            NgramVectorizer(**parameter).fit(["some words here", "words"])
        for base in (ValueError, TypeError):
            assert isinstance(ours.value, base) == isinstance(theirs.value, base)
        assert next(iter(parameter)) in str(ours.value) or "min_df" in str(ours.value)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"tokenizer": str.split},
            {"analyzer": str.split, "preprocessor": str.lower},
            {"analyzer": str.split, "ngram_range": (1, 2)},
            {"analyzer": "char", "stop_words": ["a"]},
            {"analyzer": "char", "token_pattern": "a"},
            {"analyzer": "char", "tokenizer": str.split, "token_pattern": None},
            {"vocabulary": ["Some"]},
            {"stop_words": ["don't", "AND"]},
            {},
        ],
    )
    def test_warnings(self, backend, parameters):
        def warned(vectorizer):
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                vectorizer.fit(["some words"])
            return [(w.category, re.findall(r"'(\w+)'|(inconsistent)|(Upper)", str(w.message))) for w in found]

        assert warned(NgramVectorizer(**parameters)) == warned(CountVectorizer(**parameters))

    def test_attributes_set_by_hand(self, backend):
        # A common way to keep a vectorizer: only its vocabulary.
        fitted = NgramVectorizer(analyzer="char").fit(["abc"])
        other = NgramVectorizer(analyzer="char")
        other.vocabulary_ = fitted.vocabulary_
        assert (other.transform(["aab"]) != fitted.transform(["aab"])).nnz == 0

    def test_built_parts(self, backend):
        for parameters in (
            {},
            {"analyzer": "char", "ngram_range": (2, 3)},
            {"analyzer": "char_wb", "ngram_range": (4, 5)},
        ):
            ours, theirs = NgramVectorizer(**parameters), CountVectorizer(**parameters)
            for text in ("A  Red\n\nfox, a fox", "", " a"):
                assert ours.build_analyzer()(text) == theirs.build_analyzer()(text)
                assert ours.build_preprocessor()(text) == theirs.build_preprocessor()(text)
                assert ours.build_tokenizer()(text) == theirs.build_tokenizer()(text)
        assert (
            NgramVectorizer(stop_words="english").get_stop_words()
            == CountVectorizer(stop_words="english").get_stop_words()
        )

    def test_word_characters_are_those_of_re(self):
        points = [p for p in range(0x110000) if p < 0x3100 or p % 61 == 0 or 0x10000 <= p < 0x12000]
        text = " ".join(f"{chr(point)}{chr(point)}" for point in points)
        found = []
        for name in ("compiled", "reference"):
            symbols = kernels("vectorizer.symbols", name).Symbols()
            symbols.add_words(text)
            found.append(symbols.finish()[3])
        assert found[0] == found[1]

    def test_white_space_is_that_of_re(self):
        points = [p for p in range(0x110000) if chr(p).isspace() or p < 0x3100 or p % 1009 == 0]
        text = "a".join(f"{chr(point)}{chr(point)}" for point in points)
        found = []
        for name in ("compiled", "reference"):
            symbols = kernels("vectorizer.symbols", name).Symbols()
            symbols.add_chars(text)
            symbols.add_words_of_chars(text)
            found.append([part.tolist() for part in symbols.finish()[:3]])
        assert found[0] == found[1]


class TestEstimator:
    def test_clone_and_params(self, backend):
        vectorizer = NgramVectorizer(analyzer="char", ngram_range=(1, 3), vocabulary=["a"])
        copy = clone(vectorizer)
        assert copy.get_params() == vectorizer.get_params()
        assert set(copy.get_params()) == set(CountVectorizer().get_params())
        assert copy.set_params(analyzer="word") is copy
        assert repr(copy) == "NgramVectorizer(ngram_range=(1, 3), vocabulary=['a'])"
        with pytest.raises(ValueError, match="NgramVectorizer has no parameter 'nothing'"):
            copy.set_params(nothing=1)

    def test_pipeline(self, backend):
        from sklearn.feature_extraction.text import TfidfTransformer

        documents = poems()[:20]
        ours, theirs = (
            make_pipeline(make(analyzer="char"), TfidfTransformer()).fit_transform(documents)
            for make in (NgramVectorizer, CountVectorizer)
        )
        assert np.array_equal(ours.toarray(), theirs.toarray())

    @pytest.mark.parametrize("parameters", [{"analyzer": "char", "ngram_range": (1, 2)}, {"ngram_range": (1, 2)}])
    def test_pickle(self, backend, parameters):
        documents = poems()[:10] + english_verse()[:10]
        vectorizer = NgramVectorizer(**parameters)
        assert pickle.loads(pickle.dumps(vectorizer)).get_params() == vectorizer.get_params()
        counts = vectorizer.fit_transform(documents)
        data = pickle.dumps(vectorizer)
        assert b"_kernels" not in data
        again = pickle.loads(data)
        assert (again.transform(documents) != counts).nnz == 0
        assert again.vocabulary_ == vectorizer.vocabulary_

    def test_fitted_on_one_backend_stays_there(self):
        with use_backend("reference"):
            vectorizer = NgramVectorizer(analyzer="char").fit(["ab"])
        assert vectorizer.transform(["abb"]).toarray().tolist() == [[1, 2]]

    def test_not_fitted(self, backend):
        for call in ("transform", "inverse_transform"):
            with pytest.raises(NotFittedError, match="not fitted"):
                getattr(NgramVectorizer(), call)([])
        with pytest.raises(NotFittedError, match="not fitted"):
            NgramVectorizer().get_feature_names_out()
        assert not hasattr(NgramVectorizer(), "vocabulary_")

    def test_not_fitted_without_sklearn(self):
        script = """
import sys
sys.modules["sklearn"] = None
from fastcore.vectorizer import NgramVectorizer
assert NgramVectorizer(stop_words="english").fit_transform(["the cat sat"]).shape == (1, 2)
try:
    NgramVectorizer().transform(["a"])
except ValueError as error:
    assert isinstance(error, AttributeError)
    print("as it should be")
"""
        result = run_script(script)
        assert result.stdout.strip() == "as it should be", result.stderr

    def test_given_vocabulary_needs_no_fit(self, backend):
        vectorizer = NgramVectorizer(vocabulary=["two", "one"])
        assert vectorizer.transform(["one two two"]).toarray().tolist() == [[2, 1]]
        assert vectorizer.get_feature_names_out().tolist() == ["two", "one"]

    def test_refit_forgets(self, backend):
        vectorizer = NgramVectorizer(analyzer="char").fit(["ab"])
        assert vectorizer.vocabulary_ == {"a": 0, "b": 1}
        assert vectorizer.fit(["c"]).vocabulary_ == {"c": 0}

    def test_failed_fit_keeps_the_old_vocabulary(self, backend):
        vectorizer = NgramVectorizer(analyzer="char").fit(["ab"])
        with pytest.raises(ValueError, match="empty vocabulary"):
            vectorizer.fit([""])
        assert vectorizer.vocabulary_ == {"a": 0, "b": 1}

    def test_subclass_with_its_own_analysis(self, backend):
        class Stemmed(NgramVectorizer):
            def build_analyzer(self):
                analyze = super().build_analyzer()
                return lambda document: [word.rstrip("s") for word in analyze(document)]

        class Upper(NgramVectorizer):
            def build_preprocessor(self):
                return str.upper

        class Halves(NgramVectorizer):
            def build_tokenizer(self):
                return lambda text: [text[: len(text) // 2], text[len(text) // 2 :]]

        assert sorted(Stemmed().fit(["cat cats dog"]).vocabulary_) == ["cat", "dog"]
        assert sorted(Upper(analyzer="char").fit(["ab"]).vocabulary_) == ["A", "B"]
        assert sorted(Halves().fit(["abcd"]).vocabulary_) == ["ab", "cd"]

    def test_inverse_transform(self, backend):
        vectorizer = NgramVectorizer(analyzer="char").fit(["abc"])
        for form in (np.array([[1, 0, 2]]), csr_matrix([[1, 0, 2]]), csr_matrix([[1, 0, 2]]).tocoo(), [[1, 0, 2]]):
            assert [terms.tolist() for terms in vectorizer.inverse_transform(form)] == [["a", "c"]]
        with pytest.raises(ValueError, match="X must have 2 dimensions"):
            vectorizer.inverse_transform([1, 2, 3])
        with pytest.raises(ValueError, match="X must have 3 columns, got 4"):
            vectorizer.inverse_transform([[1, 2, 3, 4]])

    def test_estimator_checks(self):
        from sklearn.utils.estimator_checks import check_estimator

        def failures(estimator):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results = check_estimator(estimator, on_skip=None, on_fail=None)
            return {r["check_name"]: r["status"] for r in results if r["status"] == "failed"}

        assert set(failures(NgramVectorizer())) <= set(failures(CountVectorizer()))


class TestKernels:
    @pytest.mark.parametrize("span", [(1, 1), (1, 2)])
    def test_a_str_is_its_characters_whatever_it_says(self, backend, span):
        documents = ["the cat sat", "a cat, the thé"]
        for words in (["the", "cat"], ["thé", "a"]):
            liars = NgramVectorizer(ngram_range=span, stop_words=[Liar(word) for word in words])
            plain = NgramVectorizer(ngram_range=span, stop_words=words)
            assert (liars.fit_transform(documents) != plain.fit_transform(documents)).nnz == 0
            assert liars.vocabulary_ == plain.vocabulary_
        own = {"ngram_range": span, "token_pattern": None}
        liars = NgramVectorizer(tokenizer=lambda text: [Liar(token) for token in str.split(text)], **own)
        plain = NgramVectorizer(tokenizer=str.split, **own)
        assert (liars.fit_transform(documents) != plain.fit_transform(documents)).nnz == 0
        assert liars.vocabulary_ == plain.vocabulary_

    def test_dropped_tokens_must_be_str(self, backend):
        with pytest.raises(TypeError, match="tokens must be str, got int"):
            kernels("vectorizer.symbols").Symbols().drop(["a", 3])

    @given(
        st.lists(st.lists(st.text("ab 中", max_size=6), max_size=4), max_size=4),
        st.integers(1, 4),
        st.integers(0, 3),
        st.booleans(),
    )
    def test_twins_agree(self, corpus, low, more, short):
        results = []
        for name in ("compiled", "reference"):
            kernel = kernels("vectorizer.features", name)
            symbols = kernels("vectorizer.symbols", name).Symbols()
            for document in corpus:
                symbols.add_words_of_chars("\n".join(document))
            stream, pieces, documents, alphabet = symbols.finish()
            by_rank = sorted(range(len(alphabet)), key=alphabet.__getitem__)
            ranks = np.empty(len(alphabet), np.int32)
            ranks[by_rank] = np.arange(len(alphabet))
            found = kernel.find_ngrams(stream, pieces, documents, ranks, low, low + more, short)
            rows = kernel.count_rows(found[0], found[1])
            results.append([part.tolist() for part in (stream, pieces, documents, *found, *rows)] + [alphabet])
        assert results[0] == results[1]

    @given(st.lists(st.lists(st.integers(-1, 300), max_size=120), max_size=5), st.integers(0, 2**23))
    def test_rows(self, rows, scale):
        keys = np.array([key if key < 0 else key * scale // 300 for row in rows for key in row], np.int32)
        bounds = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        ours, twins = (
            [part.tolist() for part in kernels("vectorizer.features", name).count_rows(keys, bounds)]
            for name in ("compiled", "reference")
        )
        assert ours == twins

    def test_rows_of_the_largest_keys(self):
        keys = np.array([2**31 - 1, 0, 2**31 - 1, 2**24, 255, 256] * 20, np.int32)
        _, columns, counts = kernels("vectorizer.features", "compiled").count_rows(keys, np.array([0, len(keys)]))
        assert columns.tolist() == [0, 255, 256, 2**24, 2**31 - 1]
        assert counts.tolist() == [20, 20, 20, 20, 40]

    @given(st.sets(st.text("ab中", max_size=3)), st.sets(st.text("ab中", max_size=3)))
    def test_match(self, some, others):
        from fastcore.vectorizer._features import Packed

        a, b = (Packed.of(sorted(strings)) for strings in (some, others))
        expected = [sorted(others).index(s) if s in others else -1 for s in sorted(some)]
        for name in ("compiled", "reference"):
            assert (
                kernels("vectorizer.features", name).match(a.points, a.offsets, b.points, b.offsets).tolist()
                == expected
            )


def test_memory_is_flat():
    setup = """
from fastcore.vectorizer import NgramVectorizer
texts = ["one two three", "中文字符", "é"] * 20
"""
    for parameters in ("analyzer='char', ngram_range=(1, 3)", "ngram_range=(1, 2)"):
        work = f"v = NgramVectorizer({parameters}).fit(texts); v.transform(texts); v.vocabulary_"
        assert memory_growth(setup, work, 200) < 50
