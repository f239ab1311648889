"""The estimator."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import chain, islice, pairwise
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._estimator import Estimator, not_fitted
from .._texts import Manner, check_texts, is_source, strings
from .._turns import in_turn
from .._widths import index_dtype
from . import _analysis as analysis
from ._features import Found, Vocabulary, find, token_stream

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Elements mapped at once, so that no second array of that many is needed.
_CHUNK = 1 << 20


class InvalidParameterError(ValueError, TypeError):
    """A parameter of the vectorizer has a wrong type or value."""


class NgramVectorizer(Estimator):
    """Count n-grams of characters or words: CountVectorizer's parameters and results, faster.

    Parameters
    ----------
    input : {"content", "filename", "file"}
        What documents are: str or bytes, names of files, or objects with ``read()``.
    encoding : str, default "utf-8"
        How bytes are decoded.
    decode_error : {"strict", "ignore", "replace"}
        What happens to bytes that can't be.
    strip_accents : {"ascii", "unicode"}, callable or None
        Decompose characters (NFKD), then keep ASCII, or drop combining marks; or the caller's function.
    lowercase : bool, default True
        Lowercase documents first, with ``str.lower``.
    preprocessor : callable, optional
        Replaces lowercasing and accent stripping.
    tokenizer : callable, optional
        Replaces `token_pattern`, for words.
    stop_words : {"english"}, list or None
        Tokens to leave out, for words.
    token_pattern : str
        What a token is, for words; the default is runs of two or more letters, digits and underscores.
    ngram_range : tuple (int, int), default (1, 1)
        Shortest and longest n-grams.
    analyzer : {"word", "char", "char_wb"} or callable
        N-grams of words; of code points; of code points inside words padded with a space; or what a callable gives.
    max_df, min_df : float in [0, 1] or int
        Leave out terms in more, or fewer, documents: a proportion or a number.
    max_features : int, optional
        Keep the most frequent terms only.
    vocabulary : mapping or iterable, optional
        The terms, with their columns or in their order; nothing is learned then.
    binary : bool, default False
        Say 1 for any count.
    dtype : dtype, default int64
        Of the counts.

    Attributes
    ----------
    vocabulary_ : dict
        Term to column. It is built when it is first asked for.
    fixed_vocabulary_ : bool
        Whether the vocabulary was given.

    Notes
    -----
    N-grams are numbered in a tree whose nodes are (shorter n-gram, last symbol), so an n-gram of any length and
    alphabet is one 64-bit key; columns come from a walk through that tree in sorted order. Time is O(instances),
    and the terms are kept as code points, not as str objects. Callable analyzers, tokenizers and other patterns
    run in Python as they are and only the counting is faster.

    Threads take turns to fit, which a callable or the documents' own iterator must not do (RuntimeError); a fit that
    fails changes nothing. `transform` waits for nobody: it counts by the vocabulary that it finds when it begins.

    Examples
    --------
    >>> from fastcore.vectorizer import NgramVectorizer
    >>> vectorizer = NgramVectorizer(analyzer="char", ngram_range=(1, 2))
    >>> counts = vectorizer.fit_transform(["abab", "bc"])
    >>> vectorizer.get_feature_names_out().tolist()
    ['a', 'ab', 'b', 'ba', 'bc', 'c']
    >>> counts.toarray()
    array([[2, 2, 2, 1, 0, 0],
           [0, 0, 1, 0, 1, 1]])
    """

    # Requests for metadata routing: documents aren't metadata.
    __metadata_request__fit: ClassVar[dict[str, str]] = {"raw_documents": "$UNUSED$"}
    __metadata_request__transform: ClassVar[dict[str, str]] = {"raw_documents": "$UNUSED$"}

    def __init__(
        self,
        *,
        input: str = "content",
        encoding: str = "utf-8",
        decode_error: str = "strict",
        strip_accents: Any = None,
        lowercase: bool = True,
        preprocessor: Callable[[Any], Any] | None = None,
        tokenizer: Callable[[Any], Any] | None = None,
        stop_words: Any = None,
        token_pattern: str | None = analysis.DEFAULT_PATTERN,
        ngram_range: tuple[int, int] = (1, 1),
        analyzer: Any = "word",
        max_df: float = 1.0,
        min_df: float = 1,
        max_features: int | None = None,
        vocabulary: Mapping[Any, int] | Iterable[Any] | None = None,
        binary: bool = False,
        dtype: Any = np.int64,
    ) -> None:
        self.input = input
        self.encoding = encoding
        self.decode_error = decode_error
        self.strip_accents = strip_accents
        self.lowercase = lowercase
        self.preprocessor = preprocessor
        self.tokenizer = tokenizer
        self.stop_words = stop_words
        self.token_pattern = token_pattern
        self.ngram_range = ngram_range
        self.analyzer = analyzer
        self.max_df = max_df
        self.min_df = min_df
        self.max_features = max_features
        self.vocabulary = vocabulary
        self.binary = binary
        self.dtype = dtype

    # -- what scikit-learn asks of an estimator

    def __sklearn_is_fitted__(self) -> bool:
        return self.vocabulary is not None or "_terms" in vars(self)

    # -- the parts of an analysis

    def decode(self, doc: Any) -> Any:
        """Return a document's text: read it if it is a file, decode it if it is bytes."""
        if self.input == "filename":
            with open(doc, "rb") as file:
                doc = file.read()
        elif self.input == "file":
            doc = doc.read()
        if isinstance(doc, bytes):
            doc = doc.decode(self.encoding, self.decode_error)
        if isinstance(doc, float) and doc != doc:
            raise ValueError("a document must be bytes or str, got NaN")
        return doc

    def build_preprocessor(self) -> Callable[[Any], Any]:
        """Return the function that a text goes through first."""
        if self.preprocessor is not None:
            return self.preprocessor
        strip: Callable[[str], str] | None
        if not self.strip_accents:
            strip = None
        elif callable(self.strip_accents):
            strip = self.strip_accents
        elif self.strip_accents in ("ascii", "unicode"):
            strip = analysis.strip_accents_ascii if self.strip_accents == "ascii" else analysis.strip_accents_unicode
        else:
            raise ValueError(f"strip_accents must be 'ascii', 'unicode', None or callable, got {self.strip_accents!r}")
        return analysis.Preprocessor(self.lowercase, strip)

    def build_tokenizer(self) -> Callable[[Any], Any]:
        """Return the function that splits a text into tokens."""
        if self.tokenizer is not None:
            return self.tokenizer
        if self.token_pattern is None:
            raise TypeError("token_pattern must be a str where there is no tokenizer, got None")
        return analysis.tokenizer(self.token_pattern)

    def get_stop_words(self) -> frozenset[Any] | None:
        """Return the effective stop words, or None."""
        if isinstance(self.stop_words, str) and self.stop_words != "english":
            raise ValueError(f"stop_words must be 'english', a list or None, got {self.stop_words!r}")
        return analysis.stop_words(self.stop_words)

    def build_analyzer(self) -> Callable[[Any], Any]:
        """Return the function from a document to the list of its n-grams."""
        if callable(self.analyzer):
            return analysis.Analyzer(self.decode, analyze=self.analyzer)
        make = partial(
            analysis.Analyzer, self.decode, preprocess=self.build_preprocessor(), ngram_range=self.ngram_range
        )
        if self.analyzer == "char":
            return make(ngrams=analysis.char_ngrams)
        if self.analyzer == "char_wb":
            return make(ngrams=analysis.word_bounded_ngrams)
        if self.analyzer == "word":
            built = make(tokenize=self.build_tokenizer(), stop_words=self.get_stop_words())
            self._check_stop_words(built)
            return built
        raise ValueError(f"analyzer must be 'word', 'char', 'char_wb' or callable, got {self.analyzer!r}")

    # -- fit and transform

    def fit(self, raw_documents: Iterable[Any], y: Any = None) -> NgramVectorizer:
        """Learn the vocabulary of documents; return self."""
        self.fit_transform(raw_documents)
        return self

    @in_turn
    def fit_transform(self, raw_documents: Iterable[Any], y: Any = None) -> Any:
        """Learn the vocabulary of documents and count their terms.

        Parameters
        ----------
        raw_documents : iterable, path, bytes, open file or pyarrow array
            Documents; a one-shot generator will do. Where `input` is "content" the path of a file (or an iterable of
            paths, or a folder), bare bytes and an open file stand for their lines.
        y : ignored

        Returns
        -------
        scipy.sparse.csr_matrix
            Shape (documents, terms). Within a row, terms stand in the order in which the corpus brought them up.

        Raises
        ------
        ValueError
            If documents are one str, there are no terms, or none is left.
        """
        self._check_documents(raw_documents)
        self._check_parameters()
        self._warn_of_unused()
        backend = active_backend()
        kernel = kernels("vectorizer.features", backend)
        given = self._given_vocabulary()
        if given is not None:
            self._warn_of_upper_case()
            matrix = self._counted(backend, given, raw_documents)
            self._backend, self.fixed_vocabulary_, self._terms = backend, True, given
            return matrix

        found = self._find(backend, raw_documents)
        if not len(found.order):
            raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
        offsets, columns, counts = kernel.count_rows(found.instances, found.bounds)
        order, terms = found.order, found.terms
        del found
        # Ids become places in the sorted vocabulary.
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        _map_in_place(columns, place)
        matrix = self._matrix(offsets, columns, counts, len(order))
        del columns, counts
        kept = self._kept(matrix)
        if not kept.all():
            matrix = _select(matrix, kept)
            order = order[kept]
        learned = Vocabulary.of_terms(terms(order))
        self._backend, self.fixed_vocabulary_, self._terms = backend, False, learned
        return matrix

    def transform(self, raw_documents: Iterable[Any]) -> Any:
        """Count the vocabulary's terms in documents.

        Parameters
        ----------
        raw_documents : iterable, path, bytes, open file or pyarrow array
            Documents, as for `fit_transform`.

        Returns
        -------
        scipy.sparse.csr_matrix
            Shape (documents, terms), columns rising in each row.

        Raises
        ------
        NotFittedError
            If there is no vocabulary.
        ValueError
            If documents are one str.
        """
        self._check_documents(raw_documents)
        return self._counted(vars(self).get("_backend"), self._vocabulary(), raw_documents)

    def inverse_transform(self, X: Any) -> list[NDArray[Any]]:
        """Return, for each row of a matrix, an array of the terms that aren't zero."""
        from scipy.sparse import csr_matrix, issparse

        known = self._vocabulary()
        if not issparse(X):
            X = np.asarray(X)
            if X.ndim != 2:
                raise ValueError(f"X must have 2 dimensions, got shape {X.shape}")
        if X.shape[1] > len(known):
            raise ValueError(f"X must have {len(known)} columns, got {X.shape[1]}")
        matrix = csr_matrix(X)
        terms = np.array(known.names())
        return [
            terms[matrix.indices[begin:end][matrix.data[begin:end] != 0]]
            for begin, end in pairwise(matrix.indptr.tolist())
        ]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the terms by column, an array of objects; `input_features` is ignored."""
        known = self._vocabulary()
        names = np.empty(len(known), dtype=object)
        names[:] = known.names()
        return names

    @property
    def vocabulary_(self) -> dict[Any, int]:
        """Term to column."""
        if "_terms" not in vars(self):
            raise not_fitted("this NgramVectorizer has no vocabulary_ yet: call fit first")
        return self._terms.shown

    @vocabulary_.setter
    def vocabulary_(self, mapping: Mapping[Any, int]) -> None:
        self._terms = Vocabulary.of_mapping(mapping)

    # -- inside

    def _find(self, backend: str | None, raw_documents: Iterable[Any]) -> Found:
        """Find all features: in the kernel, where no one has replaced the analysis."""
        raw_documents = self._documents(raw_documents)
        kernel = kernels("vectorizer.features", backend)
        analyze = self.build_analyzer()
        ours = type(self).build_analyzer is NgramVectorizer.build_analyzer
        if not (ours and isinstance(analyze, analysis.Analyzer) and analyze.analyze is None):
            return find(kernel, token_stream(analyze(document) for document in raw_documents), 1, 1, joined=True)
        low, high = self.ngram_range
        if self.analyzer == "word" and (
            self.tokenizer is not None
            or self.token_pattern != analysis.DEFAULT_PATTERN
            or type(self).build_tokenizer is not NgramVectorizer.build_tokenizer
        ):
            tokens = (analyze.tokens(analyze.decode(document)) for document in raw_documents)
            return find(kernel, token_stream(tokens), low, high, joined=True)
        symbols = kernels("vectorizer.symbols", backend).Symbols()
        if analyze.stop_words is not None:
            symbols.drop([word for word in analyze.stop_words if isinstance(word, str)])
        add = {"char": symbols.add_chars, "char_wb": symbols.add_words_of_chars, "word": symbols.add_words}[
            self.analyzer
        ]
        decode, preprocess = analyze.decode, analyze.preprocess
        assert preprocess is not None
        for document in raw_documents:
            text = preprocess(decode(document))
            if type(text) is not str:
                if not isinstance(text, str):
                    raise TypeError(f"a document must be str after preprocessing, got {type(text).__name__}")
                text = "".join([text])
            add(text)
        return find(
            kernel, symbols.finish(), low, high, short=self.analyzer == "char_wb", joined=self.analyzer == "word"
        )

    def _documents(self, raw_documents: Iterable[Any]) -> Iterable[Any]:
        """Documents one by one, also where they are lines of files; names and open files are `input`'s affair."""
        if self.input != "content":
            return raw_documents
        if not is_source(raw_documents):
            rest = iter(raw_documents)
            first = list(islice(rest, 1))
            raw_documents = chain(first, rest)
            if not (first and isinstance(first[0], os.PathLike)):
                return raw_documents
        cure = "; pass decode_error='replace' to let it be"
        return strings(raw_documents, Manner("raw_documents", self.encoding, self.decode_error, cure=cure))

    def _counted(self, backend: str | None, known: Vocabulary, raw_documents: Iterable[Any]) -> Any:
        """Count the terms of a vocabulary."""
        kernel = kernels("vectorizer.features", backend)
        found = self._find(backend, raw_documents)
        _map_in_place(found.instances, known.columns_of(kernel, found))
        offsets, columns, counts = kernel.count_rows(found.instances, found.bounds)
        matrix = self._matrix(offsets, columns, counts, len(known))
        matrix.has_sorted_indices = True
        return matrix

    def _matrix(self, offsets: NDArray[Any], columns: NDArray[Any], counts: NDArray[Any], width: int) -> csr_matrix:
        from scipy.sparse import csr_matrix

        if self.binary:
            counts.fill(1)
        index = index_dtype(len(columns))
        return csr_matrix(
            (counts.astype(self.dtype, copy=False), columns.astype(index, copy=False), offsets.astype(index)),
            shape=(len(offsets) - 1, width),
        )

    def _kept(self, matrix: csr_matrix) -> NDArray[np.bool_]:
        """Which terms are neither too rare nor too common, nor beyond max_features."""
        documents, width = matrix.shape
        most = self.max_df if isinstance(self.max_df, Integral) else self.max_df * documents
        least = self.min_df if isinstance(self.min_df, Integral) else self.min_df * documents
        if most < least:
            raise ValueError("max_df corresponds to < documents than min_df")
        kept = np.ones(width, bool)
        if least > 1 or most < documents:
            frequency = np.zeros(width, np.int64)
            for begin in range(0, matrix.nnz, 4 * _CHUNK):
                frequency += np.bincount(matrix.indices[begin : begin + 4 * _CHUNK], minlength=width)
            kept = (frequency <= most) & (frequency >= least)
        if self.max_features is not None and kept.sum() > self.max_features:
            totals = np.asarray(matrix.sum(axis=0)).ravel()
            best = (-totals[kept]).argsort()[: self.max_features]
            places = np.flatnonzero(kept)[best]
            kept = np.zeros(width, bool)
            kept[places] = True
        if not kept.any():
            raise ValueError("After pruning, no terms remain. Try a lower min_df or a higher max_df.")
        return kept

    def _given_vocabulary(self) -> Vocabulary | None:
        """Return the vocabulary that was given, if any."""
        given = self.vocabulary
        if given is None:
            return None
        if isinstance(given, Mapping):
            columns = set(given.values())
            if len(columns) != len(given):
                raise ValueError("Vocabulary contains repeated indices.")
            for i in range(len(given)):
                if i not in columns:
                    raise ValueError(f"Vocabulary of size {len(given)} doesn't contain index {i}.")
            mapping = dict(given)
        else:
            mapping = {}
            for i, term in enumerate(sorted(given) if isinstance(given, set) else given):
                if mapping.setdefault(term, i) != i:
                    raise ValueError(f"Duplicate term in vocabulary: {term!r}")
        if not mapping:
            raise ValueError("empty vocabulary passed to fit")
        return Vocabulary.of_mapping(mapping)

    # -- complaints

    def _check_documents(self, raw_documents: Any) -> None:
        if isinstance(raw_documents, str):
            raise ValueError("Iterable over raw text documents expected, string object received.")
        check_texts(raw_documents, "raw_documents")

    def _vocabulary(self) -> Vocabulary:
        """Return what was learned, or given."""
        known: Vocabulary | None = vars(self).get("_terms")
        if known is None:
            known = self._given_vocabulary()
            if known is None:
                raise not_fitted("Vocabulary not fitted or provided")
            self.fixed_vocabulary_, self._terms = True, known
        if not len(known):
            raise ValueError("Vocabulary is empty")
        return known

    def _check_parameters(self) -> None:
        def refuse(name: str, wanted: str) -> None:
            raise InvalidParameterError(f"{name} must be {wanted}, got {getattr(self, name)!r}")

        for name, choices in {
            "input": ("filename", "file", "content"),
            "decode_error": ("strict", "ignore", "replace"),
        }.items():
            if getattr(self, name) not in choices:
                refuse(name, "one of " + ", ".join(map(repr, choices)))
        if not isinstance(self.encoding, str):
            refuse("encoding", "a str")
        if not (self.strip_accents is None or callable(self.strip_accents)) and self.strip_accents not in (
            "ascii",
            "unicode",
        ):
            refuse("strip_accents", "'ascii', 'unicode', None or callable")
        if not (callable(self.analyzer) or self.analyzer in ("word", "char", "char_wb")):
            refuse("analyzer", "'word', 'char', 'char_wb' or callable")
        for name in ("lowercase", "binary"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                refuse(name, "a bool")
        for name in ("preprocessor", "tokenizer"):
            if not (getattr(self, name) is None or callable(getattr(self, name))):
                refuse(name, "callable or None")
        if not (self.stop_words is None or self.stop_words == "english" or isinstance(self.stop_words, list)):
            refuse("stop_words", "'english', a list or None")
        if not (self.token_pattern is None or isinstance(self.token_pattern, str)):
            refuse("token_pattern", "a str or None")
        if not isinstance(self.ngram_range, tuple) or len(self.ngram_range) != 2:
            refuse("ngram_range", "a tuple (min_n, max_n)")
        for name in ("max_df", "min_df"):
            value: Any = getattr(self, name)
            if (
                not isinstance(value, Real)
                or isinstance(value, bool)
                or not (int(value) >= 1 if isinstance(value, Integral) else 0 <= float(value) <= 1)
            ):
                refuse(name, "an int of at least 1 or a float in [0, 1]")
        if self.max_features is not None and not (
            isinstance(self.max_features, Integral)
            and not isinstance(self.max_features, bool)
            and self.max_features > 0
        ):
            refuse("max_features", "an int of at least 1 or None")
        if self.vocabulary is not None and not hasattr(self.vocabulary, "__iter__"):
            refuse("vocabulary", "a mapping, an iterable or None")
        if not all(isinstance(n, Integral) for n in self.ngram_range):
            refuse("ngram_range", "a tuple of two ints")
        low, high = self.ngram_range
        if low < 1 or low > high:
            raise ValueError(f"ngram_range must be (min_n, max_n) with 1 <= min_n <= max_n, got {self.ngram_range}")

    def _warn_of_unused(self) -> None:
        def unused(name: str, why: str) -> None:
            warnings.warn(f"The parameter '{name}' will not be used since {why}", stacklevel=5)

        if self.tokenizer is not None and self.token_pattern is not None:
            unused("token_pattern", "'tokenizer' is not None")
        if callable(self.analyzer):
            if self.preprocessor is not None:
                unused("preprocessor", "'analyzer' is callable")
            if self.ngram_range != (1, 1):
                unused("ngram_range", "'analyzer' is callable")
        if self.analyzer != "word":
            for name in ("stop_words", "tokenizer"):
                if getattr(self, name) is not None:
                    unused(name, "'analyzer' != 'word'")
            if self.token_pattern not in (None, analysis.DEFAULT_PATTERN):
                unused("token_pattern", "'analyzer' != 'word'")

    def _warn_of_upper_case(self) -> None:
        terms = self.vocabulary
        assert terms is not None
        if self.lowercase and any(isinstance(term, str) and any(map(str.isupper, term)) for term in terms):
            warnings.warn(
                "Upper case characters found in vocabulary while 'lowercase' is True. These entries will not be "
                "matched with any documents",
                stacklevel=4,
            )

    def _check_stop_words(self, built: analysis.Analyzer) -> None:
        """Warn, once a list, if preprocessing and tokenizing stop words gives other words."""
        if built.stop_words is None or vars(self).get("_checked_stop_words") == id(self.stop_words):
            return
        self._checked_stop_words = id(self.stop_words)
        assert built.preprocess is not None
        assert built.tokenize is not None
        try:
            given = {token for word in built.stop_words for token in built.tokenize(built.preprocess(word))}
        except Exception:  # A caller's own preprocessor or tokenizer may not take single words.
            return
        if given - built.stop_words:
            warnings.warn(
                "Your stop_words may be inconsistent with your preprocessing. Tokenizing the stop words generated "
                f"tokens {sorted(given - built.stop_words)} not in stop_words.",
                stacklevel=2,
            )


def _map_in_place(ids: NDArray[np.int32], to: NDArray[np.int32]) -> None:
    for begin in range(0, len(ids), _CHUNK):
        ids[begin : begin + _CHUNK] = to.take(ids[begin : begin + _CHUNK], mode="clip")


def _select(matrix: csr_matrix, kept: NDArray[np.bool_]) -> csr_matrix:
    """Return some columns of a matrix, its rows' entries in the same order."""
    from scipy.sparse import csr_matrix

    chosen = kept.take(matrix.indices)
    ends = np.concatenate([[0], np.cumsum(chosen)])[matrix.indptr]
    columns = (np.cumsum(kept, dtype=matrix.indices.dtype) - 1).take(matrix.indices[chosen])
    return csr_matrix(
        (matrix.data[chosen], columns.astype(matrix.indices.dtype), ends.astype(matrix.indptr.dtype)),
        shape=(matrix.shape[0], int(kept.sum())),
    )
