"""Recurrences: y[t] = f(y[t-1], x[t], t): scans, recurrent cells and their exact gradients.

Source: Su Jianlin (苏剑林), *貌离神合的RNN与ODE：花式RNN简介*, 2018, https://kexue.fm/archives/5643 (RNNs and ODEs,
unlike in looks and one at heart).
"""

from .._public import at_home
from ._cells import GRUCell, LSTMCell, SimpleRNNCell
from ._functions import gru, lstm, simple_rnn
from ._gradients import CellGradients, gru_vjp, lstm_vjp, simple_rnn_vjp
from ._logs import log_linear_scan, log_linear_scan_vjp
from ._loop import scan
from ._lru import LRUGradients, lru, lru_vjp
from ._matrices import affine_scan, affine_scan_vjp
from ._onnx import from_onnx
from ._safetensors import from_safetensors
from ._scans import linear_scan, linear_scan_vjp
from ._selective import SelectiveScanGradients, selective_scan, selective_scan_vjp
from ._sru import SRUGradients, sru, sru_vjp
from ._stack import RecurrentStack
from ._torch import from_torch

__all__ = [
    "CellGradients",
    "GRUCell",
    "LRUGradients",
    "LSTMCell",
    "RecurrentStack",
    "SRUGradients",
    "SelectiveScanGradients",
    "SimpleRNNCell",
    "affine_scan",
    "affine_scan_vjp",
    "from_onnx",
    "from_safetensors",
    "from_torch",
    "gru",
    "gru_vjp",
    "linear_scan",
    "linear_scan_vjp",
    "log_linear_scan",
    "log_linear_scan_vjp",
    "lru",
    "lru_vjp",
    "lstm",
    "lstm_vjp",
    "scan",
    "selective_scan",
    "selective_scan_vjp",
    "simple_rnn",
    "simple_rnn_vjp",
    "sru",
    "sru_vjp",
]

at_home(
    __name__,
    CellGradients,
    GRUCell,
    LRUGradients,
    LSTMCell,
    RecurrentStack,
    SRUGradients,
    SelectiveScanGradients,
    SimpleRNNCell,
    affine_scan,
    affine_scan_vjp,
    from_onnx,
    from_safetensors,
    from_torch,
    gru,
    gru_vjp,
    linear_scan,
    linear_scan_vjp,
    log_linear_scan,
    log_linear_scan_vjp,
    lru,
    lru_vjp,
    lstm,
    lstm_vjp,
    scan,
    selective_scan,
    selective_scan_vjp,
    simple_rnn,
    simple_rnn_vjp,
    sru,
    sru_vjp,
)
