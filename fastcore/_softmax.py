"""A softmax over many classes, fitted by telling each row's class from a few that are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._labelled import columns_of, in_order, is_table
from ._random import RNG, stream_key
from ._validation import as_index, as_integers, as_number, as_real

Array: TypeAlias = NDArray[np.float64]

# Scores computed at a time.
_AT_ONCE = 1 << 22
# Classes a row beyond which labels are no classes, unless it is said that they are.
_A_ROW = 1000


@dataclass(frozen=True, repr=False, eq=False)
class Softmax:
    """Classes with probabilities proportional to ``exp(x @ coef[k] + intercept[k])``.

    Attributes
    ----------
    coef : ndarray of shape (n_classes, d)
    intercept : ndarray of shape (n_classes,)
        Both up to what all classes have in common, which no probability depends on.
    loss : float
        The loss of the contrast at the solution, a row.
    iterations : int
    columns : tuple of str or None
        Names of x's columns, if it was a table: then a table's columns are read by their names, else by position.
    """

    coef: Array
    intercept: Array
    loss: float
    iterations: int
    columns: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"<Softmax of {len(self.coef)} classes on {self.coef.shape[1]} features>"

    def _rows(self, x: ArrayLike) -> Array:
        if self.columns is not None and is_table(x):
            x = in_order(x, "x", self.columns, "columns")
        return as_real(x, "x", shape=(None, self.coef.shape[1]), dtype=np.float64, inf=False)

    def log_proba(self, x: ArrayLike) -> Array:
        """Logarithms of the probabilities of all classes, shape (n, n_classes)."""
        scores = self._rows(x) @ self.coef.T + self.intercept
        top = scores.max(axis=1, keepdims=True)
        found: Array = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
        return found

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """The likeliest class of each row; the smallest, if there are several."""
        found: NDArray[np.int64] = np.argmax(self._rows(x) @ self.coef.T + self.intercept, axis=1)
        return found

    def log_loss(self, x: ArrayLike, y: ArrayLike) -> float:
        """Minus the mean logarithm of the probability of the true class, by the full softmax."""
        rows = self._rows(x)
        classes = as_integers(y, "y", ndim=1, low=0, high=len(self.coef))
        if len(classes) != len(rows) or not len(rows):
            raise ValueError(f"y must hold a class for each of {len(rows)} rows, at least one, got {len(classes)}")
        size, total = max(1, _AT_ONCE // len(self.coef)), 0.0
        for i in range(0, len(rows), size):
            part = self.log_proba(rows[i : i + size])
            total -= float(part[np.arange(len(part)), classes[i : i + size]].sum())
        return total / len(rows)


def fit_softmax(
    x: ArrayLike,
    y: ArrayLike,
    *,
    n_classes: int | None = None,
    nu: int = 10,
    noise_exponent: float = 1.0,
    penalty: float = 1e-5,
    rng: RNG = None,
    max_iterations: int = 1000,
) -> Softmax:
    """Fit a softmax over many classes by conditional noise contrastive estimation.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Features of the rows.
    y : array_like of int, shape (n,)
        Their classes, from 0.
    n_classes : int, optional
        How many classes there are. Default: the largest in `y`, and one; it must be given where that is more than a
        thousand a row, as with labels that are no numbers of classes.
    nu : int, default 10
        Classes drawn a row.
    noise_exponent : float, default 1
        Classes are drawn as often as they stand in `y` (and once more), to this power; between -10 and 10.
    penalty : float, default 1e-5
        Half of this times a sum of squares is added to the loss of a row: of the scores of classes at the features'
        means, and of what a standard deviation of a feature adds to them, so that units don't matter. Without it,
        what is said of a class that no row has, or of classes that a plane tells apart, would have no end.
    rng : None, int, SeedSequence or Generator
        Source of randomness (SPEC 7): an int repeats, the others move on. For the classes drawn.
    max_iterations : int, default 1000
        Bound on the iterations of L-BFGS.

    Returns
    -------
    Softmax

    Raises
    ------
    TypeError, ValueError
        If an argument isn't of that kind or shape, or has NaN.
    RuntimeError
        If no minimum is found, as with features so large that scores overflow, or not within `max_iterations`.

    Notes
    -----
    For each row, the true class is to be told from `nu` that are drawn from q: the loss is minus the logarithm of the
    softmax of ``score - log q`` over these ``1 + nu`` alone. It is convex, and consistent without the assumption that
    the full softmax is normalised for every x: Ma and Collins, *Noise contrastive estimation and negative sampling for
    conditional models*, EMNLP 2018. An iteration costs O(n (1 + nu) d) for the rows and O(n_classes d), with a small
    factor, for the weights, of which L-BFGS keeps some twenty-five copies of 8 bytes each.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcore.nce import fit_softmax
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(4000, 2))
    >>> scores = x @ rng.normal(size=(2, 30)) + rng.gumbel(size=(4000, 30))
    >>> model = fit_softmax(x, scores.argmax(axis=1), nu=5, rng=0)
    >>> model
    <Softmax of 30 classes on 2 features>
    """
    from scipy.optimize import minimize
    from scipy.sparse import csr_array

    from .nce import AliasSampler

    rows = as_real(x, "x", ndim=2, dtype=np.float64, inf=False)
    classes = as_integers(y, "y", ndim=1, low=0, high=2**31 - 1)
    n, d = rows.shape
    if len(classes) != n or not n:
        raise ValueError(f"y must hold a class for each of {n} rows, at least one, got {len(classes)}")
    k = int(classes.max()) + 1
    if n_classes is not None:
        k = as_index(n_classes, "n_classes", low=k, high=2**31 - 1)
    elif k > _A_ROW * n:
        raise ValueError(f"y must hold classes 0, 1, ..., got {k - 1} among {n} rows: give n_classes if that is meant")
    n_drawn = as_index(nu, "nu", low=1, high=1_000_000)
    exponent = as_number(noise_exponent, "noise_exponent", low=-10.0, high=10.0)
    weight = as_number(penalty, "penalty", low=0)
    limit = as_index(max_iterations, "max_iterations", low=1)
    shares = np.bincount(classes, minlength=k) + 1.0
    shares = (shares / shares.max()) ** exponent
    generator = np.random.default_rng(stream_key(rng))
    drawn = AliasSampler(shares).draw((n, n_drawn), generator)
    candidates = np.concatenate([classes[:, None], drawn], axis=1)
    log_q = np.log(shares)[candidates]
    ends = np.arange(0, candidates.size + 1, 1 + n_drawn)
    # Features in units of their spread about their means: from there the search is as short for all units.
    peaks = np.abs(rows).max(axis=0)
    peaks[peaks == 0] = 1.0
    shares = rows / peaks
    middle, sizes = shares.mean(axis=0) * peaks, shares.std(axis=0)
    sizes = np.where(sizes > 1e-13, sizes, 1.0) * peaks
    with_one = np.append((rows - middle) / sizes, np.ones((n, 1)), axis=1)

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(k, d + 1)
        scores = -log_q
        for column in range(d + 1):
            scores = scores + weights[candidates, column] * with_one[:, column, None]
        top = scores.max(axis=1, keepdims=True)
        chances = np.exp(scores - top)
        total = chances.sum(axis=1, keepdims=True)
        loss = float((top[:, 0] + np.log(total[:, 0]) - scores[:, 0]).sum())
        chances /= total
        chances[:, 0] -= 1
        slopes = csr_array((chances.ravel(), candidates.ravel(), ends), shape=(n, k)).T @ with_one
        return loss / n + 0.5 * weight * float(flat @ flat), (slopes / n + weight * weights).ravel()

    with np.errstate(over="ignore", invalid="ignore"):  # said below
        found = minimize(
            objective, np.zeros(k * (d + 1)), jac=True, method="L-BFGS-B",
            options={"maxiter": limit, "maxfun": 4 * limit, "ftol": 1e-10, "gtol": 1e-6},
        )  # fmt: skip
    if found.status == 1:
        raise RuntimeError(f"the fit did not converge in max_iterations={limit} iterations")
    # It may also stop where steps win little, or rounding lets none lower the loss: a minimum only if the slope is all
    # but 0.
    if not np.abs(found.jac).max() <= (1e-3 if found.success else 1e-4):
        raise RuntimeError(f"no minimum of the loss was found (it is {found.fun:.6g}): features may be too large")
    weights = found.x.reshape(k, d + 1)
    coefficients = weights[:, :d] / sizes
    return Softmax(
        coefficients, weights[:, d] - coefficients @ middle, float(found.fun), int(found.nit), columns_of(x, "x")
    )
