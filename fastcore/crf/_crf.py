"""The linear-chain conditional random field over named attributes."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from .._backend import active_backend
from .._estimator import Ragged, not_fitted
from .._progress import Progress, check_progress, progress_bar
from .._random import RNG
from .._turns import in_turn
from .._validation import as_choice, as_index, as_list
from .._workers import Workers
from ._features import Array, AttributeIds, Items, PackedNames, index_chunks, index_items, index_pieces
from ._files import InFiles
from ._labels import allowed_labels, as_label, forbidden_pairs, index_labels, label_lists
from ._log import Holdout, TrainingLog
from ._model import NO_LIMITS, Decoder, Features, Limits, Model
from ._online import Passes, train
from ._options import checked_options
from ._search import search
from ._training import BLOCK_STEPS, Objective, make_blocks, occurrences, restrictions_of, select_features


class _Trained(NamedTuple):
    """What one training gave: read in one piece, also while another thread trains anew."""

    features: Features
    weights: Array
    attributes: Iterable[str]  # in a pickle a list, else PackedNames
    ids: Any  # of no use any more: what older versions wrote has it
    classes: list[str]
    loss: float
    n_iter: int
    message: str
    log: Sequence[dict[str, Any]] = ()  # older versions wrote none


class _Named(NamedTuple):
    """The weights of a training by name, made once."""

    trained: _Trained
    states: dict[tuple[str, str], float]
    transitions: dict[tuple[str, str], float]


class _Ready(NamedTuple):
    """What labels sequences, and what it was made of."""

    trained: _Trained
    dtype: str
    ids: AttributeIds
    decoder: Decoder


class CRF(InFiles):
    """Linear-chain conditional random field with CRFsuite's features, objective and parameters.

    Parameters
    ----------
    algorithm : {"lbfgs", "l2sgd", "ap", "pa", "arow"}, optional
        Training algorithm: L-BFGS (None), stochastic gradient descent, averaged perceptron, passive-aggressive,
        adaptive regularisation of weights. Below, None stands for the algorithm's own value, CRFsuite's; what an
        algorithm has no use for must be None.
    min_freq : float, optional
        Features are left out whose values in the data sum to less (where values are 1: that occur less often); None:
        0, which leaves out none. (CRFsuite, and so its faces in `fastcore.compat`, leaves out sums below 0 even then.)
    all_possible_states, all_possible_transitions : bool, optional
        Also make features of pairs (attribute, label) or (label, label) that the data don't hold; None: False.
    c1, c2 : float, optional
        Coefficients of the L1 norm (lbfgs; None: 0) and of the squared L2 norm (lbfgs, l2sgd; None: 1) of the weights,
        added to the negative log-likelihood.
    max_iterations : int, optional
        Most iterations, of all but lbfgs passes over the data. None: 1000 for l2sgd, 100 for ap, pa and arow, and for
        lbfgs until the rules of `epsilon` or `delta` stop it.
    num_memories : int, optional
        lbfgs: steps whose curvature is remembered; None: 6.
    epsilon : float, optional
        lbfgs: stop when the gradient's norm is below epsilon times the norm of the weights (or 1); None: 1e-5. ap, pa,
        arow: stop when the mean loss of a pass is below; None: 0.
    period, delta : int, float, optional
        lbfgs, l2sgd: stop when the objective fell by less than the share `delta` in the last `period` iterations (0:
        never); None: 10 and 1e-5, for l2sgd 1e-6.
    linesearch : {"MoreThuente", "Backtracking", "StrongBacktracking"}, optional
        lbfgs: CRFsuite's line searches by name. One search, which holds what all of them promise, stands for each.
    max_linesearch : int, optional
        lbfgs: most trials of a line search; None: 40.
    calibration_eta, calibration_rate : float, optional
        l2sgd: the first learning rate that is tried (None: 0.1), and by what it is multiplied or divided for the next
        one (None: 2).
    calibration_samples, calibration_candidates, calibration_max_trials : int, optional
        l2sgd: most sequences on which rates are tried (None: 1000), how many rates must lower the loss, upwards and
        downwards (None: 10), and that no more than this are tried (None: 20).
    pa_type : {0, 1, 2}, optional
        pa: no slack, slack that costs in proportion (None), slack that costs its square.
    c : float, optional
        pa: the price of slack, which bounds or damps steps; None: 1.
    error_sensitive : bool, optional
        pa: right labels are to win by the root of the number of wrong ones (None), or by 1.
    averaging : bool, optional
        pa: the average of the weights of all steps (None), or the last ones.
    variance, gamma : float, optional
        arow: variance of each weight at the start, and how much is given for staying near; None: 1.
    verbose : bool, default False
        Whether each iteration is printed to ``sys.stderr``.
    dtype : {"float64", "float32"}
        Type in which scores are computed, and with lbfgs expectations in training; the weights are float64.
    workers : int, executor or map-like callable, default 1
        Threads (-1: all cores) or whoever runs the tasks. Results don't depend on it.
    warm_start : bool
        Start `fit` from the weights of the last one, where features are the same.
    rng : None, int, SeedSequence or Generator
        Source of randomness (SPEC 7): an int repeats, the others move on. For the order in which all but lbfgs take the
        sequences.
    progress : bool or callable, default False
        True shows a bar (needs tqdm); a function is called with (done, total or None). Counted are iterations.

    Attributes
    ----------
    classes_ : list of str
        Labels, by first appearance.
    state_features_ : dict
        (attribute, label) to weight, those that aren't 0.
    transition_features_ : dict
        (label from, label to) to weight, those that aren't 0.
    loss_ : float
        What training lowers, at the end: the objective; of l2sgd that of the best pass, each sequence's loss taken
        before its step; the last pass's sum of shares of wrong labels (ap) or of what margins missed (pa, arow).
    n_iter_ : int
        Iterations made.
    message_ : str
        Why training stopped.
    training_log_ : list of dict
        Of each iteration: ``num``, ``loss``, ``feature_norm`` (of the weights), ``time`` in seconds; of lbfgs
        ``error_norm`` (of the gradient), ``linesearch_trials``, ``linesearch_step``, with c1 ``active_features``; of
        l2sgd ``learning_rate``. With `X_dev` also ``scores`` of each label (``match``, ``model``, ``ref``,
        ``precision``, ``recall``, ``f1``), ``avg_precision``, ``avg_recall``, ``avg_f1``, ``item_accuracy`` and
        ``instance_accuracy``.

    Notes
    -----
    An item is a mapping: ``{"word": "house", "title": False, "length": 0.5}`` has attributes ``word:house`` of
    weight 1, ``title`` of weight 0 and ``length`` of weight 0.5; values may be mappings and lists again, and names
    are joined by ":". Or it is a list of attribute names, each with weight 1. A pandas Series of named values is a
    mapping; one with the labels 0, 1, ... is a list. Objects like python-crfsuite's ItemSequence are taken as they are.

    The score of labels y is the sum over steps of value times weight of (attribute, y[t]), and the sum of the
    weights of (y[t-1], y[t]); pairs that aren't features weigh 0. Training minimises the sum over sequences of
    log Z minus score, plus c1 times the L1 norm, plus c2 times the squared norm; an iteration takes time
    proportional to the attributes' occurrences times labels they have, and to N L^2.

    Where only some labels of a sequence are known, its part of the loss is log Z minus the log Z over the labellings
    that are possible, which is not convex; a feature is also made of what is possible (Tsuboi et al., *Training
    conditional random fields using incomplete annotations*, COLING 2008).

    Threads take turns to `fit`; predictions wait for nobody and are all of one model, the last or the one before. A
    `fit` that fails changes nothing. Works in scikit-learn's searches, pipelines and cross-validation (1.5 or newer),
    where a prediction is a column of lists.

    The search is L-BFGS, with c1 > 0 OWL-QN; neither uses BLAS, so results don't depend on its threads either. A search
    that finds no lower loss for another reason than its rules warns with a RuntimeWarning.

    The other algorithms update the weights after each sequence, in a new order each pass, in one thread and in float64.
    A pass takes time proportional to the attributes' occurrences times labels they have, and to N L^2. They hold the
    training set as it comes, 4 bytes an attribute and 8 a value.

    Sources: Lafferty, McCallum and Pereira, *Conditional random fields*, ICML 2001; Okazaki, *CRFsuite*, 2007,
    for the meaning of the parameters; Shalev-Shwartz, Singer and Srebro, *Pegasos*, ICML 2007 (l2sgd); Collins,
    *Discriminative training methods for hidden Markov models*, EMNLP 2002 (ap); Crammer et al., *Online
    passive-aggressive algorithms*, JMLR 7 (2006) (pa); Crammer, Kulesza and Dredze, *Adaptive regularization of weight
    vectors*, NIPS 2009 (arow).

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

    _by_sums: ClassVar[bool] = False  # whether features are chosen as CRFsuite does where values are below 0

    def __init__(
        self,
        algorithm: str | None = None,
        min_freq: float | None = None,
        all_possible_states: bool | None = None,
        all_possible_transitions: bool | None = None,
        c1: float | None = None,
        c2: float | None = None,
        max_iterations: int | None = None,
        num_memories: int | None = None,
        epsilon: float | None = None,
        period: int | None = None,
        delta: float | None = None,
        linesearch: str | None = None,
        max_linesearch: int | None = None,
        calibration_eta: float | None = None,
        calibration_rate: float | None = None,
        calibration_samples: int | None = None,
        calibration_candidates: int | None = None,
        calibration_max_trials: int | None = None,
        pa_type: int | None = None,
        c: float | None = None,
        error_sensitive: bool | None = None,
        averaging: bool | None = None,
        variance: float | None = None,
        gamma: float | None = None,
        verbose: bool = False,
        *,
        dtype: str = "float64",
        workers: Workers = 1,
        warm_start: bool = False,
        rng: RNG = 0,
        progress: Progress = False,
    ) -> None:
        self.algorithm = algorithm
        self.min_freq = min_freq
        self.all_possible_states = all_possible_states
        self.all_possible_transitions = all_possible_transitions
        self.c1 = c1
        self.c2 = c2
        self.max_iterations = max_iterations
        self.num_memories = num_memories
        self.epsilon = epsilon
        self.period = period
        self.delta = delta
        self.linesearch = linesearch
        self.max_linesearch = max_linesearch
        self.calibration_eta = calibration_eta
        self.calibration_rate = calibration_rate
        self.calibration_samples = calibration_samples
        self.calibration_candidates = calibration_candidates
        self.calibration_max_trials = calibration_max_trials
        self.pa_type = pa_type
        self.c = c
        self.error_sensitive = error_sensitive
        self.averaging = averaging
        self.variance = variance
        self.gamma = gamma
        self.verbose = verbose
        self.dtype = dtype
        self.workers = workers
        self.warm_start = warm_start
        self.rng = rng
        self.progress = progress
        self._backend = active_backend()
        self._trained: _Trained | None = None
        self._ready: _Ready | None = None
        self._named: _Named | None = None

    def __sklearn_is_fitted__(self) -> bool:
        return self._trained is not None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_backend"], state["_ready"], state["_named"]
        if self._trained is not None:
            # As a list, which older versions read.
            state["_trained"] = self._trained._replace(attributes=list(self._trained.attributes))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self)  # older versions had fewer parameters
        self.__dict__.update(state)
        if self._trained is not None:
            self._trained = self._trained._replace(attributes=PackedNames(self._trained.attributes))

    @in_turn
    def fit(self, X: Any, y: Any, X_dev: Any = None, y_dev: Any = None) -> Self:
        """Train on sequences of items and their labels.

        Parameters
        ----------
        X : list of sequences of items
            See the notes of the class; or what `FeatureTemplate.items` returns.
        y : list of lists of str, set of str or None
            A label an item; bytes are taken for UTF-8. Where it isn't known, a set of possible ones, or None: any
            (algorithm "lbfgs" only).
        X_dev, y_dev : optional
            Other sequences and their labels, on which each iteration's weights are tried, for `training_log_`.

        Returns
        -------
        CRF
            This object.

        Raises
        ------
        TypeError
            If items or labels have the wrong type.
        ValueError
            If lengths of `X` and `y` don't match, there is no item, a parameter is out of range or of no use to the
            algorithm, or values in `X` are so large that the loss isn't finite.
        """
        options = checked_options(vars(self))
        check_progress(self.progress)
        algorithm, workers, dtype = options["algorithm"], options["workers"], np.dtype(options["dtype"])
        ids = AttributeIds(backend=self._backend)
        chunks: list[Items] = []
        runs = index_chunks(X, ids, BLOCK_STEPS)
        if algorithm != "lbfgs":
            dtype, runs = np.dtype(np.float64), _kept(runs, chunks)
        blocks = make_blocks(runs, dtype, self._backend)
        labels = index_labels(y, [length for block in blocks for length in np.diff(block.offsets).tolist()])
        if not len(labels.ids):
            raise ValueError("X must hold at least one item")
        if not labels.classes:
            raise ValueError("y must hold at least one label")
        if algorithm != "lbfgs" and len(labels.open_steps):
            raise ValueError(f"y must hold one label an item with algorithm {algorithm!r}; 'lbfgs' takes sets and None")
        classes, restrictions = labels.classes, restrictions_of(blocks, labels)
        attributes = PackedNames(ids)
        del ids  # as large as the training set; what prediction needs is made anew, in another order
        features, observed = select_features(
            blocks,
            labels.ids,
            len(classes),
            len(attributes),
            options["min_freq"],
            options["all_possible_states"],
            options["all_possible_transitions"],
            self._backend,
            restrictions,
            by_sums=self._by_sums,
        )
        order = np.argsort(-occurrences(blocks, len(attributes)), kind="stable")
        start = np.zeros(features.size)
        if options["warm_start"] and self._trained is not None:
            start = _carried(self._trained, features, attributes, classes)
        if algorithm != "lbfgs":
            # Frequent attributes' weights lie together while they are trained.
            features, start = _reordered(features, start, order)
        holdout = None
        if X_dev is not None or y_dev is not None:
            names = attributes if algorithm == "lbfgs" else attributes.taken(order)
            holdout = self._holdout(X_dev, y_dev, names, classes, options)
        with progress_bar(self.progress, options["max_iterations"], "iteration") as step:
            log = self._begin_log(options["verbose"], step, holdout, features, attributes)
            if algorithm != "lbfgs":
                blocks.clear()
                passes = Passes(
                    chunks, np.argsort(order).astype(np.int32), labels.ids, features, options["key"], self._backend
                )
                found = train(passes, start, options, log)
                weights = found.weights
            else:
                found = search(
                    Objective(features, blocks, observed, options["c2"], dtype, workers, self._backend, restrictions),
                    start,
                    noise=1e-5 if dtype == np.float32 else 1e-10,
                    log=log,
                    backend=self._backend,
                    **{name: options[name] for name in _SEARCHED},
                )
                features, weights = _reordered(features, found.weights, order)
        ended = found.loss, found.iterations, found.message, log.entries
        self._trained = _Trained(features, weights, PackedNames(attributes.taken(order)), None, classes, *ended)
        return self

    def _begin_log(
        self,
        verbose: bool,
        step: Callable[[int], object],
        holdout: Holdout | None,
        features: Features,
        names: Iterable[str],
    ) -> TrainingLog:
        """What training tells; a face of another library tells it in its words."""
        return TrainingLog(verbose, step, holdout, features)

    def _holdout(
        self, X: Any, y: Any, attributes: Iterable[str], classes: list[str], options: dict[str, Any]
    ) -> Holdout:
        """What iterations are tried on."""
        if X is None or y is None:
            raise ValueError("X_dev and y_dev must be given together")
        items = index_items(X, AttributeIds(attributes, self._backend))
        labels = label_lists(y, np.diff(items.offsets).tolist(), "X_dev", "y_dev")
        if not any(labels):
            raise ValueError("X_dev must hold at least one item")
        return Holdout(items, labels, classes, options["dtype"], options["workers"], self._backend)

    def _fitted(self) -> _Trained:
        if self._trained is None:
            raise not_fitted("this CRF isn't fitted yet: call fit first")
        return self._trained

    def _adopt(self, model: Model, loss: float, n_iter: int, message: str) -> None:
        names = PackedNames(model.attributes), None, model.classes
        self._trained = _Trained(model.features, model.weights, *names, loss, n_iter, message)

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
    def training_log_(self) -> list[dict[str, Any]]:
        """What each iteration of training told."""
        return [dict(entry) for entry in self._fitted().log]

    @property
    def attributes_(self) -> list[str]:
        """Names of the attributes seen in training, most frequent first."""
        return list(self._fitted().attributes)

    @property
    def state_features_(self) -> dict[tuple[str, str], float]:
        """Weights of (attribute, label) that aren't 0; made once, a change of it changes no model."""
        return self._by_name().states

    @property
    def transition_features_(self) -> dict[tuple[str, str], float]:
        """Weights of (label from, label to) that aren't 0; made once, a change of it changes no model."""
        return self._by_name().transitions

    def _by_name(self) -> _Named:
        trained, named = self._fitted(), self._named
        if named is None or named.trained is not trained:
            named = self._named = _named(trained)
        return named

    def _limits(self, trained: _Trained, items: Items, allowed: Any, forbidden: Any) -> Limits:
        if allowed is None and forbidden is None:
            return NO_LIMITS
        return Limits(
            None if allowed is None else allowed_labels(allowed, trained.classes, items.offsets),
            None if forbidden is None else forbidden_pairs(forbidden, trained.classes),
        )

    def predict(self, X: Any, *, allowed: Any = None, forbidden: Any = None) -> list[list[str]]:
        """Return the best labels of each sequence.

        Parameters
        ----------
        X : list of sequences of items
            See the notes of the class.
        allowed : list, optional
            The labels that items may get: for each sequence None or a list with a set of labels, a label, or None (any)
            for each item.
        forbidden : set of pairs of str, optional
            Labels (a, b) of which b may not follow a.

        Returns
        -------
        list of list of str
            A label an item.

        Raises
        ------
        TypeError, ValueError
            As for `fit`; if `allowed` or `forbidden` don't match `X`, hold a label that isn't the model's, or leave a
            sequence no labels.

        Examples
        --------
        >>> from fastcore.crf import CRF
        >>> crf = CRF().fit([[["a"], ["b"]], [["b"], ["a"]]], [["B", "I"], ["O", "B"]])
        >>> crf.predict([[["a"], ["b"]]], allowed=[[None, {"O", "B"}]], forbidden={("B", "B")})
        [['B', 'O']]
        """
        ready = self._labels()
        classes, items = ready.trained.classes, index_items(X, ready.ids)
        paths = ready.decoder.paths(items, self.workers, self._limits(ready.trained, items, allowed, forbidden))
        return Ragged([classes[k] for k in path] for path in paths)

    def predict_single(self, x: Any) -> list[str]:
        """Return the best labels of one sequence."""
        return self.predict([x])[0]

    def predict_stream(self, x: Any, *, max_delay: int = 1000) -> Iterator[str]:
        """Yield the best labels of one sequence of any length, whose items come one by one.

        Parameters
        ----------
        x : iterable of items
            Asked for 64 items at a time.
        max_delay : int, default 1000
            At most so many items wait for their label, as in `fastcore.chain.ViterbiDecoder`.

        Yields
        ------
        str
            The labels of `predict_single`, as soon as those of later items can't change them.

        Raises
        ------
        TypeError, ValueError
            As for `predict`, items' when they are asked for; if `max_delay` is negative.

        Notes
        -----
        Memory is that of some items and of `max_delay` steps. Where `max_delay` decides, labels are those of one path,
        but it may not be the best: a RuntimeWarning at the end says of how many.

        Examples
        --------
        >>> from fastcore.crf import CRF
        >>> crf = CRF().fit([[["a"], ["b"]], [["b"], ["a"]]], [["X", "Y"], ["Y", "X"]])
        >>> list(crf.predict_stream(iter([["a"], ["b"], ["a"]])))
        ['X', 'Y', 'X']
        """
        ready = self._labels()
        found = ready.decoder.stream(index_pieces(x, ready.ids, PIECE), max_delay)
        return map(ready.trained.classes.__getitem__, found)

    def predict_nbest(
        self, X: Any, n: int, *, allowed: Any = None, forbidden: Any = None
    ) -> list[list[tuple[list[str], float]]]:
        """Return the n best labellings of each sequence with their probabilities.

        Parameters
        ----------
        X : list of sequences of items
            See the notes of the class.
        n : int
            How many.
        allowed, forbidden : optional
            As for `predict`; probabilities are then among the labellings that are left.

        Returns
        -------
        list of list of (list of str, float)
            Best first, fewer than n where there are fewer labellings. The probabilities add up to at most 1.

        Raises
        ------
        TypeError, ValueError
            As for `predict`; if n labellings need more than 8 GiB.

        Examples
        --------
        >>> from fastcore.crf import CRF
        >>> crf = CRF().fit([[["a"], ["b"]], [["b"], ["a"]]], [["X", "Y"], ["Y", "X"]])
        >>> [(labels, round(p, 2)) for labels, p in crf.predict_nbest([[["a"], ["b"]]], 2)[0]]
        [(['X', 'Y'], 0.69), (['Y', 'X'], 0.11)]
        """
        n = as_index(n, "n", low=1)
        ready = self._labels()
        classes, items = ready.trained.classes, index_items(X, ready.ids)
        limits = self._limits(ready.trained, items, allowed, forbidden)
        found = ready.decoder.best(items, n, self.workers, limits)
        return [[([classes[k] for k in path], p) for path, p in best] for best in found]

    def log_proba(self, X: Any, y: Any) -> Array:
        """Return the logarithm of the probability of given labels of each sequence.

        Parameters
        ----------
        X : list of sequences of items
            See the notes of the class.
        y : list of lists of str
            A label an item.

        Returns
        -------
        ndarray, shape (n,)
            At most 0; minus infinity for a label that isn't the model's.

        Raises
        ------
        TypeError, ValueError
            As for `fit`.
        """
        ready = self._labels()
        items = index_items(X, ready.ids)
        given = index_labels(y, np.diff(items.offsets).tolist())
        if len(given.open_steps):
            raise TypeError("y must hold one label for each item of X")
        places = {label: k for k, label in enumerate(ready.trained.classes)}
        labels = np.array([places.get(label, -1) for label in given.classes], np.int64)[given.ids]
        found = ready.decoder.log_probabilities(items, np.maximum(labels, 0), self.workers)
        unknown = np.searchsorted(items.offsets, np.flatnonzero(labels < 0), "right") - 1
        found[unknown] = -np.inf
        return found

    def predict_marginals(self, X: Any, *, allowed: Any = None, forbidden: Any = None) -> list[list[dict[str, float]]]:
        """Return the probability of each label at each step of each sequence.

        `allowed` and `forbidden` are those of `predict`: probabilities are then among the labellings that are left.
        """
        ready = self._labels()
        classes, items = ready.trained.classes, index_items(X, ready.ids)
        limits = self._limits(ready.trained, items, allowed, forbidden)
        rows = [dict(zip(classes, row)) for row in ready.decoder.probabilities(items, self.workers, limits).tolist()]
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
        lists = "a list of lists of labels"
        y = [[as_label(label, "y") for label in as_list(labels, "y", lists)] for labels in as_list(y, "y", lists)]
        if len(y) != len(predicted) or any(len(a) != len(b) for a, b in zip(y, predicted)):
            raise ValueError("y must have a label for each item of X")
        total = sum(map(len, y))
        if not total:
            raise ValueError("X must hold at least one item")
        return float(sum(a == b for true, guess in zip(y, predicted) for a, b in zip(true, guess)) / total)


