"""Word segmentation as labelling: each character begins, continues or ends a word, or is one."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from .._backend import active_backend, kernels
from .._estimator import Estimator, Ragged, not_fitted
from .._immutable import stream_with
from .._metrics import oov_recall, span_f1
from .._texts import Listed, Manner, Texts, batches, strings
from .._turns import in_turn
from .._validation import as_index, as_list, as_number
from .._workers import Workers, check_workers
from ._features import Array, Items
from ._model import Features
from ._search import search
from ._training import BLOCK_STEPS, Block, Objective, make_blocks, select_features

B, M, E, S = range(4)
# Kinds of characters, for features that generalise to unseen ones.
OTHER, DIGIT, LATIN, CHINESE, PUNCTUATION, EDGE = range(6)
_OUTSIDE = 0x110000  # stands for no character
_PUNCTUATION = "，。、；：？！…—·“”‘’（）《》〈〉「」『』【】〔〕,.;:?!\"'()[]<>-/%"
# Rows of first code point, last + 1 and kind; the last one that holds a character counts.
_KINDS = np.array(
    [
        *((first, first + 10, DIGIT) for first in (0x30, 0xFF10)),
        *((0x41, 0x5B, LATIN), (0x61, 0x7B, LATIN), (0xFF21, 0xFF5B, LATIN)),
        *((0x3400, 0xA000, CHINESE), (0x20000, 0x40000, CHINESE)),
        *((ord(c), ord(c) + 1, PUNCTUATION) for c in _PUNCTUATION),
        (_OUTSIDE, _OUTSIDE + 1, EDGE),
    ],
    np.int64,
)
# Steps that the search remembers: rare windows make its valley long, and more of them lead through it sooner than the
# six that serve elsewhere.
_MEMORIES = 10
# Characters that a worker is given at a time.
_SHARE = 1 << 17


@dataclass(frozen=True)
class Scores:
    """How well a segmenter does: precision, recall and F1 of words, recall of words unseen in training."""

    precision: float
    recall: float
    f1: float
    oov_recall: float


class _Trained(NamedTuple):
    """What one training gave: read in one piece, also while another thread trains anew."""

    features: Features
    known: Array
    weights: Array
    vocabulary: set[str]
    loss: float
    n_iter: int


class _Ready:
    """A model made ready to cut texts; it goes to other processes as what it was made of."""

    def __init__(self, trained: _Trained, backend: str) -> None:
        self.trained, self.backend = trained, backend
        features, kernel = trained.features, kernels("crf.windows", backend)
        weights = np.ascontiguousarray(trained.weights[: len(features.state_labels)].reshape(-1, 4))
        self._cutter = kernel.Cutter(kernel.Windows(trained.known, _KINDS), weights, features.matrix(trained.weights))

    def __reduce__(self) -> tuple[Any, ...]:
        return _Ready, (self.trained, self.backend)

    def cut(self, lines: list[str]) -> list[list[str]]:
        words: list[list[str]] = self._cutter.cut(lines)
        return words


def _cut(task: tuple[_Ready, list[str]]) -> list[list[str]]:
    ready, lines = task
    return ready.cut(lines)


class Segmenter(Estimator):
    """Word segmenter: a conditional random field over characters with labels B, M, E, S.

    Parameters
    ----------
    c2 : float
        Coefficient of the squared norm of the weights.
    min_freq : int
        Attributes that occur less often in training are left out.
    max_iterations : int, optional
        Most iterations of L-BFGS.
    delta : float
        Stop when the objective fell by less than this share in the last ten iterations.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.

    Attributes
    ----------
    loss_ : float
        The objective at the end.
    n_iter_ : int
        Iterations made.

    Notes
    -----
    Each character is labelled as a word's beginning (B), middle (M) or end (E), or as a word of its own (S); the
    order of labels that no segmentation has (B before S, M before B, ...) is forbidden, in training too. The
    attributes of a character are the characters in the window -2 to 2, four pairs of neighbours, the pair around
    it, its kind (digit, letter, ideograph, punctuation) and the three kinds around it; each has a weight for
    every label. Threads take turns to `fit`; the other methods wait for nobody and see one model, the last or the one
    before. A `fit` that fails changes nothing. Works in scikit-learn's searches, pipelines and cross-validation (1.5 or
    newer), where `score` is F1.

    Source: Xue, *Chinese word segmentation as character tagging*, 2003; Peng, Feng and McCallum, *Chinese segmentation
    and new word detection using conditional random fields*, COLING 2004.

    Examples
    --------
    >>> from fastcore.crf import Segmenter
    >>> segmenter = Segmenter(min_freq=1).fit([["我们", "喜欢", "音乐"], ["他们", "喜欢", "电影"]] * 5)
    >>> segmenter.segment("我们喜欢电影")
    ['我们', '喜欢', '电影']
    """

    def __init__(
        self,
        c2: float = 0.2,
        min_freq: int = 3,
        max_iterations: int | None = 200,
        delta: float = 1e-3,
        *,
        workers: Workers = 1,
    ) -> None:
        self.c2 = c2
        self.min_freq = min_freq
        self.max_iterations = max_iterations
        self.delta = delta
        self.workers = workers
        self._backend = active_backend()
        self._trained: _Trained | None = None
        self._ready: _Ready | None = None

    def __sklearn_is_fitted__(self) -> bool:
        return self._trained is not None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_backend"], state["_ready"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._backend = active_backend()
        self._ready = None

    @in_turn
    def fit(
        self,
        texts: Texts,
        y: Any = None,
        *,
        encoding: str = "utf-8",
        errors: str = "strict",
        pattern: str | None = None,
    ) -> Self:
        """Train on segmented texts.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Each text as a list of its words, or as a str (or bytes) with white space between them. A path is a file
            whose lines are such texts, uncompressed by its suffix (gz, xz, bz2, zst), or a folder of such files.
        y : ignored
            Pipelines give it.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.

        Returns
        -------
        Segmenter
            This object.

        Raises
        ------
        TypeError
            If a text is neither a list of str nor a str.
        ValueError
            If a word is empty, there is no word, texts are str without white space, or a parameter is out of range.
        """
        c2 = as_number(self.c2, "c2", low=0)
        min_freq = as_index(self.min_freq, "min_freq", low=1)
        limit = None if self.max_iterations is None else as_index(self.max_iterations, "max_iterations")
        delta = as_number(self.delta, "delta", low=0)
        check_workers(self.workers)
        lines = _checked_words(texts, Manner("texts", encoding, errors, pattern))
        features, blocks, observed, known = compiled_training_set(lines, min_freq, self._backend)
        objective = Objective(features, blocks, observed, c2, np.dtype(np.float64), self.workers, self._backend)
        found = search(
            objective,
            np.zeros(features.size),
            c1=0.0,
            max_iterations=limit,
            epsilon=1e-5,
            period=10,
            delta=delta,
            num_memories=_MEMORIES,
            backend=self._backend,
        )
        vocabulary = {word for words in lines for word in words}
        self._trained = _Trained(features, known, found.weights, vocabulary, found.loss, found.iterations)
        return self

    def _fitted(self) -> _Trained:
        if self._trained is None:
            raise not_fitted("this Segmenter isn't fitted yet: call fit first")
        return self._trained

    @property
    def loss_(self) -> float:
        """The objective at the end."""
        return self._fitted().loss

    @property
    def n_iter_(self) -> int:
        """Iterations made."""
        return self._fitted().n_iter

    def segment(self, text: str) -> list[str]:
        """Return the words of a text; joined, they are the text."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        return self.segment_many([text])[0]

    def segment_many(
        self, texts: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> list[list[str]]:
        """Return the words of each text.

        Parameters
        ----------
        texts : iterable, path, bytes, open file or pyarrow array
            Each str (or bytes) is a text; a path is a file whose lines are texts, or a folder of such files.
        encoding, errors, pattern
            As for `fit`.

        Raises
        ------
        TypeError
            If `texts` is a str or holds something else than str.
        NotFittedError
            If the segmenter isn't fitted; it is a ValueError, and scikit-learn's where that is loaded.
        """
        return self._segmented(self._fitted(), list(strings(texts, Manner("texts", encoding, errors, pattern))))

    def _segmented(self, trained: _Trained, lines: list[str]) -> list[list[str]]:
        ready = self._ready
        if ready is None or ready.trained is not trained:
            ready = self._ready = _Ready(trained, self._backend)
        if check_workers(self.workers) == 1:
            return Ragged(ready.cut(lines))
        shares = _runs(lines, _SHARE)
        return Ragged(itertools.chain.from_iterable(stream_with(_cut, ready, shares, self.workers)))

    def predict(self, texts: Iterable[str | Sequence[str]]) -> list[list[str]]:
        """Return the words of each text, which may come as its words too: cross-validation has no other texts."""
        lines = as_list(texts, "texts", "a list of texts")
        return self.segment_many(text if isinstance(text, str) else "".join(text) for text in lines)

    def score(self, gold: Iterable[Sequence[str]], y: Any = None) -> float:
        """Return F1 of `evaluate`; `y` is ignored."""
        return self.evaluate(gold).f1

    def evaluate(
        self, gold: Texts, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> Scores:
        """Segment texts whose words are known and return how well it went.

        Parameters
        ----------
        gold : iterable, path, bytes, open file or pyarrow array
            Segmented texts, as for `fit`.
        encoding, errors, pattern
            As for `fit`.

        Returns
        -------
        Scores
            Precision, recall and F1 over words as spans; recall over words that training didn't hold.
        """
        lines = _checked_words(gold, Manner("gold", encoding, errors, pattern))
        trained = self._fitted()
        predicted = self._segmented(trained, ["".join(words) for words in lines])
        return Scores(*span_f1(lines, predicted), oov_recall(lines, predicted, trained.vocabulary))


def compiled_training_set(
    lines: Sequence[Sequence[str]], min_freq: int, backend: str
) -> tuple[Features, list[Block], Array, Array]:
    """Return features, blocks, counts of the features and the known attribute keys of segmented texts."""
    labels = _labels(lines)
    if not len(labels):
        raise ValueError("texts must hold at least one word")
    texts, kernel = ["".join(words) for words in lines], kernels("crf.windows", backend)
    known = _frequent(kernel.count_windows(texts, _KINDS), min_freq)
    blocks = make_blocks(_items(texts, kernel.Windows(known, _KINDS)), np.float64, backend)
    features, observed = select_features(blocks, labels, 4, len(known), 0, True, True, backend)
    legal = np.zeros((4, 4), bool)
    legal[[B, B, M, M, E, E, S, S], [M, E, M, E, B, S, B, S]] = True
    kept = legal[features.transitions[:, 0], features.transitions[:, 1]]
    states, never = len(features.state_labels), -np.inf
    features = replace(
        features,
        transitions=features.transitions[kept],
        fixed=np.where(legal, 0.0, never),
        start=np.array([0.0, never, never, 0.0]),
        end=np.array([never, never, 0.0, 0.0]),
    )
    return features, blocks, np.concatenate([observed[:states], observed[states:][kept]]), known


def _frequent(counted: tuple[Array, Array], min_freq: int) -> Array:
    """The keys that were counted often enough, ascending."""
    keys, counts = counted
    known: Array = np.sort(keys[counts >= min_freq])
    return known


def _items(texts: Sequence[str], windows: Any) -> Iterator[Items]:
    """Yield the attributes of texts, a run of them at a time."""
    for run in _runs(texts, BLOCK_STEPS):
        offsets, rows, attributes = windows.read(run)
        yield Items(offsets, rows, attributes, np.empty(0))


def _labels(lines: Sequence[Sequence[str]]) -> Array:
    """The label of each character of segmented texts."""
    lengths = np.fromiter((str.__len__(word) for words in lines for word in words), np.int64)
    ends = np.cumsum(lengths)
    labels = np.full(int(lengths.sum()), M, np.int64)
    labels[ends - lengths] = B
    labels[ends - 1] = np.where(lengths == 1, S, E)
    return labels


def _runs(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Yield texts in runs of at most so many characters, or of one text."""
    run: list[str] = []
    size = 0
    for text in texts:
        if run and size + len(text) > most:
            yield run
            run, size = [], 0
        run.append(text)
        size += len(text)
    if run:
        yield run


def _checked_words(texts: Any, manner: Manner) -> list[list[str]]:
    lines: list[list[str]] = []
    spaced = given = False
    for batch in batches(texts, manner):
        for part in [batch.texts] if isinstance(batch, Listed) else batch.strings(manner):
            for words in part:
                here = f"{manner.name}[{len(lines)}]"
                if isinstance(words, str):
                    line = str.split(words)
                    spaced, given = spaced or len(line) > 1, True
                else:
                    line = as_list(words, here, "a list of words")
                for word in line:
                    if not isinstance(word, str):
                        raise TypeError(f"{here} must be a list of str, got {type(word).__name__}")
                    if not word:
                        raise ValueError(f"{here} must not hold an empty word")
                lines.append(line)
    if given and not spaced:
        raise ValueError(f"{manner.name} must be lists of words, or have white space between words, got none")
    return lines
