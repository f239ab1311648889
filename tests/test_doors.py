"""One door for texts: every public function takes them from everywhere, and says alike what is wrong."""

from __future__ import annotations

import gzip
import importlib
import inspect
import io
import pkgutil
import re
import tempfile
from collections.abc import Callable
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import fastcore
from fastcore.compat.nlp_zero import Word_Finder
from fastcore.crf import Segmenter
from fastcore.discovery import WordFinder
from fastcore.embeddings import CBOW, SkipGram
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.ngrams import NgramCounter, NgramVectorizer, count_ngrams, count_skipgrams
from fastcore.templates import Parser, TemplateFinder

TEXTS = ["看 电影 吗", "", "看 电影院 é𝄞", "看 书", "书店 电影 票"]
TOKENIZER = Tokenizer(Lexicon({"电影": 3, "电影院": 2, "看": 1}))
SEGMENTER = Segmenter(min_freq=1, max_iterations=3).fit([["看", "电影"], ["看", "书"]])


def counter(**options: Any) -> Callable[..., Any]:
    def count(texts: Any, pattern: str | None = None, **manner: Any) -> Any:
        made = NgramCounter(2, **options, **manner)
        made.update(texts, pattern=pattern)
        return made.finish().to_dict()

    return count


def in_two_steps(texts: Any, **manner: Any) -> Any:
    return WordFinder(min_pmi=0).partial_fit(TEXTS).finish(texts, **manner).words_


def learned(texts: Any, **manner: Any) -> Any:
    return WordFinder(min_pmi=0).partial_fit(texts, **manner).finish(TEXTS).words_


def segmenter(texts: Any, **manner: Any) -> Any:
    made = Segmenter(min_freq=1, max_iterations=3).fit(texts, **manner)
    return made.segment_many(TEXTS), made.loss_


