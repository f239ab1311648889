"""The linear-chain conditional random field over named attributes."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np

from .._backend import active_backend
from .._estimator import Estimator, Ragged, not_fitted
from .._turns import in_turn
from .._validation import as_choice, as_flag, as_index, as_list, as_number
from .._workers import Workers, check_workers
from ._features import Array, AttributeIds, index_chunks, index_items
from ._model import Decoder, Features
from ._search import search
from ._training import BLOCK_STEPS, Block, Objective, make_blocks, occurrences, select_features


class _Trained(NamedTuple):
    """What one training gave: read in one piece, also while another thread trains anew."""

    features: Features
    weights: Array
    attributes: list[str]
    ids: Any  # of no use any more: what older versions wrote has it
    classes: list[str]
    loss: float
    n_iter: int
    message: str


class _Ready(NamedTuple):
    """What labels sequences, and what it was made of."""

    trained: _Trained
    dtype: str
    ids: AttributeIds
    decoder: Decoder


class CRF(Estimator):
    """Linear-chain conditional random field with CRFsuite's features, objective and parameters.

    Parameters
    ----------
    algorithm : {"lbfgs"}
        Training algorithm.
    c1, c2 : float
        Coefficients of the L1 norm and of the squared L2 norm of the weights, added to the negative
        log-likelihood.
    max_iterations : int, optional
        Most iterations; None: until the rules of `epsilon` or `delta` stop it.
    min_freq : float
        Features that occur less often are left out.
    all_possible_states, all_possible_transitions : bool
        Also make features of pairs (attribute, label) or (label, label) that the data don't hold.
    epsilon : float
        Stop when the gradient's norm is below epsilon times the norm of the weights (or 1).
    period, delta : int, float
        Stop when the objective fell by less than the share `delta` in the last `period` iterations.
    dtype : {"float64", "float32"}
        Type in which scores and expectations are computed; the weights are float64.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.
    warm_start : bool
        Start `fit` from the weights of the last one, where features are the same.

    Attributes
    ----------
    classes_ : list of str
        Labels, by first appearance.
    state_features_ : dict
        (attribute, label) to weight, those that aren't 0.
    transition_features_ : dict
        (label from, label to) to weight, those that aren't 0.
    loss_ : float
        The objective at the end.
    n_iter_ : int
        Iterations made.
    message_ : str
        Why training stopped.

    Notes
    -----
    An item is a mapping: ``{"word": "house", "title": False, "length": 0.5}`` has attributes ``word:house`` of
    weight 1, ``title`` of weight 0 and ``length`` of weight 0.5; values may be mappings and lists again, and names
    are joined by ":". Or it is a list of attribute names, each with weight 1. Objects like python-crfsuite's
    ItemSequence are taken as they are.

    The score of labels y is the sum over steps of value times weight of (attribute, y[t]), and the sum of the
    weights of (y[t-1], y[t]); pairs that aren't features weigh 0. Training minimises the sum over sequences of
    log Z minus score, plus c1 times the L1 norm, plus c2 times the squared norm; an iteration takes time
    proportional to the attributes' occurrences times labels they have, and to N L^2.

    Threads take turns to `fit`; predictions wait for nobody and are all of one model, the last or the one before. A
    `fit` that fails changes nothing. Works in scikit-learn's searches, pipelines and cross-validation (1.5 or newer),
    where a prediction is a column of lists.

    The search is L-BFGS, with c1 > 0 OWL-QN; neither uses BLAS, so results don't depend on its threads either. A search
    that finds no lower loss for another reason than its rules warns with a RuntimeWarning.

    Sources: Lafferty, McCallum and Pereira, *Conditional random fields*, ICML 2001; Okazaki, *CRFsuite*, 2007,
    for the meaning of the parameters.

    Examples
    --------
    >>> from fastcore.crf import CRF
    >>> X = [[{"word": "a"}, {"word": "dog"}], [{"word": "the"}, {"word": "dog"}, {"word": "barks"}]]
    >>> y = [["DET", "NOUN"], ["DET", "NOUN", "VERB"]]
    >>> crf = CRF(c2=0.1).fit(X, y)
    >>> crf.predict([[["word:the"], ["word:dog"]]])
    [['DET', 'NOUN']]
    >>> crf.classes_
    ['DET', 'NOUN', 'VERB']
    """

    def __init__(
        self,
        algorithm: str = "lbfgs",
        c1: float = 0.0,
        c2: float = 1.0,
        max_iterations: int | None = None,
        min_freq: float = 0.0,
        all_possible_states: bool = False,
        all_possible_transitions: bool = False,
        epsilon: float = 1e-5,
        period: int = 10,
        delta: float = 1e-5,
        *,
        dtype: str = "float64",
        workers: Workers = 1,
        warm_start: bool = False,
    ) -> None:
        self.algorithm = algorithm
        self.c1 = c1
        self.c2 = c2
        self.max_iterations = max_iterations
        self.min_freq = min_freq
        self.all_possible_states = all_possible_states
        self.all_possible_transitions = all_possible_transitions
        self.epsilon = epsilon
        self.period = period
        self.delta = delta
        self.dtype = dtype
        self.workers = workers
        self.warm_start = warm_start
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
    def fit(self, X: Any, y: Any) -> Self:
        """Train on sequences of items and their labels.

        Parameters
        ----------
        X : list of sequences of items
            See the notes of the class; or what `FeatureTemplate.items` returns.
        y : list of lists of str
            A label an item.

        Returns
        -------
        CRF
            This object.

        Raises
        ------
        TypeError
            If items or labels have the wrong type.
        ValueError
            If lengths of `X` and `y` don't match, there is no item, a parameter is out of range, or values in `X` are
            so large that the loss isn't finite.
        """
        checked = self._checked()
        ids = AttributeIds(backend=self._backend)
        blocks = make_blocks(index_chunks(X, ids, BLOCK_STEPS), np.dtype(self.dtype), self._backend)
        labels, classes = _index_labels(y, blocks)
        attributes = list(ids)
        del ids  # as large as the training set; what prediction needs is made anew, in another order
        features, observed = select_features(
            blocks,
            labels,
            len(classes),
            len(attributes),
            checked["min_freq"],
            as_flag(self.all_possible_states, "all_possible_states"),
            as_flag(self.all_possible_transitions, "all_possible_transitions"),
            self._backend,
        )
        order = np.argsort(-occurrences(blocks, len(attributes)), kind="stable")
        objective = Objective(
            features, blocks, observed, checked["c2"], np.dtype(self.dtype), checked["workers"], self._backend
        )
        start = np.zeros(features.size)
        if as_flag(self.warm_start, "warm_start") and self._trained is not None:
            start = self._carried(features, attributes, classes)
        found = search(
            objective,
            start,
            noise=1e-5 if self.dtype == "float32" else 1e-10,
            backend=self._backend,
            **{k: checked[k] for k in ("c1", "max_iterations", "epsilon", "period", "delta")},
        )
        features, weights = _reordered(features, found.weights, order)
        names = [attributes[i] for i in order.tolist()]
        self._trained = _Trained(features, weights, names, None, classes, found.loss, found.iterations, found.message)
        return self

    def _checked(self) -> dict[str, Any]:
        """Return the parameters, refused by name if out of range."""
        as_choice(self.algorithm, "algorithm", ("lbfgs",))
        as_choice(self.dtype, "dtype", ("float64", "float32"))
        limit = self.max_iterations
        return {
            "c1": as_number(self.c1, "c1", low=0),
            "c2": as_number(self.c2, "c2", low=0),
            "min_freq": as_number(self.min_freq, "min_freq", low=0),
            "epsilon": as_number(self.epsilon, "epsilon", low=0),
            "delta": as_number(self.delta, "delta", low=0),
            "period": as_index(self.period, "period", low=1),
            "max_iterations": None if limit is None else as_index(limit, "max_iterations"),
            "workers": check_workers(self.workers),
        }

    def _carried(self, features: Features, attributes: list[str], classes: list[str]) -> Array:
        """The last weights, for the features of a new training set."""
        states, transitions = self.state_features_, self.transition_features_
        owners = np.repeat(np.arange(len(attributes)), np.diff(features.offsets))
        weights = [states.get((attributes[a], classes[k]), 0.0) for a, k in zip(owners, features.state_labels)]
        weights += [transitions.get((classes[i], classes[j]), 0.0) for i, j in features.transitions]
        return np.array(weights, np.float64)

    def _fitted(self) -> _Trained:
        if self._trained is None:
            raise not_fitted("this CRF isn't fitted yet: call fit first")
        return self._trained

    def _labels(self) -> "_Ready":
        """The model made ready to label, once for each training and type."""
        trained, ready = self._fitted(), self._ready
        if ready is None or ready.trained is not trained or ready.dtype != self.dtype:
            as_choice(self.dtype, "dtype", ("float64", "float32"))
            ready = self._ready = _Ready(
                trained,
                self.dtype,
                AttributeIds(trained.attributes, self._backend),
                Decoder(trained.features, trained.weights, self.dtype, self._backend),
            )
        return ready

    @property
    def classes_(self) -> list[str]:
        """Labels, by first appearance."""
        return self._fitted().classes

    @property
    def loss_(self) -> float:
        """The objective at the end."""
        return self._fitted().loss

    @property
    def n_iter_(self) -> int:
        """Iterations made."""
        return self._fitted().n_iter

    @property
    def message_(self) -> str:
        """Why training stopped."""
        return self._fitted().message

    @property
    def attributes_(self) -> list[str]:
        """Names of the attributes seen in training, most frequent first."""
        return list(self._fitted().attributes)

    @property
    def state_features_(self) -> dict[tuple[str, str], float]:
        """Weights of (attribute, label) that aren't 0."""
        trained = self._fitted()
        features, attributes, classes = trained.features, trained.attributes, trained.classes
        owners = np.repeat(np.arange(len(attributes)), np.diff(features.offsets)).tolist()
        triples = zip(owners, features.state_labels.tolist(), trained.weights.tolist())
        return {(attributes[a], classes[k]): w for a, k, w in triples if w}

    @property
    def transition_features_(self) -> dict[tuple[str, str], float]:
        """Weights of (label from, label to) that aren't 0."""
        trained = self._fitted()
        features, classes = trained.features, trained.classes
        weights = trained.weights[len(features.state_labels) :].tolist()
        return {(classes[i], classes[j]): w for (i, j), w in zip(features.transitions.tolist(), weights) if w}

    def predict(self, X: Any) -> list[list[str]]:
        """Return the best labels of each sequence."""
        ready = self._labels()
        classes = ready.trained.classes
        paths = ready.decoder.paths(index_items(X, ready.ids), self.workers)
        return Ragged([classes[k] for k in path] for path in paths)

    def predict_single(self, x: Any) -> list[str]:
        """Return the best labels of one sequence."""
        return self.predict([x])[0]

    def predict_marginals(self, X: Any) -> list[list[dict[str, float]]]:
        """Return the probability of each label at each step of each sequence."""
        ready = self._labels()
        classes, items = ready.trained.classes, index_items(X, ready.ids)
        rows = [dict(zip(classes, row)) for row in ready.decoder.probabilities(items, self.workers).tolist()]
        bounds = items.offsets.tolist()
        return [rows[a:b] for a, b in itertools.pairwise(bounds)]

    def predict_marginals_single(self, x: Any) -> list[dict[str, float]]:
        """Return the probability of each label at each step of one sequence."""
        return self.predict_marginals([x])[0]

    def score(self, X: Any, y: Any) -> float:
        """Return the share of labels that are predicted right.

        Raises
        ------
        ValueError
            If lengths of `X` and `y` don't match, or there is no label.
        """
        predicted = self.predict(X)
        y = [
            as_list(labels, "y", "a list of lists of labels") for labels in as_list(y, "y", "a list of lists of labels")
        ]
        if len(y) != len(predicted) or any(len(a) != len(b) for a, b in zip(y, predicted)):
            raise ValueError("y must have a label for each item of X")
        total = sum(map(len, y))
        if not total:
            raise ValueError("X must hold at least one item")
        return float(sum(a == b for true, guess in zip(y, predicted) for a, b in zip(true, guess)) / total)


