"""Rates as flat programs: what compiler, kernels and their twins agree on.

A program is a list of instructions ``(operation, a, b, c)``, each of which writes one number; operands are places in a
frame that holds the amounts of the species, the time, constants, and then the results of the instructions before.
"""

from __future__ import annotations

OPERATIONS = (
    "copy",
    "negative",
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "minimum",
    "maximum",
    "less",
    "less_equal",
    "equal",
    "not_equal",
    "and",
    "or",
    "not",
    "choose",
    "absolute",
    "floor",
    "ceil",
    "sqrt",
    "exp",
    "log",
    "log10",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
)
CODE = {name: code for code, name in enumerate(OPERATIONS)}


class BadRate(Exception):
    """A rate came out negative, infinite or NaN: which run, which reaction, when, and what it was."""

    def __init__(self, run: int, reaction: int, t: float, value: float) -> None:
        super().__init__(run, reaction, t, value)
        self.run, self.reaction, self.t, self.value = run, reaction, t, value


class BadEvent(Exception):
    """An event set what no count can be, or events set each other off without end: which run, event, when, what.

    The value is None where it didn't end.
    """

    def __init__(self, run: int, event: int, t: float, value: float | None) -> None:
        super().__init__(run, event, t, value)
        self.run, self.event, self.t, self.value = run, event, t, value
