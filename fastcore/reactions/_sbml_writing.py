"""Networks written as SBML, which any of its programs reads, and `read_sbml` too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ._expressions import Expression
from ._laws import TIME
from ._network import ReactionNetwork

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMESPACE = "http://www.sbml.org/sbml/level3/version2/core"
_MATHML = "http://www.w3.org/1998/Math/MathML"
_TIME = "<csymbol encoding='text' definitionURL='http://www.sbml.org/sbml/symbols/time'>t</csymbol>"
_OPERATIONS = {
    "add": "plus", "subtract": "minus", "multiply": "times", "divide": "divide", "power": "power", "negative": "minus",
    "less": "lt", "less_equal": "leq", "equal": "eq", "not_equal": "neq", "and": "and", "or": "or", "not": "not",
    "minimum": "min", "maximum": "max", "absolute": "abs", "floor": "floor", "ceil": "ceiling", "sqrt": "root",
    "exp": "exp", "log": "ln", "log10": "log", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
}  # fmt: skip
_TRUTHS = ("less", "less_equal", "equal", "not_equal", "and", "or", "not")
_LOGIC = ("and", "or", "not")
_CHAINS = ("add", "multiply")
# Texts of formulas longer than this aren't written.
_LONGEST = 1_000_000
# Numbers are written out up to so many places: a power of ten could be rounded where it is read.
_MOST_PLACES = 60


def write_sbml(
    network: ReactionNetwork, path: str | os.PathLike[str] | None = None, *, deterministic: bool = False
) -> str | None:
    """Write a network as SBML, level 3 version 2.

    Parameters
    ----------
    network : ReactionNetwork
    path : path, optional
        The file, compressed by its suffix (.gz, .bz2, .xz, .zst), written whole or not at all. Default: return the
        text.
    deterministic : bool, default False
        Write the rate of ``2 A -> B @ k`` as ``k A**2``, for programs that solve equations, not as ``k A (A - 1)``,
        for those that simulate events.

    Returns
    -------
    str or None

    Raises
    ------
    OSError
        If the file can't be written.
    TypeError, ValueError
        If `network` isn't one, or a formula, written out, has more than a million characters.

    Notes
    -----
    Species are amounts, in a compartment of size 1 that formulas don't name; variables are parameters with assignment
    rules. SBML's kinetic laws are whole rates, so those of mass action are written out, with the volume. `read_sbml`
    gives back a network with the same rates, starts, variables and events, and the compartment as one more parameter.
    Names that can't be ids there (``A(b!1)``) get others, and are kept as ``name``. Linear in the text.

    Examples
    --------
    >>> from fastcore.reactions import ReactionNetwork, read_sbml, write_sbml
    >>> sir = ReactionNetwork("S + I -> 2 I @ beta; I -> R @ 1; beta = 0.002; S = 990; I = 10")
    >>> print(read_sbml(write_sbml(sir)))
    S + I -> 2 I @ beta*S*I
    I -> R @ 1*I
    compartment = 1.0
    beta = 0.002
    S = 990.0
    I = 10.0
    R = 0.0
    """
    if not isinstance(network, ReactionNetwork):
        raise TypeError(f"network must be a ReactionNetwork, got {type(network).__name__}")
    text = "\n".join(_Writer(network, bool(deterministic)).lines()) + "\n"
    if path is None:
        return text
    from .._texts import packing
    from .._whole import whole_file

    with whole_file(path) as file, packing(file, os.fsdecode(path)) as stream:
        stream.write(text.encode())
    return None


class _Writer:
    def __init__(self, network: ReactionNetwork, deterministic: bool) -> None:
        self.network, self.deterministic = network, deterministic
        self.taken: set[str] = set()
        known = (*network.species, *network.params, *network.variables)
        self.ids: dict[str, str] = {}
        for name in sorted(known, key=lambda name: _ID.fullmatch(name) is None):  # those that can keep theirs first
            self.ids[name] = self.fresh(name if _ID.fullmatch(name) else f"x_{re.sub('[^A-Za-z0-9_]+', '_', name)}")
        # A network that was read has a compartment that nothing names: it serves again.
        serves = network.params.get("compartment") is not None and "compartment" not in network.named_params
        self.serving = "compartment" if serves else None
        self.compartment = "compartment" if serves else self.fresh("compartment")

    def fresh(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def known(self, name: str) -> str:
        """The attributes of something that has a name."""
        own = self.ids[name]
        return f'id="{own}"' + ("" if own == name else f' name="{_escaped(name)}"')

    def lines(self) -> Iterator[str]:
        network = self.network
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield f'<sbml xmlns="{_NAMESPACE}" level="3" version="2">'
        yield "<model>"
        size = network.params[self.serving] if self.serving else 1.0
        compartment = (
            f'<compartment id="{self.compartment}" spatialDimensions="3"{_value("size", size)} constant="true"/>'
        )
        yield from _listed("Compartments", [compartment])
        yield from _listed("Species", self.species())
        yield from _listed("Parameters", self.parameters())
        starts = network.computed_starts
        yield from _listed(
            "InitialAssignments",
            (f'<initialAssignment symbol="{self.ids[name]}">{self.math(value)}</initialAssignment>'
             for name, value in starts.items()),
        )  # fmt: skip
        yield from _listed("Rules", self.rules())
        yield from _listed("Reactions", self.reactions())
        yield from _listed("Events", self.events())
        yield "</model>"
        yield "</sbml>"

    def species(self) -> Iterator[str]:
        amounts = self.network.given_starts
        changing = {name for reaction in self.network.reactions if reaction.continuous for name in reaction.products}
        for name in self.network.species:
            start = "" if name in self.network.computed_starts else _value("initialAmount", amounts.get(name, 0.0))
            yield (
                f'<species {self.known(name)} compartment="{self.compartment}"{start} hasOnlySubstanceUnits="true" '
                f'boundaryCondition="{str(name in changing).lower()}" constant="false"/>'
            )

    def rules(self) -> Iterator[str]:
        for name, value in self.network.variable_expressions.items():
            yield f'<assignmentRule variable="{self.ids[name]}">{self.math(value)}</assignmentRule>'
        for j, reaction in enumerate(self.network.reactions):
            if reaction.continuous:
                (name,) = reaction.products
                yield f'<rateRule variable="{self.ids[name]}">{self.wrapped(self.law(j))}</rateRule>'

    def parameters(self) -> Iterator[str]:
        for name, value in self.network.params.items():
            if name != self.serving:
                yield f'<parameter {self.known(name)}{_value("value", value)} constant="true"/>'
        for name in self.network.variables:
            yield f'<parameter {self.known(name)} constant="false"/>'

    def reactions(self) -> Iterator[str]:
        place = self.network.places
        for j, reaction in enumerate(self.network.reactions):
            if reaction.continuous:
                continue
            yield f'<reaction id="{self.fresh(f"r{j + 1}")}" reversible="false">'
            for side, listed in (("Reactants", reaction.reactants), ("Products", reaction.products)):
                references = (
                    f'<speciesReference species="{self.ids[name]}" stoichiometry="{n}" constant="true"/>'
                    for name, n in listed.items()
                )
                yield from _listed(side, references)
            there = {*reaction.reactants, *reaction.products}
            modifiers = [name for name in self.network.written_rate(j)[0].names if name in place and name not in there]
            yield from _listed(
                "Modifiers", (f'<modifierSpeciesReference species="{self.ids[name]}"/>' for name in modifiers)
            )
            yield f"<kineticLaw>{self.wrapped(self.law(j))}</kineticLaw>"
            yield "</reaction>"

    def law(self, j: int) -> str:
        """The whole rate: what is written, or what mass action makes of it."""
        rate, whole, scale = self.network.written_rate(j)
        formula = self.formula(rate)
        if whole:
            return formula.number()
        factors = [formula.number()] + ([_number(scale)] if scale != 1 else [])
        for name, n in self.network.reactions[j].reactants.items():
            own = f"<ci>{self.ids[name]}</ci>"
            for less in range(n):
                taken = 0 if self.deterministic else less
                factors.append(own if not taken else f"<apply><minus/>{own}{_number(taken)}</apply>")
        return factors[0] if len(factors) == 1 else f"<apply><times/>{''.join(factors)}</apply>"

    def events(self) -> Iterator[str]:
        for event in self.network.event_expressions:
            yield '<event useValuesFromTriggerTime="true">'
            before = "true" if event.before else "false"
            condition = self.wrapped(self.formula(event.trigger).truth())
            yield f'<trigger initialValue="{before}" persistent="true">{condition}</trigger>'
            changes = (
                f'<eventAssignment variable="{self.ids[name]}">{self.math(value)}</eventAssignment>'
                for name, value in event.assignments
            )
            yield from _listed("EventAssignments", changes)
            yield "</event>"

    def math(self, value: Expression) -> str:
        return self.wrapped(self.formula(value).number())

    def wrapped(self, formula: str) -> str:
        return f'<math xmlns="{_MATHML}">{formula}</math>'

    def formula(self, value: Expression) -> _Formula:
        if value.length > _LONGEST:
            raise ValueError(f"a formula of more than {_LONGEST:,} characters can't be written: {value.text[:80]}")
        found: list[_Formula] = []
        for kind, *operands in value.nodes:
            found.append(self.node(kind, operands, found))
        return found[-1]

    def node(self, kind: str, operands: Sequence[int | str | float], found: list[_Formula]) -> _Formula:
        if kind == "number":
            return _Formula(_number(float(operands[0])), kind)
        if kind == "name":
            name = str(operands[0])
            if name in self.ids:
                return _Formula(f"<ci>{self.ids[name]}</ci>", kind)
            return _Formula(_TIME if name == TIME else "<pi/>", kind)
        parts = [found[int(place)] for place in operands]
        if kind == "choose":
            condition, value, other = parts
            otherwise = "" if other.text == _NOTHING else f"<otherwise>{other.number()}</otherwise>"
            return _Formula(
                f"<piecewise><piece>{value.number()}{condition.truth()}</piece>{otherwise}</piecewise>", kind
            )
        texts = [part.truth() if kind in _LOGIC else part.number() for part in parts]
        # Sums of sums from left to right are one sum, and nest no deeper.
        if kind in _CHAINS and parts[0].kind == kind:
            texts[0] = parts[0].inside
        inside = "".join(texts)
        return _Formula(f"<apply><{_OPERATIONS[kind]}/>{inside}</apply>", kind, inside)


class _Formula(NamedTuple):
    """MathML, and what its operation is."""

    text: str
    kind: str
    inside: str = ""

    def number(self) -> str:
        """What counts: a truth is 1 or 0."""
        if self.kind not in _TRUTHS:
            return self.text
        return f"<piecewise><piece><cn>1</cn>{self.text}</piece><otherwise><cn>0</cn></otherwise></piecewise>"

    def truth(self) -> str:
        """What holds: a number that isn't 0."""
        return self.text if self.kind in _TRUTHS else f"<apply><neq/>{self.text}<cn>0</cn></apply>"


_NOTHING = "<notanumber/>"


def _escaped(text: str) -> str:
    from html import escape  # an import of the package doesn't load it

    return escape(text)


def _number(value: float) -> str:
    if value != value:
        return _NOTHING
    text = repr(float(value)).removesuffix(".0")
    if "e" in text:
        mantissa, exponent = text.split("e")
        if abs(int(exponent)) > _MOST_PLACES:
            return f'<cn type="e-notation">{mantissa}<sep/>{int(exponent)}</cn>'
        from decimal import Decimal  # an import of the package doesn't load it

        text = format(Decimal(text), "f")
    return f"<cn>{text}</cn>"


def _value(attribute: str, value: float) -> str:
    """An attribute, which isn't there for a parameter without a value."""
    return "" if value != value else f' {attribute}="{value!r}"'


def _listed(what: str, elements: Iterable[str]) -> Iterator[str]:
    """A list, unless it is empty."""
    opened = False
    for element in elements:
        if not opened:
            yield f"<listOf{what}>"
            opened = True
        yield element
    if opened:
        yield f"</listOf{what}>"
