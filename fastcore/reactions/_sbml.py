"""Networks in SBML, read by libsbml, and in Antimony, which its own library turns into SBML."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any

from .._extras import require
from ._events import Event
from ._expressions import Expression, Graph
from ._laws import TIME
from ._mathml import Mathematics, NotSupported
from ._network import ReactionNetwork
from ._reading import Parts, Reaction
from ._sources import source_bytes

# Words that mean something in our expressions, and so can't be names there.
_RESERVED = (TIME, "and", "or", "not")
# Elements in elements.
_DEEPEST = 1000
# Rates that are written as text; longer ones get a name.
_LONGEST_RATE = 1000
# Antimony's library keeps what it has read, for the whole process.
_one_at_a_time = threading.Lock()


def read_sbml(source: str | bytes | os.PathLike[str]) -> ReactionNetwork:
    """Read a reaction network from SBML (levels 2 and 3); needs the extra ``sbml``.

    Parameters
    ----------
    source : path, str or bytes
        A file (compressed ones too), or the text itself if it is bytes or has a ``<`` or a line end.

    Returns
    -------
    ReactionNetwork
        Amounts are its states, whatever unit the file has for a species. Compartments and constants are parameters,
        assignment rules variables, and parameters that events set or rate rules change species. A network with rate
        rules is for `ode` alone. A name that is reserved here (``t``, ``and``, ``or``, ``not``) gets a ``_`` after it;
        the parameter k of reaction R is ``R_k``.

    Raises
    ------
    ImportError
        If python-libsbml is missing.
    OSError
        If the file can't be read.
    ValueError
        If the text isn't SBML, or has an element that isn't supported (the guide lists them); it is named.

    Notes
    -----
    Linear in the file. In formulas a species is its amount if it has only substance units, and otherwise its
    concentration, the amount over the size of the compartment (1, if it isn't given); results show the amount. Kinetic
    laws are the rates of reactions as they stand. Initial amounts that are computed are whole numbers when they are
    within rounding of one. Sources: Hucka et al., *The systems biology markup language (SBML)*, Bioinformatics 19
    (2003) 524; Evans, Gillespie and Wilkinson, *The SBML discrete stochastic models test suite*, Bioinformatics 24
    (2008) 285.

    Examples
    --------
    >>> from fastcore.reactions import read_sbml
    >>> network = read_sbml('''
    ... <sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model>
    ...   <listOfCompartments><compartment id="cell" size="2" constant="true"/></listOfCompartments>
    ...   <listOfSpecies><species id="X" compartment="cell" initialConcentration="50" hasOnlySubstanceUnits="false"
    ...     boundaryCondition="false" constant="false"/></listOfSpecies>
    ...   <listOfReactions><reaction id="death" reversible="false" fast="false">
    ...     <listOfReactants><speciesReference species="X" stoichiometry="1" constant="true"/></listOfReactants>
    ...     <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><cn>0.1</cn><ci>cell</ci>
    ...     <ci>X</ci></apply></math></kineticLaw></reaction></listOfReactions>
    ... </model></sbml>''')
    >>> print(network)
    X -> 0 @ 0.1*cell*(X/cell)
    cell = 2.0
    X = 50*cell
    """
    libsbml = require("libsbml", "sbml", "read_sbml")
    name, data = source_bytes(source, "<")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} must be UTF-8, byte {error.start} isn't") from None
    text = text.lstrip()
    if not text.startswith("<?xml"):
        text = '<?xml version="1.0" encoding="UTF-8"?>' + text  # libsbml would take a line of its own for it
    _check_nesting(text, name)
    document = libsbml.readSBMLFromString(text)
    if document.getLevel() == 1:
        raise ValueError(f"{name}: SBML of level 1 isn't supported; libsbml converts it to level 3")
    for i in range(document.getNumErrors()):
        fault = document.getError(i)
        if fault.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            why = " ".join(fault.getMessage().split())[:300]
            raise ValueError(f"{name}, line {fault.getLine()}: not SBML: {why}")
    if document.getModel() is None:
        raise ValueError(f"{name} has no model")
    return _Reader(name, libsbml, document).network()


def from_antimony(source: str | bytes | os.PathLike[str]) -> ReactionNetwork:
    """Read a reaction network from Antimony; needs the extra ``antimony``.

    Parameters
    ----------
    source : path, str or bytes
        A file (compressed ones too), or the text itself if it is bytes or has a line end, a ``;`` or a ``->``.

    Returns
    -------
    ReactionNetwork
        What `read_sbml` makes of the SBML of its main model.

    Raises
    ------
    ImportError
        If antimony or python-libsbml is missing.
    OSError
        If the file can't be read.
    ValueError
        If the text isn't Antimony, or has an element that `read_sbml` doesn't support.

    Notes
    -----
    Source: L. P. Smith, F. T. Bergmann, D. Chandran and H. M. Sauro, *Antimony: a modular model definition language*,
    Bioinformatics 25 (2009) 2452.

    Examples
    --------
    With antimony installed::

        decay = from_antimony("A -> B; k*A; k = 0.5; A = 100; B = 0")
    """
    antimony = require("antimony", "antimony", "from_antimony")
    text_itself = isinstance(source, str) and (";" in source or "->" in source)
    name, data = source_bytes(source.encode() if text_itself else source)  # type: ignore[union-attr]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} must be UTF-8, byte {error.start} isn't") from None
    with _one_at_a_time:
        antimony.clearPreviousLoads()
        try:
            if antimony.loadAntimonyString(text) < 0:
                raise ValueError(f"{name}: not Antimony: {' '.join(antimony.getLastError().split())}")
            sbml = antimony.getSBMLString(antimony.getMainModuleName())
        finally:
            antimony.clearPreviousLoads()
    try:
        return read_sbml(sbml.encode())
    except ValueError as error:
        raise ValueError(f"{name}, as SBML: {error}") from None


class _Reader:
    """Turns a model into the parts of a network."""

    def __init__(self, name: str, libsbml: Any, document: Any) -> None:
        self.name, self.libsbml, self.document = name, libsbml, document
        self.model = document.getModel()
        self.parts = Parts([], strict=False)
        self.names: dict[str, str] = {}  # ours, of all that formulas may name
        self.taken: set[str] = set()
        self.species: dict[str, None] = {}  # in order
        self.constants: set[str] = set()
        self.sizes: dict[str, str] = {}  # species to compartments, where a species stands for a concentration
        self.held: set[str] = set()  # species that reactions don't change
        self.ruled: set[str] = set()  # by assignment rules
        self.rated: set[str] = set()  # by rate rules
        self.by_rules: set[str] = set()  # by either
        self.torn: set[str] = set()  # by either, though reactions may change them too
        self.set_by_events: set[str] = set()
        self.states: list[str] = []  # parameters that events or rate rules change: species that no reaction does
        self.stoichiometries: dict[str, float] = {}

    def network(self) -> ReactionNetwork:
        self.refuse_what_isnt_there()
        functions = {f.getId(): _function(f) for f in self.model.getListOfFunctionDefinitions()}
        self.math = Mathematics(self.libsbml, functions)
        assigned = self.initially_assigned()
        self.ruled = {rule.getVariable() for rule in self.model.getListOfRules() if rule.isAssignment()}
        self.rated = {rule.getVariable() for rule in self.model.getListOfRules() if rule.isRate()}
        self.set_by_events = {
            assignment.getVariable()
            for event in self.model.getListOfEvents()
            for assignment in event.getListOfEventAssignments()
        }
        self.by_rules = self.ruled | self.rated
        self.read_compartments(assigned)
        self.read_parameters(assigned)
        self.read_species(assigned)
        for reaction in self.model.getListOfReactions():
            self.name_of(reaction)
        self.read_stoichiometries()
        self.read_rules()
        self.read_initial_assignments(assigned)
        self.read_events()
        self.read_reactions()
        return ReactionNetwork._of(self.parts, tuple(self.species))

    # What elements are called, and what they say

    def wrong(self, element: Any, why: str) -> ValueError:
        return ValueError(f"{self.where(element)}: {why}")

    def where(self, element: Any) -> str:
        """The element as an error names it."""
        line, kind, name = element.getLine(), element.getElementName(), _called(element)
        at = f"{self.name}, line {line}" if line else self.name
        return f"{at}, {kind} {name!r}" if name else f"{at}, {kind}"

    def name_of(self, element: Any) -> str:
        """Our name for an element, which is new."""
        known = element.getId()
        if not known:
            raise self.wrong(element, "it must have an id")
        if known in self.names:
            raise self.wrong(element, f"the id {known!r} comes twice")
        self.names[known] = self.fresh(known, element)
        return self.names[known]

    def fresh(self, name: str, element: Any) -> str:
        while name in self.taken or name in _RESERVED:
            name += "_"
        self.taken.add(name)
        self.parts.places[name] = self.where(element)
        return name

    def formula(self, element: Any, tree: Any = None, local: Mapping[str, str] | None = None) -> Expression:
        """The mathematics of an element as an expression of our names."""
        tree = element.getMath() if tree is None else tree
        if tree is None:
            raise self.wrong(element, "it has no mathematics")
        graph = Graph()
        own = local or {}

        def place(name: str) -> int:
            if name in own:
                return graph("name", own[name])
            if name in self.stoichiometries:
                return graph("number", self.stoichiometries[name])
            if name not in self.names:
                raise self.wrong(element, f"its formula names {name!r}, which isn't in the model")
            node = graph("name", self.names[name])
            return graph("divide", node, graph("name", self.sizes[name])) if name in self.sizes else node

        try:
            whole = self.math.read(tree, graph, place)
        except NotSupported as error:
            raise self.wrong(element, str(error)) from None
        return Expression.of(graph.nodes[: whole + 1])

    def amount(self, species: str, value: Expression) -> Expression:
        """What a formula says of a species, as an amount."""
        return _times(value, self.sizes[species]) if species in self.sizes else value

    # Elements

    def refuse_what_isnt_there(self) -> None:
        document, model = self.document, self.model
        for i in range(document.getNumPlugins()):
            package = document.getPlugin(i).getPackageName()
            # What this one adds to formulas is read; level 2 has no packages that could be required.
            known = package == "l3v2extendedmath" or document.getLevel() < 3
            if not known and document.getPackageRequired(package):
                raise ValueError(f"{self.name}: the package {package!r} isn't supported")
        if model.isSetConversionFactor():
            raise self.wrong(model, "a conversion factor isn't supported")
        for rule in model.getListOfRules():
            if not (rule.isAssignment() or rule.isRate()):
                raise self.wrong(rule, "only assignment and rate rules are supported")

    def initially_assigned(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for assignment in self.model.getListOfInitialAssignments():
            if assignment.getSymbol() in found:
                raise self.wrong(assignment, "it comes twice")
            found[assignment.getSymbol()] = assignment
        return found

    def give(self, name: str, element: Any, value: float | None) -> None:
        """A value of a parameter or an amount; None comes with the call."""
        self.parts.values[name] = None if value is None else self.number(element, value)

    def number(self, element: Any, value: float) -> Expression:
        if not -float("inf") < value < float("inf"):
            raise self.wrong(element, f"its value must be finite, got {value}")
        return Expression.of([("number", value)])

    def read_compartments(self, assigned: Mapping[str, Any]) -> None:
        for compartment in self.model.getListOfCompartments():
            name = self.name_of(compartment)
            if compartment.getId() in self.by_rules:
                raise self.wrong(compartment, "a size that a rule gives isn't supported")
            if compartment.getId() not in assigned:
                self.give(name, compartment, compartment.getSize() if compartment.isSetSize() else 1.0)

    def read_parameters(self, assigned: Mapping[str, Any]) -> None:
        for parameter in self.model.getListOfParameters():
            name = self.name_of(parameter)
            own = parameter.getId()
            changes = own in self.set_by_events or own in self.rated
            if changes and own not in self.ruled and not parameter.getConstant():
                self.states.append(name)
            if own not in assigned and own not in self.ruled:
                self.give(name, parameter, parameter.getValue() if parameter.isSetValue() else None)

    def read_species(self, assigned: Mapping[str, Any]) -> None:
        for species in self.model.getListOfSpecies():
            name, own = self.name_of(species), species.getId()
            if species.isSetConversionFactor():
                raise self.wrong(species, "a conversion factor isn't supported")
            compartment = self.model.getCompartment(species.getCompartment())
            if compartment is None:
                raise self.wrong(species, f"its compartment {species.getCompartment()!r} isn't in the model")
            # A point has no size that an amount could be divided by; dimensions that aren't given are no point.
            point = compartment.isSetSpatialDimensions() and compartment.getSpatialDimensions() == 0
            if not (species.getHasOnlySubstanceUnits() or point):
                self.sizes[own] = self.names[compartment.getId()]
            if species.getBoundaryCondition() or species.getConstant() or own in self.by_rules:
                self.held.add(own)
            if own in self.by_rules and not species.getBoundaryCondition():
                self.torn.add(own)
            if own in self.ruled:
                continue
            self.species[name] = None
            if species.getConstant():
                self.constants.add(name)
            if own in assigned:
                continue
            if species.isSetInitialConcentration():
                given = self.number(species, species.getInitialConcentration())
                self.parts.values[name] = _times(given, self.names[compartment.getId()])
            else:
                self.give(name, species, species.getInitialAmount() if species.isSetInitialAmount() else 0.0)
        self.species.update(dict.fromkeys(self.states))

    def read_rules(self) -> None:
        seen: set[str] = set()
        for rule in self.model.getListOfRules():
            target = rule.getVariable()
            if target in seen:
                raise self.wrong(rule, f"it is the second rule for {target!r}")
            seen.add(target)
            if target not in self.names:
                raise self.wrong(rule, f"it is for {target!r}, which isn't in the model")
            if rule.isRate():
                if self.names[target] not in self.species or self.names[target] in self.constants:
                    raise self.wrong(rule, f"it is for {target!r}, which doesn't vary")
                continue
            self.parts.variables[self.names[target]] = self.amount(target, self.formula(rule))
            self.parts.places[self.names[target]] = self.where(rule)

    def read_initial_assignments(self, assigned: Mapping[str, Any]) -> None:
        """Amounts keep their expression; a parameter is what its expression is at the start, and varies no more."""
        parts = self.parts
        constants = set()
        for target, assignment in assigned.items():
            if target not in self.names or target in self.ruled:
                raise self.wrong(assignment, f"it is for {target!r}, which isn't in the model or has a rule")
            name = self.names[target]
            value = self.amount(target, self.formula(assignment)).with_numbers({TIME: 0.0})
            parts.places[name] = self.where(assignment)
            if name in self.species:
                parts.values[name] = value
            else:
                parts.variables[name] = value
                constants.add(name)
        if not constants:
            return
        at_start = {name: value for name, value in parts.values.items() if name in self.species and value} | {
            name: value.with_numbers({TIME: 0.0}) for name, value in parts.variables.items()
        }
        found: dict[str, Expression] = {}
        for name in _in_order(at_start, parts.places):
            found[name] = at_start[name].with_expressions(found)
        parts.variables.update((name, found[name]) for name in parts.variables if name in constants)

    # Reactions

    def references(self, reaction: Any) -> Iterator[tuple[bool, Any]]:
        for reference in reaction.getListOfReactants():
            yield True, reference
        for reference in reaction.getListOfProducts():
            yield False, reference

    def read_stoichiometries(self) -> None:
        """Coefficients that have ids, which formulas may name."""
        for reaction in self.model.getListOfReactions():
            for _, reference in self.references(reaction):
                own = reference.getId()
                if own:
                    if own in self.names or own in self.stoichiometries:
                        raise self.wrong(reference, f"the id {own!r} comes twice")
                    self.stoichiometries[own] = self.coefficient(reference)
        for rule in [*self.model.getListOfRules(), *self.model.getListOfInitialAssignments()]:
            target = rule.getVariable() if hasattr(rule, "getVariable") else rule.getSymbol()
            if target in self.stoichiometries:
                raise self.wrong(rule, f"{target!r} is a stoichiometry, and only numbers are supported there")

    def coefficient(self, reference: Any) -> float:
        value = float(reference.getStoichiometry())
        if self.document.getLevel() < 3:
            value /= reference.getDenominator()
        if reference.isSetStoichiometryMath():
            formula = self.formula(reference, reference.getStoichiometryMath().getMath())
            if formula.names:
                raise self.wrong(reference, f"its stoichiometry must be a number, got {formula.text}")
            value = float(formula.value({}))
        return value

    def side(self, reaction: Any, left: bool) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for reactant, reference in self.references(reaction):
            species = reference.getSpecies()
            if species not in self.held and self.names.get(species) not in self.species:
                raise self.wrong(reference, f"the species {species!r} of the reaction {reaction.getId()!r} isn't there")
            value = self.coefficient(reference)
            if species in self.torn:
                raise self.wrong(reference, f"the reaction {reaction.getId()!r} and a rule both change {species!r}")
            # Of what is held fixed there is as much before as after: nothing is used up, and nothing needed.
            if reactant is not left or species in self.held:
                continue
            if not (value >= 0 and value % 1 == 0 and value <= 10**6):
                text = f"the stoichiometry of {species!r} must be a whole number from 0 to 1000000, got {value:g}"
                raise self.wrong(reaction, text)
            if value:
                name = self.names[species]
                found[name] = found.get(name, 0) + int(value)
        return MappingProxyType(found)

    def read_reactions(self) -> None:
        named = self.named_reactions()
        for reaction in self.model.getListOfReactions():
            if reaction.isSetFast() and reaction.getFast():
                raise self.wrong(reaction, "fast reactions aren't supported")
            law = reaction.getKineticLaw()
            if law is None:
                raise self.wrong(reaction, "it has no kinetic law")
            reactants, products = self.side(reaction, True), self.side(reaction, False)
            name = self.names[reaction.getId()]
            rate = self.formula(law, local=self.local_parameters(reaction, law))
            if reactants and not self.of_states(rate):
                # A law without species is the whole rate, not a constant that mass action would multiply.
                graph = Graph()
                whole = graph.copied(rate.nodes)
                nothing = graph("multiply", graph("number", 0.0), graph("name", next(iter(reactants))))
                rate = Expression.of(graph.nodes[: graph("add", whole, nothing) + 1])
            text = name
            if name in named or not _readable(rate):
                self.parts.variables[name] = rate
            else:
                text = rate.text
            self.parts.reactions.append((self.where(reaction), Reaction(reactants, products, text)))
        for rule in self.model.getListOfRules():
            if rule.isRate():
                self.read_rate_rule(rule)

    def read_rate_rule(self, rule: Any) -> None:
        """A rate of change, as a reaction that makes what changes."""
        target = rule.getVariable()
        name = self.names[target]
        rate = self.amount(target, self.formula(rule))
        text = rate.text
        if not _readable(rate):
            text = self.fresh(f"rate_of_{name}", rule)
            self.parts.variables[text] = rate
        made = Reaction(MappingProxyType({}), MappingProxyType({name: 1}), text, True)
        self.parts.reactions.append((self.where(rule), made))

    def read_events(self) -> None:
        several = self.model.getNumEvents() > 1
        for event in self.model.getListOfEvents():
            if event.isSetDelay() and self.formula(event.getDelay()).nodes != (("number", 0.0),):
                raise self.wrong(event, "a delay isn't supported")
            if event.isSetPriority():
                raise self.wrong(event, "a priority isn't supported")
            trigger, before = event.getTrigger(), True
            if trigger is None:
                raise self.wrong(event, "it has no trigger")
            if self.document.getLevel() > 2:
                before = trigger.getInitialValue()
                # These differ from what is here only where events happen at the same moment.
                if several and not trigger.getPersistent():
                    raise self.wrong(event, "a trigger that isn't persistent isn't supported among several events")
            if several and event.isSetUseValuesFromTriggerTime() and not event.getUseValuesFromTriggerTime():
                raise self.wrong(event, "values of the time of assignment aren't supported among several events")
            changes = [self.change(event, assignment) for assignment in event.getListOfEventAssignments()]
            self.parts.events.append((self.where(event), Event(self.formula(trigger), tuple(changes), before)))

    def change(self, event: Any, assignment: Any) -> tuple[str, Expression]:
        target = assignment.getVariable()
        name = self.names.get(target, "")
        if name not in self.species or name in self.constants:
            text = f"it sets {target!r}, and only species and parameters that vary are supported there"
            raise self.wrong(event, text)
        return name, self.amount(target, self.formula(assignment))

    def local_parameters(self, reaction: Any, law: Any) -> dict[str, str]:
        found = {}
        for i in range(law.getNumParameters()):
            parameter = law.getParameter(i)
            own = parameter.getId()
            found[own] = self.fresh(f"{self.names[reaction.getId()]}_{own}", parameter)
            self.give(found[own], parameter, parameter.getValue() if parameter.isSetValue() else None)
        return found

    def named_reactions(self) -> set[str]:
        """Reactions that stand in formulas, for their rates."""
        ids = {self.names[reaction.getId()] for reaction in self.model.getListOfReactions()}
        found = {name for value in self.parts.variables.values() for name in value.names if name in ids}
        found |= {name for _, event in self.parts.events for name in event.names if name in ids}
        for rule in self.model.getListOfRules():
            if rule.isRate():
                found |= {self.names[name] for name in _names(rule.getMath()) if self.names.get(name) in ids}
        for reaction in self.model.getListOfReactions():
            law = reaction.getKineticLaw()
            names = _names(law.getMath()) if law is not None else set()
            own = {law.getParameter(i).getId() for i in range(law.getNumParameters())} if law is not None else set()
            found |= {self.names[name] for name in names - own if name in self.names and self.names[name] in ids}
        return found

    def of_states(self, rate: Expression) -> bool:
        """Whether a rate depends on species, also through variables."""
        seen: set[str] = set()
        left = list(rate.names)
        while left:
            name = left.pop()
            if name in self.species:
                return True
            if name not in seen:
                seen.add(name)
                left += self.parts.variables[name].names if name in self.parts.variables else ()
        return False


def _check_nesting(text: str, name: str) -> None:
    """Refuse what isn't XML, or what libsbml's recursion wouldn't survive."""
    from xml.parsers import expat  # an import of the package doesn't load it

    parser, depth = expat.ParserCreate(), 0

    def deeper(*_: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            line = parser.CurrentLineNumber
            raise ValueError(f"{name}, line {line}: elements nested more than {_DEEPEST} deep aren't supported")

    def back(_: Any) -> None:
        nonlocal depth
        depth -= 1

    def declared(*_: Any) -> None:
        raise ValueError(f"{name}, line {parser.CurrentLineNumber}: a DOCTYPE isn't supported")

    parser.StartElementHandler, parser.EndElementHandler = deeper, back
    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        why = expat.ErrorString(error.code)
        raise ValueError(f"{name}, line {error.lineno}: not SBML: it isn't XML: {why}") from None


def _called(element: Any) -> str:
    """What an element is known by: its id, or what it is for."""
    for get in ("getId", "getVariable", "getSymbol", "getSpecies"):
        name = str(getattr(element, get)()) if hasattr(element, get) else ""
        if name:
            return name
    parent = element.getParentSBMLObject()
    return _called(parent) if element.getElementName() == "kineticLaw" and parent is not None else ""


def _function(definition: Any) -> tuple[list[str], Any]:
    """A defined function's arguments and body."""
    arguments = [definition.getArgument(i).getName() for i in range(definition.getNumArguments())]
    return arguments, definition.getBody()


def _times(value: Expression, name: str) -> Expression:
    graph = Graph()
    whole = graph("multiply", graph.copied(value.nodes), graph("name", name))
    return Expression.of(graph.nodes[: whole + 1])


def _names(tree: Any) -> set[str]:
    """The names in a tree."""
    found, left = set(), [tree] if tree is not None else []
    while left:
        node = left.pop()
        if node.isName():
            found.add(node.getName())
        left += [node.getChild(i) for i in range(node.getNumChildren())]
    return found


def _readable(rate: Expression) -> bool:
    """Whether a rate's text isn't too long, or nested too deeply, to be read again."""
    if rate.length > _LONGEST_RATE:
        return False
    try:
        return bool(Expression(rate.text))
    except ValueError:
        return False


def _in_order(given: Mapping[str, Expression], places: Mapping[str, str]) -> list[str]:
    """Names, each after those that its expression names."""
    before = {name: [other for other in value.names if other in given] for name, value in given.items()}
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        name = error.args[1][0]
        raise ValueError(f"{places[name]}: it depends on itself") from None
