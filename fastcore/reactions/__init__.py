"""Reaction networks and their stochastic simulation.

Sources: Su Jianlin (苏剑林), *python简单实现gillespie模拟*, 2018, https://kexue.fm/archives/5607 (the Gillespie
algorithm in a few lines of Python); D. T. Gillespie, *Exact stochastic simulation of coupled chemical
reactions*, J. Phys. Chem. 81 (1977) 2340.
"""

from .._public import at_home
from ._fsp import Distribution, fsp
from ._net import read_net
from ._network import ReactionNetwork
from ._passages import Passages, first_passage
from ._reading import Reaction
from ._results import Jumps, Trajectories
from ._sbml import from_antimony, read_sbml
from ._sbml_writing import write_sbml
from ._simulate import simulate
from ._summaries import Curves, Histogram, Moments

__all__ = [
    "Curves",
    "Distribution",
    "Histogram",
    "Jumps",
    "Moments",
    "Passages",
    "Reaction",
    "ReactionNetwork",
    "Trajectories",
    "first_passage",
    "from_antimony",
    "fsp",
    "read_net",
    "read_sbml",
    "simulate",
    "write_sbml",
]

at_home(
    __name__, Curves, Distribution, Histogram, Jumps, Moments, Passages, Reaction, ReactionNetwork, Trajectories,
    first_passage, from_antimony, fsp, read_net, read_sbml, simulate, write_sbml,
)  # fmt: skip