def vectors(texts: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
    made = NgramVectorizer(analyzer="char", encoding=encoding, decode_error=errors)
    counts = made.fit_transform(texts)
    return made.get_feature_names_out().tolist(), counts.toarray().tolist()


def transformed(texts: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
    made = NgramVectorizer(analyzer="char", encoding=encoding, decode_error=errors).fit(TEXTS)
    return made.transform(texts).toarray().tolist()


def embedded(model: type[SkipGram] | type[CBOW]) -> Callable[..., Any]:
    def fit(token_lists: Any, **manner: Any) -> Any:
        made = model(dim=3, min_count=1, epochs=1, subsample=0, rng=1).fit(token_lists, **manner)
        return made.vocabulary, made.vectors.tolist()

    return fit


TEMPLATES = TemplateFinder(str.split, min_count=1).fit(TEXTS)
PARSER = Parser(TEMPLATES.to_trie(min_words=1), str.split)

# Every public function that takes texts, by the names of class and function.
DOORS: dict[str, Callable[..., Any]] = {
    "count_ngrams": lambda texts, **manner: count_ngrams(texts, (1, 2), **manner).to_dict(),
    "count_ngrams of tokens": lambda texts, **manner: count_ngrams(texts, 2, unit="token", **manner).to_dict(),
    "count_ngrams split": lambda texts, **manner: count_ngrams(texts, 1, split=re.compile(" "), **manner).to_dict(),
    "count_ngrams, workers": lambda texts, **manner: count_ngrams(texts, 2, workers=2, **manner).to_dict(),
    "count_ngrams, executor": lambda texts, **manner: count_ngrams(texts, 2, workers=map, **manner).to_dict(),
    "NgramCounter.update": counter(),
    "count_skipgrams": lambda texts, **manner: dict(count_skipgrams(texts, 2, **manner).items()),
    "SkipGram.fit": embedded(SkipGram),
    "CBOW.fit": embedded(CBOW),
    "NgramVectorizer.fit_transform": vectors,
    "NgramVectorizer.transform": transformed,
    "Tokenizer.tokenize_many": lambda texts, **manner: TOKENIZER.tokenize_many(texts, **manner),
    "Tokenizer.encode_many": lambda texts, **manner: [a.tolist() for a in TOKENIZER.encode_many(texts, **manner)],
    "WordFinder.fit": lambda texts, **manner: WordFinder(min_pmi=0).fit(texts, **manner).words_,
    "WordFinder.fit, ngram": lambda texts, **m: WordFinder(method="ngram", min_count=1).fit(texts, **m).words_,
    "WordFinder.partial_fit": learned,
    "WordFinder.finish": in_two_steps,
    "TemplateFinder.fit": lambda texts, **m: (
        TemplateFinder(str.split, min_pmi=0, min_count=1).fit(texts, **m).templates_
    ),
    "TemplateFinder.predict": lambda texts, **m: TEMPLATES.predict(texts, **m),
    "TemplateFinder.fillers": lambda texts, **m: TEMPLATES.fillers(texts, **m),
    "Parser.equivalence_classes": lambda texts, **m: PARSER.equivalence_classes(texts, **m),
    "Segmenter.fit": segmenter,
    "Segmenter.segment_many": lambda texts, **manner: SEGMENTER.segment_many(texts, **manner),
    "Segmenter.evaluate": lambda texts, **manner: SEGMENTER.evaluate(texts, **manner),
}
# What these names say is done by another of them, or the face of another library decides what is taken.
ELSEWHERE = {
    "NgramVectorizer.fit": "NgramVectorizer.fit_transform",
    "Segmenter.predict": "scikit-learn's, with lists that hold texts or their words",
    "Segmenter.score": "scikit-learn's",
    "Word_Finder.train": "compat",
    "Word_Finder.find": "compat",
    "Word_Finder.texts": "compat",
    "Template_Finder.texts": "compat",
    "Template_Finder.train": "compat",
    "Template_Finder.find": "compat",
}
# scikit-learn's signature has no place for it.
NO_PATTERN = ("NgramVectorizer.fit_transform", "NgramVectorizer.transform")


def written(folder: Path, name: str, texts: list[str], encoding: str = "utf-8", end: str = "\n") -> Path:
    path = folder / name
    path.write_bytes("".join(text + end for text in texts).encode(encoding))
    return path


def packed(folder: Path, name: str, texts: list[str]) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress("\n".join(texts).encode()))
    return path


def mapped(folder: Path) -> mmap:
    with open(written(folder, "mapped", TEXTS), "rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def as_folder(folder: Path) -> Path:
    (folder / "texts" / "deep").mkdir(parents=True)
    written(folder / "texts", "a.txt", TEXTS[:2])
    written(folder / "texts" / "deep", "b.txt", TEXTS[2:])
    return folder / "texts"


SLICED = pa.array(["not", *TEXTS, "these"])[1:-1]
# Wherever texts come from, by way of a folder of the test's own.
SOURCES: dict[str, Callable[[Path], Any]] = {
    "tuple": lambda folder: tuple(TEXTS),
    "iterator": lambda folder: iter(TEXTS),
    "numpy array": lambda folder: np.array(TEXTS),
    "numpy array of objects": lambda folder: np.array(TEXTS, object),
    "numpy array of bytes": lambda folder: np.array([text.encode() for text in TEXTS]),
    "pandas Series": lambda folder: pd.Series(TEXTS),
    "bytes one by one": lambda folder: [text.encode() for text in TEXTS],
    "iterator of bytes": lambda folder: (text.encode() for text in TEXTS),
    "Arrow string": lambda folder: pa.array(TEXTS),
    "Arrow slice": lambda folder: SLICED,
    "Arrow large_string": lambda folder: pa.array(TEXTS, pa.large_string()),
    "Arrow string_view": lambda folder: pa.array(TEXTS, pa.string_view()),
    "Arrow chunks": lambda folder: pa.chunked_array([TEXTS[:1], [], TEXTS[1:]], pa.string()),
    "Arrow null": lambda folder: pa.array([text or None for text in TEXTS]),
    "Arrow dictionary": lambda folder: pa.array(TEXTS).dictionary_encode(),
    "Arrow dictionary null": lambda folder: pa.array([text or None for text in TEXTS]).dictionary_encode(),
    "Arrow dictionary chunks": lambda folder: pa.chunked_array([TEXTS[:2], TEXTS[2:]]).dictionary_encode(),
    "path": lambda folder: written(folder, "texts", TEXTS),
    "path, no last line end": lambda folder: packed(folder, "texts.gz", TEXTS),
    "path, CRLF": lambda folder: written(folder, "texts", TEXTS, end="\r\n"),
    "path, marked": lambda folder: written(folder, "texts", TEXTS, "utf-8-sig"),
    "list of paths": lambda folder: [written(folder, "a", TEXTS[:3]), written(folder, "b", TEXTS[3:])],
    "iterator of paths": lambda folder: iter([written(folder, "a", TEXTS[:1]), packed(folder, "b.gz", TEXTS[1:])]),
    "folder": as_folder,
    "bytes of lines": lambda folder: "\n".join(TEXTS).encode(),
    "bytearray of lines": lambda folder: bytearray("\r\n".join(TEXTS).encode()),
    "memoryview": lambda folder: memoryview("\n".join(TEXTS).encode()),
    "memory map": mapped,
    "open text file": lambda folder: written(folder, "texts", TEXTS, end="\r\n").open(encoding="utf-8"),
    "open text file, ends kept": lambda folder: written(folder, "t", TEXTS, end="\r\n").open(
        encoding="utf-8", newline=""
    ),
    "open binary file": lambda folder: written(folder, "texts", TEXTS).open("rb"),
    "unbuffered file": lambda folder: written(folder, "texts", TEXTS).open("rb", buffering=0),
    "StringIO": lambda folder: io.StringIO("\n".join(TEXTS)),
    "BytesIO": lambda folder: io.BytesIO("\n".join(TEXTS).encode()),
    "temporary file": lambda folder: open_temporary(folder),
}


def open_temporary(folder: Path) -> Any:
    file = tempfile.NamedTemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115 the test closes it
    file.write("\n".join(TEXTS) + "\n")
    file.seek(0)
    return file


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return DOORS[request.param]


@pytest.fixture(params=[name for name in DOORS if name not in NO_PATTERN])
def folder_door(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return DOORS[request.param]


TEXTS_ARE_CALLED = {"texts", "token_lists", "raw_documents", "sents", "gold"}


def test_all_doors_are_known():
    found = set()
    for module in pkgutil.walk_packages(fastcore.__path__, "fastcore."):
        # torch isn't among the tests' requirements, and the layer takes no texts.
        if any(part.startswith("_") for part in module.name.split(".")) or ".reference" in module.name:
            continue
        if module.name == "fastcore.compat.torchcrf":
            continue
        public = importlib.import_module(module.name)
        for name in getattr(public, "__all__", ()):
            value = getattr(public, name)
            functions = [(name, value)] if inspect.isfunction(value) else []
            if inspect.isclass(value):
                members = inspect.getmembers(value, inspect.isfunction)
                functions = [(f"{name}.{member}", f) for member, f in members if not member.startswith("_")]
            for called, function in functions:
                if {"texts", "token_lists", "raw_documents", "sents", "gold"} & set(
                    inspect.signature(function).parameters
                ):
                    found.add(called)
    assert found - set(ELSEWHERE) == {name.partition(",")[0].partition(" ")[0] for name in DOORS}
    assert {name for name in ELSEWHERE if not name.partition(".")[0].endswith("_Finder")} <= found


@cache
def expected(name: str, backend: str) -> Any:
    return DOORS[name](list(TEXTS))


@pytest.mark.parametrize("source", SOURCES)
def test_texts_from_everywhere(backend, tmp_path, source):
    for i, (name, door) in enumerate(DOORS.items()):
        folder = tmp_path / str(i)
        folder.mkdir()
        texts = SOURCES[source](folder)
        assert door(texts) == expected(name, backend.name), name
        if hasattr(texts, "readline"):
            assert not texts.closed, "it isn't ours"
            texts.close()


def test_a_line_ends_at_a_line_feed(backend, tmp_path, door):
    lines = ["看 电影\r", "", "\r", "看\r书 \u2028票", "看 书\r"]
    expected = door(lines)
    data = "\r\n".join(lines).encode()
    (tmp_path / "texts").write_bytes(data)
    for texts in (tmp_path / "texts", data, io.BytesIO(data), io.StringIO(data.decode(), newline="\n")):
        assert door(texts) == expected


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-32-be", "UTF8"])
def test_encodings(backend, tmp_path, door, encoding):
    path = written(tmp_path, "texts", TEXTS, encoding)
    expected = door(list(TEXTS))
    for texts in (path, [path], path.read_bytes(), io.BytesIO(path.read_bytes()), [t.encode(encoding) for t in TEXTS]):
        assert door(texts, encoding=encoding) == expected


def test_errors(backend, tmp_path, door):
    for errors, mended in (("replace", "看 电\ufffd影"), ("ignore", "看 电影")):
        path = tmp_path / "texts"
        data = "看 电".encode() + b"\xff" + "影".encode()
        path.write_bytes(data + b"\r\n" + TEXTS[2].encode())
        expected = door([mended, TEXTS[2]])
        for texts in (path, path.read_bytes(), [data, TEXTS[2].encode()]):
            assert door(texts, errors=errors) == expected


def test_patterns(backend, tmp_path, folder_door):
    folder = as_folder(tmp_path)
    (folder / "a.bin").write_bytes(b"\xff")
    (folder / "dangling.bin").symlink_to("nowhere")
    assert folder_door(folder, pattern="*.txt") == folder_door(list(TEXTS))
    assert folder_door([folder, folder], pattern="deep/*.txt") == folder_door(TEXTS[2:] * 2)
    # A file that is named is meant.
    assert folder_door(folder / "a.txt", pattern="*.csv") == folder_door(TEXTS[:2])
    with pytest.raises(ValueError, match=r"the folder .*texts holds no file that matches '\*\.csv'"):
        folder_door(folder, pattern="*.csv")
    for texts in (list(TEXTS), "\n".join(TEXTS).encode(), pa.array(TEXTS), io.BytesIO(b"a b")):
        with pytest.raises(ValueError, match=r"pattern must be None where \w+ are no path"):
            folder_door(texts, pattern="*.txt")
    with pytest.raises(TypeError, match="pattern must be a str or None, got int"):
        folder_door(folder, pattern=3)


BAD = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xb8", b"\x80", b"\xf0\x80\x80\x80")


def test_a_bad_byte_is_counted_alike(backend, tmp_path, door):
    path = tmp_path / "bad.txt"
    for bad in BAD:
        option = "decode_error" if door in (vectors, transformed) else "errors"
        said = rf"not UTF-8 \(0x{bad[0]:02x}\); pass {option}='replace' to let it be"
        for mark in (b"", b"\xef\xbb\xbf"):
            for before, line, byte in ((b"", 1, 1 + len(mark)), ("a b\r\n\n电影 x".encode(), 3, 9)):
                path.write_bytes(mark + before + bad + b" end\nmore\n")
                for texts, name in ((path, "bad.txt"), (path.read_bytes(), r"^\w+")):
                    with pytest.raises(ValueError, match=rf"{name}, line {line}, byte {byte}: {said}"):
                        door(texts)
        if door not in (vectors, transformed):
            with pytest.raises(ValueError, match=rf"^\w+\[1\], byte 4: {said}"):
                door([b"a b", b"a b" + bad + b" end"])
    with open(path, "rb") as file, pytest.raises(ValueError, match=r"bad\.txt, line 3, byte 9"):
        door(file)


def test_the_place_of_a_text_beyond_the_first_block(backend, door):
    if door in (vectors, transformed):
        return  # scikit-learn's own words
    n = 5000
    with pytest.raises(TypeError, match=rf"^\w+\[{n - 1}\] must be"):
        door(["a b"] * (n - 1) + [5])
    data = np.frombuffer(b"a b" * (n - 1) + b"a\xff ", np.uint8)
    offsets = np.arange(0, 3 * n + 1, 3, dtype=np.int32)
    array = pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    with pytest.raises(ValueError, match=rf"^\w+\[{n - 1}\], byte 2: not UTF-8"):
        door(array)


def test_a_bad_byte_of_another_encoding(backend, tmp_path, door):
    path = tmp_path / "bad.txt"
    for encoding, bad, name in (("gb18030", b"\xff", "GB18030"), ("utf-16-le", b"\x00\xdc", "UTF-16-LE")):
        path.write_bytes("a b\n电影\nx 电".encode(encoding) + bad + "更多\n".encode(encoding))
        byte = 1 + len("x 电".encode(encoding))
        with pytest.raises(ValueError, match=rf"bad\.txt, line 3, byte {byte}: not {name} \(0x{bad[0]:02x}\)"):
            door(path, encoding=encoding)


def test_bad_bytes_behind_a_mark(backend, tmp_path, door):
    """Places count the mark, whoever takes it off; without the one that it needs, UTF-16 isn't read."""
    path = tmp_path / "bad.txt"
    for encoding, data, words in (
        ("utf-8-sig", "\ufeffab cd".encode() + b"\xff", r"byte 9: not UTF-8-SIG \(0xff\)"),
        ("utf-16", "\ufeffa b".encode("utf-16-le") + b"\x00\xdc", r"byte 9: not UTF-16 \(0x00\)"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            door(path, encoding=encoding)
        # Vectorizers decode what isn't a file as scikit-learn's do, whose error is Python's.
        with pytest.raises(ValueError, match=f"{words}|codec can't decode byte"):
            door([data], encoding=encoding)
    path.write_bytes("a b".encode("utf-16-le"))
    with pytest.raises(ValueError, match=r"bad\.txt: UTF-16 must begin with a byte order mark"):
        door(path, encoding="utf-16")


@pytest.mark.parametrize(
    ("texts", "error", "words"),
    [
        ("abc", TypeError, "must be an iterable of texts or a path, got a bare str"),
        (None, TypeError, "must be an iterable of texts or a path, got NoneType"),
        ({"a b": 3}, TypeError, "must be an iterable of texts or a path, got a dict"),
        (7, TypeError, "must be an iterable of texts or a path, got int"),
        (np.array("a"), TypeError, "must be an iterable of texts or a path, got (ndarray|a bare str)"),
        (pa.array([1]), TypeError, "must be a pyarrow array of strings, got int64"),
        (pa.array([1]).dictionary_encode(), TypeError, "must be a pyarrow array of strings, got int64"),
        (pa.table({"a": ["b"]}), TypeError, "must be one column of a table, got all of a Table"),
        (pd.DataFrame({"a": ["b"]}), TypeError, "must be one column of a table, got all of a DataFrame"),
        ([Path("tests"), "a"], TypeError, "must not mix paths with other types, got str"),
        (Path("no such file"), FileNotFoundError, "no such file"),
    ],
)
def test_what_is_no_text(backend, door, texts, error, words):
    if isinstance(texts, str) and door in (vectors, transformed):
        error, words = ValueError, "string object received"  # scikit-learn's own words
    with pytest.raises(error, match=words):
        door(texts)


def test_manners(door):
    for manner, error, words in (
        ({"encoding": "klingon"}, ValueError, "encoding must be the name of a text encoding, got 'klingon'"),
        ({"encoding": "base64"}, ValueError, "encoding must be the name of a text encoding, got 'base64'"),
        ({"encoding": "idna"}, ValueError, "encoding must be the name of a text encoding, got 'idna'"),
        ({"encoding": "undefined"}, ValueError, "encoding must be the name of a text encoding, got 'undefined'"),
        ({"encoding": 3}, TypeError, "encoding must be the name of a text encoding, got int"),
        ({"errors": "skip"}, ValueError, "errors must be one of 'strict', 'replace', 'ignore', got 'skip'"),
    ):
        if door not in (vectors, transformed):
            with pytest.raises(error, match=words):
                door(TEXTS, **manner)


def test_faces_of_other_libraries_take_the_same(tmp_path):
    path = written(tmp_path, "texts", ["看电影", "电影院", "看书"])
    found = []
    for texts in (["看电影", "电影院", "看书"], path):
        finder = Word_Finder(min_pmi=0)
        finder.train(texts)
        finder.find(texts)
        found.append(finder.words)
    assert found[0] == found[1] and found[0]
