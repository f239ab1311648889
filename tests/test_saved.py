"""What an earlier version wrote, pickles and files, this one reads and understands alike."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fastcore.lexicon import Lexicon
from fastcore.ngrams import NgramTable, count_ngrams

from .saved.write import OBJECTS, TEXTS, WORDS

VERSIONS = sorted(path for path in (Path(__file__).parent / "saved").iterdir() if path.is_dir() and path.name[0] != "_")
KEPT = [
    (folder, path.stem) for folder in VERSIONS for path in sorted(folder.glob("*.pickle")) if path.stem != "answers"
]


def test_every_object_is_kept():
    assert VERSIONS
    assert {name for folder, name in KEPT if folder == VERSIONS[-1]} == set(OBJECTS)


@pytest.mark.parametrize(("folder", "name"), KEPT, ids=lambda it: it if isinstance(it, str) else it.name)
def test_objects(backend, folder, name):
    answers = pickle.loads((folder / "answers.pickle").read_bytes())
    kept = pickle.loads((folder / f"{name}.pickle").read_bytes())
    assert OBJECTS[name][1](kept) == answers[name]


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda it: it.name)
def test_files(backend, folder):
    expected = count_ngrams(TEXTS, (1, 2)).to_dict()
    assert NgramTable.load(folder / "ngrams.npz").to_dict() == expected
    assert NgramTable.load(folder / "ngrams").to_dict() == expected
    assert dict(Lexicon.load(folder / "words.txt")) == dict(Lexicon.load(folder / "words.lexicon")) == WORDS


def test_pickles_name_public_modules_of_public_classes():
    for folder, name in KEPT:
        data = (folder / f"{name}.pickle").read_bytes()
        assert b"_kernels" not in data
        assert OBJECTS[name][0]().__class__.__module__.count("._") == 0
