"""Skip-gram and continuous bag of words with negative sampling."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .._backend import active_backend, kernels
from .._estimator import Estimator, not_fitted
from .._npz import Arrays
from .._progress import Progress, check_progress, progress_bar
from .._random import RNG, stream_key
from .._texts import Manner
from .._turns import in_turn
from .._validation import as_flag, as_index, as_number
from .._whole import AnyPath
from ..skipgrams import TokenLists
from ._corpus import Corpus
from ._files import VECTORS, described, restored
from ._vectors import Words, WordVectors

# Rows that are filled at a time, between which Ctrl-C comes through.
_ROWS = 1 << 14


class _Trained(NamedTuple):
    words: WordVectors
    contexts: WordVectors
    loss: NDArray[np.float64]
    speed: float | None


class _Settings(NamedTuple):
    dim: int
    window: int
    negative: int
    min_count: int
    epochs: int
    alpha: float
    min_alpha: float
    noise_exponent: float
    subsample: float
    dynamic_window: bool


class NegativeSampling(Estimator):
    """What both models share: everything but the direction of their predictions."""

    # The kernel that trains it.
    _kernel: ClassVar[str]

    def __init__(
        self,
        dim: int,
        window: int,
        negative: int,
        min_count: int,
        epochs: int,
        alpha: float,
        min_alpha: float,
        noise_exponent: float,
        subsample: float,
        dynamic_window: bool,
        rng: RNG,
        progress: Progress,
    ) -> None:
        self.dim = dim
        self.window = window
        self.negative = negative
        self.min_count = min_count
        self.epochs = epochs
        self.alpha = alpha
        self.min_alpha = min_alpha
        self.noise_exponent = noise_exponent
        self.subsample = subsample
        self.dynamic_window = dynamic_window
        self.rng = rng
        self.progress = progress
        self._backend = active_backend()
        # Replaced as a whole, so that no thread sees half of it.
        self._trained: _Trained | None = None

    def _checked(self) -> _Settings:
        """Return the parameters, refused by name if out of range."""
        alpha = as_number(self.alpha, "alpha", low=0.0, open_low=True)
        return _Settings(
            as_index(self.dim, "dim", low=1, high=1 << 20),
            as_index(self.window, "window", low=1, high=2**31 - 1),
            as_index(self.negative, "negative", low=1, high=1 << 20),
            as_index(self.min_count, "min_count", low=1),
            as_index(self.epochs, "epochs", low=1),
            alpha,
            as_number(self.min_alpha, "min_alpha", low=0.0, high=alpha),
            as_number(self.noise_exponent, "noise_exponent", low=-10.0, high=10.0),
            as_number(self.subsample, "subsample", low=0.0, high=1.0),
            as_flag(self.dynamic_window, "dynamic_window"),
        )

    @in_turn
    def fit(
        self, token_lists: TokenLists, *, encoding: str = "utf-8", errors: str = "strict", pattern: str | None = None
    ) -> Self:
        """Train on texts, forgetting what was learned before.

        Parameters
        ----------
        token_lists : iterable, path, bytes, open file or pyarrow array
            Texts, each a list of str, or a str (or bytes) that is split at white space. A path is a file, each of its
            lines a text, uncompressed by its suffix (gz, xz, bz2, zst), or a folder of such files. It is read once: a
            one-shot iterator will do.
        encoding : str, default "utf-8"
            What bytes and files are encoded in.
        errors : {"strict", "replace", "ignore"}, default "strict"
            Bytes that can't be decoded raise, become U+FFFD, or are left out.
        pattern : str, optional
            Of a folder only the files whose names match, as ``"*.txt"``.

        Returns
        -------
        SkipGram or CBOW
            Itself.

        Raises
        ------
        TypeError
            If `token_lists` is a bare str, or something in it isn't a text or a token.
        ValueError
            If a parameter is out of range, no token is frequent enough, no kept token has a neighbour, `alpha` is so
            large that vectors aren't finite, or a byte can't be decoded.
        OSError
            If a file can't be read.

        Warns
        -----
        RuntimeWarning
            If an epoch's loss is above that of vectors that tell nothing: `alpha` is too large.
        """
        settings = self._checked()
        check_progress(self.progress)
        key = stream_key(self.rng)
        corpus = Corpus(
            token_lists, Manner("token_lists", encoding, errors, pattern), settings.min_count, self._backend
        )
        total = settings.epochs * corpus.tokens
        trainer = self._trainer(corpus, settings, key)
        train = getattr(trainer, self._kernel)
        fall = (settings.alpha - settings.min_alpha) / total
        losses, predictions = np.zeros(settings.epochs), np.zeros(settings.epochs, np.int64)
        done = texts = 0
        start = time.perf_counter()
        with progress_bar(self.progress, total, "word") as step:
            for epoch in range(settings.epochs):
                for words, offsets in corpus:
                    loss, made = train(
                        words,
                        offsets,
                        key,
                        texts,
                        settings.window,
                        settings.dynamic_window,
                        settings.negative,
                        settings.alpha - fall * done,
                        fall,
                    )
                    losses[epoch] += loss
                    predictions[epoch] += made
                    done += len(words)
                    texts += len(offsets) - 1
                    if not np.isfinite(loss):
                        raise ValueError(f"alpha must be smaller, got {self.alpha}: vectors aren't finite any more")
                    step(len(words), loss=round(losses[epoch] / max(1, predictions[epoch]), 4))
        seconds = time.perf_counter() - start
        if not predictions.any():
            raise ValueError("token_lists must hold words with neighbours that are frequent enough and kept, got none")
        with np.errstate(over="ignore"):  # of the twin's numbers, which are wider
            inputs, outputs = trainer.vectors()
        if not (np.isfinite(inputs).all() and np.isfinite(outputs).all()):
            raise ValueError(f"alpha must be smaller, got {self.alpha}: vectors aren't finite any more")
        loss = np.where(predictions, losses / np.maximum(predictions, 1), np.nan)
        if np.nanmax(loss) > 1.1 * (1 + settings.negative) * np.log(2):
            warnings.warn(
                f"alpha={self.alpha} may be too large: the loss rose to {np.nanmax(loss):.4g}, above that of vectors "
                f"which tell nothing, {(1 + settings.negative) * np.log(2):.4g}",
                RuntimeWarning,
                stacklevel=3,  # whoever waited for a turn
            )
        self._trained = _Trained(
            WordVectors(corpus.vocabulary, inputs, corpus.counts),
            WordVectors(corpus.vocabulary, outputs, corpus.counts),
            loss,
            total / max(seconds, 1e-9),
        )
        return self

    def _trainer(self, corpus: Corpus, settings: _Settings, key: NDArray[np.uint64]) -> Any:
        """Return the kernel's trainer of vectors before the first epoch."""
        counts = corpus.counts.astype(np.float64)
        keep = np.full(len(counts), 2.0**32)
        if settings.subsample > 0.0:
            rare = settings.subsample * counts.sum() / counts
            keep = np.minimum(np.round((np.sqrt(rare) + rare) * 2.0**32), keep)
        # Relative to the most frequent word, so that no power overflows.
        noise = (counts / counts[0]) ** settings.noise_exponent
        table = kernels("nce", self._backend).alias_table(noise)
        shape = len(counts), settings.dim
        inputs, random = np.empty(shape, np.float32), np.random.default_rng(key)
        for start in range(0, len(inputs), _ROWS):
            rows = inputs[start : start + _ROWS]
            random.random(out=rows, dtype=np.float32)
            rows -= np.float32(0.5)
            rows /= np.float32(settings.dim / 2)
        return kernels("embeddings", self._backend).Trainer(
            inputs, np.zeros(shape, np.float32), keep.astype(np.uint64), table
        )

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_backend"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self)  # type: ignore[call-arg]  # the backend that is active now
        self.__dict__.update(state)

    def _known(self) -> _Trained:
        if self._trained is None:
            raise not_fitted("there are no vectors yet: call fit(token_lists)")
        return self._trained

    def __sklearn_is_fitted__(self) -> bool:
        return self._trained is not None

    @property
    def word_vectors_(self) -> WordVectors:
        return self._known().words

    @property
    def context_vectors_(self) -> WordVectors:
        return self._known().contexts

    @property
    def loss_(self) -> NDArray[np.float64]:
        return self._known().loss

    @property
    def words_per_second_(self) -> float | None:
        return self._known().speed

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The words' vectors, a row each, in the order of `vocabulary`."""
        return self.word_vectors_.vectors

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words, by falling count; of equal counts, what occurs first comes first."""
        return self.word_vectors_.vocabulary

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of the angle between two words' vectors: `WordVectors.similarity`."""
        return self.word_vectors_.similarity(a, b)

    def most_similar(self, positive: Words, negative: Words = (), topn: int = 10) -> list[tuple[str, float]]:
        """Return the words nearest to a sum of words: `WordVectors.most_similar`."""
        return self.word_vectors_.most_similar(positive, negative, topn)

    def save(self, path: AnyPath) -> None:
        """Write a trained model into one npz file, without pickle.

        Parameters that aren't plain values (a Generator, a callable) aren't kept.

        Raises
        ------
        OSError
            If the file can't be written.
        NotFittedError
            If there is nothing to write.
        """
        words, contexts, loss, _ = self._known()
        arrays: Arrays = {"vectors": words.vectors, "context_vectors": contexts.vectors, "loss": loss}
        params = self.get_params(deep=False)
        VECTORS.write(path, *described(type(self).__name__, params, words.vocabulary, words.counts, arrays))

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        OSError
            If the file can't be read.
        ValueError
            If it is no such file, of another class, or isn't whole.
        """
        meta, words, counts, arrays = restored(Path(path))
        if meta["model"] != cls.__name__:
            raise ValueError(f"{path} must hold a {cls.__name__}, got {meta['model']}")
        if lacking := {"context_vectors", "loss"} - set(arrays):
            raise ValueError(f"{path} isn't a whole file of word vectors: it lacks {min(lacking)!r}")
        loss = arrays["loss"]
        if loss.ndim != 1:
            raise ValueError(f"{path} isn't a whole file of word vectors: losses have shape {loss.shape}")
        model = cls(**{name: value for name, value in meta["params"].items() if name in cls._parameters()})
        model._trained = _Trained(
            WordVectors(words, arrays["vectors"], counts),
            WordVectors(words, arrays["context_vectors"], counts),
            loss.astype(np.float64),
            None,
        )
        return model


class SkipGram(NegativeSampling):
    """Skip-gram with negative sampling: each word predicts each of its neighbours.

    Parameters
    ----------
    dim : int, default 100
        Dimensions of the vectors.
    window : int, default 5
        Neighbours are words at most so far apart, words that are left out not counted.
    negative : int, default 5
        Noise words a prediction.
    min_count : int, default 5
        Rarer words are left out.
    epochs : int, default 5
        Passes over the texts.
    alpha : float, default 0.025
        The learning rate at the beginning.
    min_alpha : float, default 0.0001
        That at the end; in between it falls linearly with the tokens read.
    noise_exponent : float, default 0.75
        Noise is drawn in proportion to counts to this power: 1 is the words' own distribution, 0 a uniform one.
    subsample : float, default 1e-3
        A word whose share f of all is larger is left out at random, anew in each epoch: kept with probability
        sqrt(t / f) + t / f, t being this number. 0: never.
    dynamic_window : bool, default True
        Narrow the window of each word at random to 1, ..., `window`, so that near neighbours count for more.
    rng : None, int, SeedSequence or Generator
        Source of randomness (SPEC 7): an int repeats, the others move on.
    progress : bool or callable, default False
        True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are tokens; the bar says
        how many a second, and the loss.

    Attributes
    ----------
    vectors : ndarray of float32, shape (V, dim)
        The words' vectors.
    vocabulary : tuple of str
        The words, by falling count; of equal counts, what occurs first comes first.
    word_vectors_, context_vectors_ : WordVectors
        Vectors of words, and of words as neighbours: their inner products are what is trained.
    loss_ : ndarray, shape (epochs,)
        Mean over an epoch's predictions of the logistic loss of one word and its noise, summed up in float64; NaN where
        an epoch made none, as all words were left out.
    words_per_second_ : float or None
        Tokens a second while training; None for a model that was loaded.

    Raises
    ------
    TypeError, ValueError
        In `fit`, if an argument isn't of that kind.
    NotFittedError
        If vectors are asked for before `fit`; it is a ValueError, and scikit-learn's where that is loaded.

    Notes
    -----
    For a word w and a neighbour c a step lowers -log s(u_w v_c) - sum over the noise n of log s(-u_w v_n), where s is
    the logistic function; noise that happens to be c counts as noise. This is noise contrastive estimation with a
    partition function of 1: with enough dimensions u_w v_c tends to log(p(c | w) / (k q(c))), for k = `negative` words
    from the noise q, so with `noise_exponent` 1 to the pointwise mutual information less log k (Levy and Goldberg
    2014).

    Words' vectors begin uniform in [-1 / dim, 1 / dim), which is gensim's width and twice that of the word2vec program:
    rare words are learned better. Those of neighbours begin at 0.

    Time O(tokens window negative dim), memory of 16 V dim bytes, 4 bytes a token and 8 a text; beyond 128 MB texts lie
    in a temporary file. All inner products of a prediction are taken before a vector moves. The logistic function is
    exact to 3e-7.

    One thread trains: steps follow one another, so that the same texts and `rng` give the same vectors, bit for bit and
    on whatever instruction set. The twin draws the same numbers and computes in float64. Text t of epoch e draws from
    stream e T + t, T being the number of texts: which words are kept, then word by word the window and each neighbour's
    noise.

    Threads take turns to `fit`; a `fit` that fails, or that Ctrl-C ends, changes nothing. Texts that come from an
    iterator must not fit the model (RuntimeError).

    Examples
    --------
    >>> from fastcore.embeddings import SkipGram
    >>> texts = ["the cat drinks milk", "the dog drinks water", "a cat and a dog"] * 100
    >>> model = SkipGram(dim=8, min_count=1, subsample=0, rng=1).fit(texts)
    >>> model.vectors.shape, model.vocabulary[:3]
    ((8, 8), ('the', 'cat', 'drinks'))
    >>> len(model.most_similar("cat", topn=3))
    3
    """

    _kernel = "skipgram"

    def __init__(
        self,
        dim: int = 100,
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        epochs: int = 5,
        alpha: float = 0.025,
        *,
        min_alpha: float = 1e-4,
        noise_exponent: float = 0.75,
        subsample: float = 1e-3,
        dynamic_window: bool = True,
        rng: RNG = None,
        progress: Progress = False,
    ) -> None:
        super().__init__(
            dim,
            window,
            negative,
            min_count,
            epochs,
            alpha,
            min_alpha,
            noise_exponent,
            subsample,
            dynamic_window,
            rng,
            progress,
        )


class CBOW(NegativeSampling):
    """Continuous bag of words with negative sampling: the mean of a word's neighbours predicts it.

    Parameters
    ----------
    dim, window, negative, min_count, epochs : int
        As for `SkipGram`.
    alpha : float, default 0.075
        The learning rate at the beginning.
    min_alpha, noise_exponent, subsample, dynamic_window
        As for `SkipGram`.
    rng : None, int, SeedSequence or Generator
        As for `SkipGram`.
    progress : bool or callable, default False
        As for `SkipGram`.

    Attributes
    ----------
    vectors : ndarray of float32, shape (V, dim)
        The words' vectors, as neighbours.
    vocabulary : tuple of str
        The words, by falling count; of equal counts, what occurs first comes first.
    word_vectors_, context_vectors_ : WordVectors
        Vectors of neighbours, and of the words that they predict.
    loss_, words_per_second_
        As for `SkipGram`.

    Raises
    ------
    TypeError, ValueError
        In `fit`, if an argument isn't of that kind.
    NotFittedError
        If vectors are asked for before `fit`; it is a ValueError, and scikit-learn's where that is loaded.

    Notes
    -----
    As for `SkipGram`, but that there is one prediction a word, O(tokens (window + negative) dim). Each neighbour moves
    by its share of the gradient, which is the gradient of the mean: the word2vec program and gensim move each by all of
    it (İrsoy, Benton and Stratos 2021), which is why the learning rate is larger here.

    Examples
    --------
    >>> from fastcore.embeddings import CBOW
    >>> texts = ["the cat drinks milk", "the dog drinks water", "a cat and a dog"] * 100
    >>> CBOW(dim=8, min_count=1, subsample=0, rng=1).fit(texts).vectors.shape
    (8, 8)
    """

    _kernel = "cbow"

    def __init__(
        self,
        dim: int = 100,
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        epochs: int = 5,
        alpha: float = 0.075,
        *,
        min_alpha: float = 1e-4,
        noise_exponent: float = 0.75,
        subsample: float = 1e-3,
        dynamic_window: bool = True,
        rng: RNG = None,
        progress: Progress = False,
    ) -> None:
        super().__init__(
            dim,
            window,
            negative,
            min_count,
            epochs,
            alpha,
            min_alpha,
            noise_exponent,
            subsample,
            dynamic_window,
            rng,
            progress,
        )
