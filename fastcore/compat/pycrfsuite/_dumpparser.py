"""What a model says of itself: as text, and parsed."""

from __future__ import annotations

from collections.abc import Iterator

from ...crf._crfsuite import Contents


class ParsedDump:
    """What ``Tagger.info()`` returns.

    Attributes
    ----------
    header : dict of str to str
        The file's header.
    labels, attributes : dict of str to str
        Names to their numbers.
    transitions, state_features : dict
        (label, label) and (attribute, label) to weights, of six decimal places as in a dump.
    """

    def __init__(self) -> None:
        self.header: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.transitions: dict[tuple[str, str], float] = {}
        self.state_features: dict[tuple[str, str], float] = {}


def header_of(contents: Contents) -> dict[str, str]:
    """The header as a dump has it."""
    numbers = {name: f"0x{n:X}" if name.startswith("off_") else str(n) for name, n in contents.header.items()}
    return {"magic": "lCRF", "size": numbers.pop("size"), "type": "FOMC", **numbers}


def _weights(contents: Contents) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    """Transitions and state features as (from, to, weight)."""
    features, weights = contents.model.features, [f"{weight:f}" for weight in contents.model.weights.tolist()]
    labels, count = features.state_labels.tolist(), len(features.state_labels)
    bounds = features.offsets.tolist()
    states = [(a, labels[k], weights[k]) for a in range(len(bounds) - 1) for k in range(bounds[a], bounds[a + 1])]
    return [(i, j, weight) for (i, j), weight in zip(features.transitions.tolist(), weights[count:])], states


def parsed(contents: Contents) -> ParsedDump:
    """What there is to know of a model."""
    labels, attributes = contents.model.classes, contents.model.attributes
    found = ParsedDump()
    found.header = header_of(contents)
    found.labels = {name: str(number) for number, name in enumerate(labels)}
    found.attributes = {name: str(number) for number, name in enumerate(attributes)}
    transitions, states = _weights(contents)
    found.transitions = {(labels[i], labels[j]): float(weight) for i, j, weight in transitions}
    found.state_features = {(attributes[a], labels[j]): float(weight) for a, j, weight in states}
    return found


def lines(contents: Contents) -> Iterator[str]:
    """A model as text, line by line."""
    labels, attributes = contents.model.classes, contents.model.attributes
    transitions, states = _weights(contents)
    yield "FILEHEADER = {"
    yield from (f"  {name}: {value}" for name, value in header_of(contents).items())
    for title, names in (("LABELS", labels), ("ATTRIBUTES", attributes)):
        yield from ("}", "", f"{title} = {{")
        yield from (f"  {number:5d}: {name}" for number, name in enumerate(names))
    for title, kind, found, names in (
        ("TRANSITIONS", 1, transitions, labels),
        ("STATE_FEATURES", 0, states, attributes),
    ):
        yield from ("}", "", f"{title} = {{")
        yield from (f"  ({kind}) {names[i]} --> {labels[j]}: {weight}" for i, j, weight in found)
    yield from ("}", "")