def _index_labels(y: Any, blocks: list[Block]) -> tuple[Array, list[str]]:
    """Number the labels by first appearance; return the ids of all items and the labels."""
    if isinstance(y, str | bytes) or not isinstance(y, Sequence | np.ndarray):
        raise TypeError(f"y must be a list of lists of labels, got {type(y).__name__}")
    lengths = [length for block in blocks for length in np.diff(block.offsets).tolist()]
    if len(y) != len(lengths):
        raise ValueError(f"X and y must have the same number of sequences, got {len(lengths)} and {len(y)}")
    ids: dict[str, int] = {}
    found: list[int] = []
    for s, (labels, length) in enumerate(zip(y, lengths)):
        if isinstance(labels, str | bytes) or not isinstance(labels, Sequence | np.ndarray):
            raise TypeError(f"y[{s}] must be a list of labels, got {type(labels).__name__}")
        if len(labels) != length:
            raise ValueError(f"y[{s}] must have {length} labels to match X[{s}], got {len(labels)}")
        for label in labels:
            if not isinstance(label, str):
                raise TypeError(f"labels must be str, got {type(label).__name__} {label!r}")
            found.append(ids.setdefault(str(label), len(ids)))
    if not found:
        raise ValueError("X must hold at least one item")
    return np.array(found, np.int64), list(ids)


def _reordered(features: Features, weights: Array, order: Array) -> tuple[Features, Array]:
    """A model whose attributes come in another order: by falling frequency, the frequent ones' weights lie together."""
    sizes = np.diff(features.offsets)[order]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    places = np.repeat(features.offsets[:-1][order] - offsets[:-1], sizes) + np.arange(offsets[-1])
    states = len(features.state_labels)
    kept = replace(features, offsets=offsets, state_labels=features.state_labels[places])
    return kept, np.concatenate([weights[:states][places], weights[states:]])