PIECE = 64
_SEARCHED = "c1", "max_iterations", "epsilon", "period", "delta", "num_memories", "max_linesearch"


def _kept(chunks: Iterable[Items], into: list[Items]) -> Iterator[Items]:
    """Yield chunks and keep them."""
    for chunk in chunks:
        into.append(chunk)
        yield chunk


def _named(trained: _Trained) -> _Named:
    """The weights by name."""
    features, attributes, classes = trained.features, list(trained.attributes), trained.classes
    owners = np.repeat(np.arange(len(attributes)), np.diff(features.offsets)).tolist()
    weights, count = trained.weights.tolist(), len(features.state_labels)
    triples = zip(owners, features.state_labels.tolist(), weights)
    return _Named(
        trained,
        {(attributes[a], classes[k]): w for a, k, w in triples if w},
        {(classes[i], classes[j]): w for (i, j), w in zip(features.transitions.tolist(), weights[count:]) if w},
    )


def _carried(last: _Trained, features: Features, attributes: Iterable[str], classes: list[str]) -> Array:
    """The last weights, for the features of a new training set."""
    _, states, transitions = _named(last)
    names = itertools.chain.from_iterable(map(itertools.repeat, attributes, np.diff(features.offsets).tolist()))
    weights = [states.get((name, classes[k]), 0.0) for name, k in zip(names, features.state_labels)]
    weights += [transitions.get((classes[i], classes[j]), 0.0) for i, j in features.transitions]
    return np.array(weights, np.float64)


def _reordered(features: Features, weights: Array, order: Array) -> tuple[Features, Array]:
    """A model whose attributes come in another order: by falling frequency, the frequent ones' weights lie together."""
    sizes = np.diff(features.offsets)[order]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    places = np.repeat(features.offsets[:-1][order] - offsets[:-1], sizes) + np.arange(offsets[-1])
    states = len(features.state_labels)
    kept = replace(features, offsets=offsets, state_labels=features.state_labels[places])
    return kept, np.concatenate([weights[:states][places], weights[states:]])
