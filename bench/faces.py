"""The faces of other libraries: what programs written for python-crfsuite take with `compat.pycrfsuite` in its place.

usaddress, probablepeople and pyvi load the models that they ship, and label 10,000 made addresses, names and sentences,
one a call, features and all.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from bench._harness import Workload, prepared

COUNT = 10_000
FACE = "fastcore.compat.pycrfsuite"
# What is loaded anew with the face in place, since it keeps what it imported.
LOADED = ("pycrfsuite", "sklearn_crfsuite", "usaddress", "probablepeople", "pyvi")


@contextmanager
def _aside() -> Iterator[None]:
    """Let modules be imported anew, and have the old ones back afterwards."""
    old = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in LOADED}
    for name in old:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in LOADED]:
            del sys.modules[name]
        sys.modules.update(old)


@cache
def loaded(name: str, face: bool) -> ModuleType:
    """A program's module, on python-crfsuite or on the face."""
    with _aside():
        if face:
            sys.modules["pycrfsuite"] = importlib.import_module(FACE)
        return importlib.import_module(name)


STREETS = [
    "Main", "Oak", "Pine", "Maple", "Cedar", "Elm", "Washington", "Lake", "Hill", "Park", "Walnut", "Spring",
    "North", "Ridge", "Church", "Willow", "Mill", "Sunset",
]  # fmt: skip
KINDS = [
    "St", "St.", "Street", "Ave", "Avenue", "Blvd", "Rd", "Road", "Ln", "Dr", "Drive", "Ct", "Pl", "Way", "Pkwy",
]  # fmt: skip
CITIES = [
    "Chicago,IL", "Springfield,MO", "Austin,TX", "Portland,OR", "Boston,MA", "Denver,CO", "Miami,FL",
    "Seattle,WA", "Phoenix,AZ",
]  # fmt: skip
UNITS = ("Apt {}", "Suite {}", "Unit {}", "# {}", "Fl {}")
GIVEN = [
    "James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "Ana", "José", "Wei",
    "Fatima", "Olga", "Sven", "Priya", "Kwame",
]  # fmt: skip
FAMILY = [
    "Smith", "Johnson", "Williams", "O'Brien", "García", "Müller", "Nguyen", "Lee", "van-Dyke", "Petrov",
    "Okafor", "Singh", "MacDonald", "Rossi",
]  # fmt: skip
TITLES = ("Mr.", "Mrs.", "Dr.", "Prof.", "Rev.")
FIRMS = ("Inc.", "LLC", "& Sons", "Company", "Corp", "Foundation", "Group Ltd")
TRADES = [
    "Global", "United", "Pacific", "Northern", "Summit", "Digital", "Advanced", "Family", "General", "Premier",
]  # fmt: skip
GOODS = ["Foods", "Systems", "Plumbing", "Bank", "Insurance", "Motors", "Books", "Energy", "Design", "Health"]


def _address(pick: random.Random) -> str:
    if pick.random() < 0.1:
        city, state = pick.choice(CITIES).split(",")
        return f"PO Box {pick.randrange(1, 9999)}, {city}, {state} {pick.randrange(10000, 99999)}"
    parts = [str(pick.randrange(1, 9999))]
    if pick.random() < 0.3:
        parts.append(pick.choice(["N", "S", "E", "W", "NW", "SE"]))
    parts += [pick.choice(STREETS), pick.choice(KINDS)]
    if pick.random() < 0.3:
        parts.append(pick.choice(UNITS).format(pick.randrange(1, 99)))
    city, state = pick.choice(CITIES).split(",")
    parts[-1] += pick.choice([",", ""])
    return " ".join([*parts, f"{city},", state, str(pick.randrange(10000, 99999))])


def _name(pick: random.Random) -> str:
    if pick.random() < 0.4:
        return " ".join([pick.choice(TRADES), pick.choice(GOODS), pick.choice(FIRMS)])
    parts = [pick.choice(GIVEN), *([f"{pick.choice('ABCDEFG')}."] if pick.random() < 0.4 else []), pick.choice(FAMILY)]
    if pick.random() < 0.3:
        parts.insert(0, pick.choice(TITLES))
    if pick.random() < 0.2:
        parts.append(pick.choice(["Jr.", "III", "MD", "PhD"]))
    if pick.random() < 0.15:
        parts += ["and", pick.choice(GIVEN), pick.choice(FAMILY)]
    return " ".join(parts)


def _made(one, seed: int) -> list[str]:
    pick = random.Random(seed)
    return [one(pick) for _ in range(COUNT)]


SYLLABLES = [
    "anh", "ba", "bạn", "biết", "buổi", "cà", "cho", "chúng", "có", "công", "con", "cơm", "của", "dân", "đang",
    "đến", "đi", "địa", "đọc", "được", "gia", "giáo", "hà", "học", "hôm", "khoa", "kinh", "làm", "lớn", "mới",
    "mưa", "nam", "nay", "người", "nhà", "nhiều", "nội", "nước", "phê", "phố", "quốc", "sách", "sáng", "sinh",
    "sống", "tế", "thành", "thích", "tỉnh", "tôi", "trời", "trường", "ty", "uống", "và", "về", "việt", "viên",
    "với", "xã", "xanh",
]  # fmt: skip


def _sentence(pick: random.Random) -> str:
    words = [pick.choice(SYLLABLES) for _ in range(pick.randrange(6, 22))]
    if pick.random() < 0.3:
        words.insert(pick.randrange(1, len(words)), str(pick.randrange(1, 2030)))
    return " ".join([words[0].capitalize(), *words[1:]]) + pick.choice([".", " ?", ""])


def _runners(name: str, function):
    """On the face and on the peer: `function` gives the labels of one text, by a module."""

    def runner(face: bool):
        def factory(texts):
            module = loaded(name, face)
            return lambda: [function(module, text) for text in texts]

        return prepared(factory)

    return {"fastcore": runner(True), "python-crfsuite": runner(False)}


def _workload(what: str, module: str, function, one, unit: str) -> Workload:
    return Workload(
        name=f"faces.{what}",
        make=lambda: _made(one, 7),
        runners=_runners(module, function),
        # The models are loaded once, on the kernels.
        twin=False,
        amount=lambda texts: (len(texts) / 1e3, f"thousand {unit}"),
    )


WORKLOADS = [
    _workload("usaddress", "usaddress", lambda it, text: it.parse(text), _address, "addresses"),
    _workload("probablepeople", "probablepeople", lambda it, text: it.parse(text), _name, "names"),
    _workload("pyvi.tokenize", "pyvi.ViTokenizer", lambda it, text: it.tokenize(text), _sentence, "sentences"),
    _workload(
        "pyvi.postagging",
        "pyvi.ViPosTagger",
        lambda it, text: [*map(list, it.postagging(text))],
        _sentence,
        "sentences",
    ),
]
