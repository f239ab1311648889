"""What all hidden Markov models share: reading, fitting, scoring, decoding, drawing."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import chain
from .._backend import active_backend
from .._estimator import Estimator, not_fitted
from .._turns import in_turn
from .._validation import as_choice, as_flag, as_index, as_integers, as_number, as_real
from .._workers import Workers, check_workers
from ._monitor import ConvergenceMonitor, log
from ._steps import Emissions, Expected, Model, Observations, expect, log_of

Array = NDArray[Any]


def normalised(weights: Array) -> Array:
    """Rows divided by their sums; a row of zeros stays."""
    sums = weights.sum(axis=-1, keepdims=True)
    found: Array = weights / np.where(sums == 0, 1.0, sums)
    return found


class HiddenMarkovModel(Estimator, ABC):
    """The part that doesn't know what states show.

    A model's parameters are attributes, replaced all at once when a fit has ended, so that a call sees those of one
    fit whatever another thread does.
    """

    # Letters of `params` and `init_params` with the attributes they stand for: those of the chain, and a model's own.
    _letters: ClassVar[dict[str, str]]

    n_components: int
    startprob_prior: ArrayLike
    transmat_prior: ArrayLike
    algorithm: str
    random_state: Any
    n_iter: int
    tol: float
    verbose: bool
    params: str
    init_params: str
    implementation: str
    workers: Workers
    monitor_: ConvergenceMonitor
    startprob_: Array
    transmat_: Array

    # What a model knows of its emissions.

    @abstractmethod
    def _read(self, X: Any) -> tuple[Array, ...]:
        """Check observations and bring them into form: arrays with an entry a row."""

    @abstractmethod
    def _match(self, rows: tuple[Array, ...], model: dict[str, Any]) -> None:
        """Refuse observations that the model can't show."""

    @abstractmethod
    def _started(self, given: dict[str, Any], rows: tuple[Array, ...]) -> dict[str, Array]:
        """Those of the emissions' parameters that `given` lacks, as a fit begins."""

    @abstractmethod
    def _check_emissions(self, model: dict[str, Any], states: int) -> None:
        """Refuse the emissions' parameters by name, or bring them into form."""

    @abstractmethod
    def _emissions(self, model: dict[str, Any]) -> Emissions:
        """What scores observations and sums what a maximisation needs."""

    @abstractmethod
    def _maximised(self, model: dict[str, Any], expected: Expected, letters: str) -> dict[str, Array]:
        """The emissions' parameters that make what is expected likeliest."""

    @abstractmethod
    def _drawn(self, model: dict[str, Any], state: int, random: np.random.RandomState) -> Any:
        """One observation of a state."""

    @abstractmethod
    def _free(self, model: dict[str, Any]) -> dict[str, int]:
        """How many free numbers each letter of `params` stands for, of those that are the emissions'."""

    # Parameters.

    def _checked(self) -> dict[str, Any]:
        as_choice(self.algorithm, "algorithm", ("viterbi", "map"))
        as_choice(self.implementation, "implementation", ("log", "scaling"))
        for name in ("params", "init_params"):
            letters = getattr(self, name)
            if not isinstance(letters, str):
                raise TypeError(f"{name} must be a str of letters, got {type(letters).__name__}")
            if not set(letters) <= set(self._letters):
                message = f"{name} must be of the letters {''.join(self._letters)!r}, got {letters!r}"
                if name == "params":
                    raise ValueError(message)
                log.warning("%s: the others mean nothing", message)  # which hmmlearn takes
        tol = self.tol
        if not (isinstance(tol, float) and tol == -np.inf):
            as_number(tol, "tol")
        return {
            "states": as_index(self.n_components, "n_components", low=1),
            "n_iter": as_index(self.n_iter, "n_iter"),
            "verbose": as_flag(bool(self.verbose) if isinstance(self.verbose, int) else self.verbose, "verbose"),
            "workers": check_workers(self.workers),
        }

    def _prior(self, name: str, shape: tuple[int, ...], low: float | None = 0.0) -> Array:
        """A prior's parameter, which may be one number for all."""
        prior = as_real(getattr(self, name), name, dtype=np.float64, inf=False)
        if low is not None and (prior < low).any():
            raise ValueError(f"{name} must be at least {low:g}, got {prior.min()}")
        try:
            return np.broadcast_to(prior, shape)
        except ValueError:
            raise ValueError(f"{name} must be a number or have shape {shape}, got {prior.shape}") from None

    def _random(self, given: Any = None) -> np.random.RandomState:
        """Random numbers as hmmlearn draws them: a seed begins anew each time, a RandomState goes on."""
        state = self.random_state if given is None else given
        if isinstance(state, np.random.RandomState):
            return state
        if state is None:
            return np.random.RandomState()
        return np.random.RandomState(as_index(state, "random_state", high=2**32 - 1))

    def __sklearn_is_fitted__(self) -> bool:
        return "startprob_" in vars(self)

    def _snapshot(self) -> dict[str, Any]:
        """The parameters of this moment, checked."""
        model = dict(vars(self))
        missing = [name.lstrip("_") for name in self._letters.values() if name not in model]
        if missing:
            raise not_fitted(
                f"this {type(self).__name__} isn't fitted yet: call fit first, or set {', '.join(missing)}"
            )
        states = as_index(self.n_components, "n_components", low=1)
        self._check(model, states)
        return model

    def _check(self, model: dict[str, Any], states: int) -> None:
        for name, shape in (("startprob_", (states,)), ("transmat_", (states, states))):
            model[name] = distribution(model[name], name, shape)
        if model["startprob_"].sum() == 0:
            raise ValueError("startprob_ must sum to 1, got zeros")
        self._check_emissions(model, states)

    def _chain(self, model: dict[str, Any]) -> Model:
        return Model(log_of(model["startprob_"]), log_of(model["transmat_"]), self._emissions(model))

    def _observed(self, X: Any, lengths: Any) -> Observations:
        rows = self._read(X)
        n = len(rows[0])
        if n == 0:
            raise ValueError("X must hold at least one row")
        if lengths is None:
            counts = np.array([n])
        else:
            counts = as_integers(lengths, "lengths", ndim=1, low=1, high=n + 1)
            if counts.sum() != n:
                raise ValueError(f"lengths must sum to the {n} rows of X, got {counts.sum()}")
        return Observations(rows, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))

    # Fitting.

    @in_turn
    def fit(self, X: ArrayLike, lengths: ArrayLike | None = None) -> Self:
        """Fit the parameters to sequences of observations.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Observations of all sequences, one after another.
        lengths : array_like of int, optional
            Length of each sequence; None: one sequence.

        Returns
        -------
        HiddenMarkovModel
            This object.

        Raises
        ------
        TypeError
            If an argument or parameter has the wrong type.
        ValueError
            If observations aren't such as the model shows, lengths don't sum to N, a parameter is out of range, a
            sequence has probability 0, or a covariance isn't positive definite.

        Notes
        -----
        At most `n_iter` iterations, each O(N L^2) for L states and O(N L) for the observations. A fit that fails
        changes no parameter. A fit that `n_iter` ended is logged as a warning, unless `tol` lets none end earlier.
        """
        checked = self._checked()
        backend = active_backend()
        observations = self._observed(X, lengths)
        model = self._begun(observations, checked["states"])
        self._match(observations.rows, model)
        monitor = self.monitor_
        if type(monitor) is ConvergenceMonitor:
            monitor = ConvergenceMonitor(self.tol, checked["n_iter"], checked["verbose"])
        else:
            monitor._reset()
        for _ in range(checked["n_iter"]):
            expected = expect(self._chain(model), observations, backend, checked["workers"], monitor.iter)
            self._update(model, expected)
            monitor.report(expected.log_prob)
            if monitor.converged:
                break
        if type(monitor) is ConvergenceMonitor and monitor.iter > 1 and not monitor._settled and self.tol > -np.inf:
            log.warning("n_iter=%d iterations weren't enough for gains below tol=%g", monitor.iter, self.tol)
        if (model["transmat_"].sum(axis=1) == 0).any():
            log.warning("rows of transmat_ are zeros: no transition from these states was ever seen")
        # At once, for those who ask meanwhile; and known as found here, not set by anyone.
        found = {name: model[name] for name in self._letters.values()}
        self.__dict__.update(found, monitor_=monitor, _found=found)
        return self

    def _begun(self, observations: Observations, states: int) -> dict[str, Any]:
        """The parameters that a fit begins with: given ones, and where `init_params` says so new ones."""
        given = dict(vars(self))
        for letter, name in self._letters.items():
            if letter in self.init_params and name in given:
                if given[name] is not given.get("_found", {}).get(name):
                    log.warning("%s is set, but overwritten, as init_params contains %r", name.lstrip("_"), letter)
                del given[name]
        share, random = np.full(states, 1.0 / states), self._random()
        if "startprob_" not in given:
            given["startprob_"] = random.dirichlet(share)
        if "transmat_" not in given:
            given["transmat_"] = random.dirichlet(share, size=states)
        given.update(self._started(given, observations.rows))
        self._check(given, states)
        free = sum(n for letter, n in self._freedom(given).items() if letter in self.params)
        held = sum(row.size for row in observations.rows[:1])
        if held < free:
            log.warning("%d free parameters from only %d numbers: the fit will be degenerate", free, held)
        return given

    def _freedom(self, model: dict[str, Any]) -> dict[str, int]:
        """How many free numbers each letter of `params` stands for."""
        states = len(model["startprob_"])
        return {"s": states - 1, "t": states * (states - 1), **self._free(model)}

    def _update(self, model: dict[str, Any], expected: Expected) -> None:
        """The maximisation step. What is 0 stays 0, and what was never seen stays as it is."""
        states = len(model["startprob_"])
        new = self._maximised(model, expected, self.params)
        if "s" in self.params:
            start = np.maximum(self._prior("startprob_prior", (states,)) - 1 + expected.start, 0)
            start = np.where(model["startprob_"] == 0, 0, start)
            new["startprob_"] = normalised(start) if start.any() else model["startprob_"]
        if "t" in self.params:
            moves = np.maximum(self._prior("transmat_prior", (states, states)) - 1 + expected.transitions, 0)
            new["transmat_"] = normalised(np.where(model["transmat_"] == 0, 0, moves))
        model.update(new)

    # Asking.

    def score(self, X: ArrayLike, lengths: ArrayLike | None = None) -> float:
        """Return the log-likelihood of observations.

        Parameters
        ----------
        X, lengths : array_like
            As for `fit`.
        """
        scores, chained, counts = self._scored(X, lengths)
        found = chain.log_partition(
            scores, chained.log_transitions, start=chained.log_start, lengths=counts, workers=self.workers
        )
        return float(found.sum())

    def score_samples(self, X: ArrayLike, lengths: ArrayLike | None = None) -> tuple[float, Array]:
        """Return the log-likelihood of observations, and the probability (N, L) of each state at each of them."""
        scores, chained, counts = self._scored(X, lengths)
        found = chain.marginals(
            scores, chained.log_transitions, start=chained.log_start, lengths=counts, workers=self.workers
        )
        return float(found.log_partition.sum()), found.nodes

    def decode(
        self, X: ArrayLike, lengths: ArrayLike | None = None, algorithm: str | None = None
    ) -> tuple[float, Array]:
        """Return the likeliest states.

        Parameters
        ----------
        X, lengths : array_like
            As for `fit`.
        algorithm : {"viterbi", "map"}, optional
            The likeliest path, or at each observation the likeliest state; None: as the model's `algorithm`.

        Returns
        -------
        log_prob : float
            Log-probability of path and observations; with "map" the sum of the states' probabilities, as in hmmlearn.
        states : ndarray of int, shape (N,)
            A state an observation; -1 where a sequence has probability 0.
        """
        if as_choice(algorithm or self.algorithm, "algorithm", ("viterbi", "map")) == "map":
            nodes = self.score_samples(X, lengths)[1]
            likeliest = nodes.max(axis=1)
            return float(likeliest.sum()), np.where(likeliest > 0, nodes.argmax(axis=1), -1)
        scores, chained, counts = self._scored(X, lengths)
        paths, found = chain.viterbi(
            scores, chained.log_transitions, start=chained.log_start, lengths=counts, workers=self.workers
        )
        return float(found.sum()), paths

    def predict(self, X: ArrayLike, lengths: ArrayLike | None = None) -> Array:
        """Return the likeliest states, as `decode` finds them."""
        return self.decode(X, lengths)[1]

    def predict_proba(self, X: ArrayLike, lengths: ArrayLike | None = None) -> Array:
        """Return the probability (N, L) of each state at each observation."""
        return self.score_samples(X, lengths)[1]

    def _scored(self, X: Any, lengths: Any) -> tuple[Array, Model, Array]:
        model = self._snapshot()
        observations = self._observed(X, lengths)
        self._match(observations.rows, model)
        chained = self._chain(model)
        return chained.emissions.scores(observations.rows, active_backend()), chained, observations.lengths

    def sample(self, n_samples: int = 1, random_state: Any = None, currstate: int | None = None) -> tuple[Array, Array]:
        """Draw observations and their states.

        Parameters
        ----------
        n_samples : int
            How many.
        random_state : RandomState or int, optional
            Random numbers; None: the model's.
        currstate : int, optional
            The first state; None: drawn from `startprob_`.

        Returns
        -------
        X : ndarray, shape (n_samples, D)
            Observations, the same that hmmlearn draws.
        states : ndarray of int, shape (n_samples,)
            Their states.
        """
        model = self._snapshot()
        count = as_index(n_samples, "n_samples", low=1)
        random = self._random(random_state)
        moves = np.cumsum(model["transmat_"], axis=1)
        if currstate is None:
            state = int((np.cumsum(model["startprob_"]) > random.rand()).argmax())
        else:
            state = as_index(currstate, "currstate", high=len(moves) - 1)
        states, drawn = [state], [self._drawn(model, state, random)]
        for _ in range(count - 1):
            if not moves[state, -1]:
                raise ValueError(f"n_samples must be {len(states)} at most: nothing follows state {state}, got {count}")
            state = int((moves[state] > random.rand()).argmax())
            states.append(state)
            drawn.append(self._drawn(model, state, random))
        return np.atleast_2d(drawn), np.array(states, np.int64)

    def aic(self, X: ArrayLike, lengths: ArrayLike | None = None) -> float:
        """Return Akaike's information criterion, -2 log-likelihood + 2 free parameters: lower is better."""
        return -2 * self.score(X, lengths) + 2 * sum(self._freedom(self._snapshot()).values())

    def bic(self, X: ArrayLike, lengths: ArrayLike | None = None) -> float:
        """Return the Bayesian criterion, -2 log-likelihood + free parameters times log N: lower is better."""
        free = sum(self._freedom(self._snapshot()).values())
        return float(-2 * self.score(X, lengths) + free * np.log(len(np.asarray(X))))

    def get_stationary_distribution(self) -> Array:
        """Return the distribution of states that transitions don't change."""
        values, vectors = np.linalg.eig(self._snapshot()["transmat_"].T)
        vector = np.real_if_close(vectors[:, np.argmax(values)])
        found: Array = vector / vector.sum()
        return found


def check_columns(rows: Array, model: dict[str, Any], name: str) -> None:
    """Refuse observations that haven't as many numbers as a parameter has columns."""
    size = model[name].shape[1]
    if rows.shape[1] != size:
        raise ValueError(f"X must have {size} columns as {name} has, got {rows.shape[1]}")


def distribution(values: Any, name: str, shape: tuple[int, ...]) -> Array:
    """Return rows of probabilities; rows may be zeros, of a state that nothing was seen to follow."""
    array = as_real(values, name, dtype=np.float64, nan=False, inf=False)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if (array < 0).any():
        raise ValueError(f"{name} must not be negative, got {array.min()}")
    sums = array.sum(axis=-1)
    if not (np.isclose(sums, 1) | (sums == 0)).all():
        raise ValueError(f"{name} must sum to 1{' in each row' if array.ndim > 1 else ''}, got {sums}")
    return array
