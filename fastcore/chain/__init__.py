"""Linear chains: sums, best paths and expectations over all label sequences, in time linear in the length.

A chain of T steps over L labels has *emissions* ``(T, L)``, *transitions* ``(L, L)`` (``transitions[i, j]`` goes
from label i to label j) and optional *start* and *end* scores ``(L,)``. A path y of labels has the score::

    start[y[0]] + sum_t emissions[t, y[t]] + sum_t transitions[y[t-1], y[t]] + end[y[T-1]]

and the probability exp(score) / Z. Scores are natural logarithms of any positive weights: a conditional random
field's potentials, or the log-probabilities of a hidden Markov model, whose log-likelihood is then log Z. Minus
infinity forbids; plus infinity and NaN are refused. The empty sequence has one path, the empty one, with score 0.

Every function takes one sequence or a batch, in four forms, and answers in the same form:

=============================================  ==================  ==============================
emissions                                      a value a sequence  a value a step
=============================================  ==================  ==============================
``(T, L)``                                     scalar              ``(T,)``
``(B, T, L)``, optional ``lengths`` or ``mask``  ``(B,)``            ``(B, T)``, padded
list of ``(T_i, L)``                           ``(B,)``            list of ``(T_i,)``
``(N, L)`` concatenated, with ``lengths``      ``(B,)``            ``(N,)`` concatenated
=============================================  ==================  ==============================

Transitions are one matrix for all steps, or each step's own: ``(T - 1, L, L)``, ``(B, T - 1, L, L)``, a list of
``(T_i - 1, L, L)``, or concatenated; ``transitions[t - 1]`` leads to step t. A mask is left-aligned, unless
``holes=True`` skips the steps that it leaves out: those around them then follow one another, by the later one's own
transitions where each step has its own. What lies in the padding of the input is never looked at. Tables and Series are
read by position; those that name the labels must name them in one order. Results are float32 if all scores are, else
float64.
"""

from .._public import at_home
from ._learning import Gradients, Marginals, loss_and_grad, marginals
from ._paths import path_score, sample, viterbi, viterbi_nbest
from ._recursions import backward, backward_scaled, entropy, forward, forward_scaled, log_partition
from ._stream import ViterbiDecoder

__all__ = [
    "Gradients",
    "Marginals",
    "ViterbiDecoder",
    "backward",
    "backward_scaled",
    "entropy",
    "forward",
    "forward_scaled",
    "log_partition",
    "loss_and_grad",
    "marginals",
    "path_score",
    "sample",
    "viterbi",
    "viterbi_nbest",
]

at_home(
    __name__,
    Gradients,
    Marginals,
    ViterbiDecoder,
    backward,
    backward_scaled,
    entropy,
    forward,
    forward_scaled,
    log_partition,
    loss_and_grad,
    marginals,
    path_score,
    sample,
    viterbi,
    viterbi_nbest,
)
