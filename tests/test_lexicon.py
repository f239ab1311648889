"""Lexicons and segmentation."""

from __future__ import annotations

import bz2
import contextlib
import copy
import gc
import gzip
import itertools
import lzma
import math
import os
import pickle
import threading
import tracemalloc
import zlib
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import _immutable, use_backend
from fastcore._backend import kernels
from fastcore._data import poems
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.lexicon._files import write_binary
from fastcore.lexicon._lexicon import _aligned, _as_arrays
from fastcore.ngrams import count_ngrams
from fastcore.vectorizer import NgramVectorizer

from .helpers import Liar, memory_growth, run_script

WORDS = {"研究": 9, "研究生": 5, "生命": 8, "命": 2, "起源": 6, "源": 1, "的": 20}
# A small alphabet, so that words meet; with astral, Latin-1, full-width and lone-surrogate members.
characters = st.sampled_from([*"abc中国A1.:%。 １．％é𝒳", "\ud800", "\0"])
words = st.dictionaries(st.text(characters, min_size=1, max_size=4), st.integers(1, 50), max_size=12)
texts = st.text(characters, max_size=20)


def both(call):
    """The results of a call on the kernels and on their twin."""
    results = []
    for name in ("compiled", "reference"):
        with use_backend(name):
            results.append(call())
    return results


def flat(texts):
    codes = np.array([ord(c) for text in texts for c in text], np.uint32)
    return codes, np.cumsum([0, *map(len, texts)], dtype=np.int64)


def segmentations(text, words, punctuation=""):
    """All paths of the lattice, by brute force: words of the lexicon, or a character at whose end no word ends."""
    ends = {j for i in range(len(text)) for j in range(i + 1, len(text) + 1) if text[i:j] in words}

    def paths(i):
        if i == len(text):
            yield []
        for j in range(i + 1, len(text) + 1):
            if text[i:j] in words or (j == i + 1 and j not in ends):
                yield from ([text[i:j], *rest] for rest in paths(j))

    return list(paths(0))


def score(path, words, null=-100.0):
    total = math.log(sum(words.values()))
    return sum(math.log(words[w]) - total if w in words else null for w in path)


class TestLexicon:
    def test_mapping(self, backend):
        lexicon = Lexicon(WORDS)
        assert len(lexicon) == 7
        assert lexicon.total == sum(WORDS.values())
        assert list(lexicon) == list(WORDS)
        assert dict(lexicon.items()) == WORDS == dict(lexicon)
        assert list(lexicon.values()) == list(WORDS.values())
        assert lexicon == WORDS
        assert lexicon["研究生"] == 5
        assert lexicon.get("研", 0) == 0
        assert "研究" in lexicon and "究" not in lexicon and "" not in lexicon and 3 not in lexicon
        with pytest.raises(KeyError, match="研究生命"):
            lexicon["研究生命"]
        assert [lexicon.id(w) for w in WORDS] == list(range(7))
        assert [lexicon.word(i) for i in range(7)] == list(WORDS)
        assert lexicon.id("x") == lexicon.id("") == -1
        assert "7 words" in repr(lexicon)

    def test_log_proba(self, backend):
        lexicon = Lexicon({"a": 1, "b": 3})
        assert lexicon.log_proba("b") == math.log(3) - math.log(4)
        assert lexicon.log_proba("c") == -math.inf

    def test_search_and_longest(self, backend):
        lexicon = Lexicon(WORDS)
        assert lexicon.search("研究生命") == [
            (0, 2, "研究", 9),
            (0, 3, "研究生", 5),
            (2, 4, "生命", 8),
            (3, 4, "命", 2),
        ]
        assert lexicon.longest("研究生命") == (0, 3, "研究生", 5)
        assert lexicon.longest("研究生命", 2) == (2, 4, "生命", 8)
        assert lexicon.longest("研究生命", 1) is None
        assert lexicon.longest("研究", 2) is None
        assert lexicon.search("") == []

    def test_prefix(self, backend):
        lexicon = Lexicon(WORDS)
        assert list(lexicon.prefix("研究")) == [("研究", 9), ("研究生", 5)]
        assert list(lexicon.prefix("")) == sorted(WORDS.items())
        assert list(lexicon.prefix("x")) == []

    def test_empty(self, backend):
        lexicon = Lexicon({})
        assert len(lexicon) == lexicon.total == 0
        assert lexicon.search("abc") == [] and "a" not in lexicon and list(lexicon.prefix("")) == []
        assert Tokenizer(lexicon).tokenize("ab 中国") == ["ab", " ", "中", "国"]

    @given(words, texts)
    def test_search_is_what_brute_force_finds(self, words, text):
        expected = [
            (i, j, text[i:j], words[text[i:j]])
            for i in range(len(text))
            for j in range(i + 1, len(text) + 1)
            if text[i:j] in words
        ]
        for found in both(lambda: Lexicon(words).search(text)):
            assert found == expected

    @given(words, texts, st.text(characters, max_size=2))
    def test_twins_agree(self, words, text, prefix):
        def everything():
            lexicon = Lexicon(words)
            found = [lexicon.longest(text, i) for i in range(len(text) + 1)]
            return found, list(lexicon.prefix(prefix)), dict(lexicon), [lexicon.id(text[:i]) for i in range(len(text))]

        compiled, reference = both(everything)
        assert compiled == reference
        assert compiled[2] == words

    def test_many_words(self, backend):
        rng = np.random.default_rng(0)
        names = {"".join(map(chr, rng.integers(97, 123, rng.integers(1, 6)))) for _ in range(backend.size(30000, 300))}
        words = {name: i + 1 for i, name in enumerate(sorted(names))}
        lexicon = Lexicon(words)
        assert dict(lexicon) == words
        assert all(lexicon[name] == count for name, count in words.items())
        assert [w for w, _ in lexicon.prefix("ab")] == [w for w in sorted(words) if w.startswith("ab")]

    def test_wide_families(self, backend):
        # Thousands of children of one node, code points from every plane.
        characters = [chr(i) for i in range(1, 0x110000, backend.size(257, 4099)) if not 0xD800 <= i < 0xE000]
        words = {c + d: i + 1 for i, (c, d) in enumerate(itertools.product("xy", characters))}
        lexicon = Lexicon(words)
        assert [lexicon[w] for w in words] == list(words.values())

    def test_pickle(self, backend):
        lexicon = pickle.loads(pickle.dumps(Lexicon(WORDS)))
        assert lexicon == WORDS and lexicon.search("命") == [(0, 1, "命", 2)]

    @pytest.mark.parametrize(
        ("argument", "error", "message"),
        [
            (["a"], TypeError, "words must be a mapping of str to int, got list"),
            ({1: 1}, TypeError, "words must have str as keys, got int"),
            ({"": 1}, ValueError, "must not hold an empty word"),
            ({"a": 1, "b": -3}, ValueError, r"the count of 'b' must lie in \[1, 2\*\*63\), got -3"),
            ({"a": 0}, ValueError, "the count of 'a'"),
            ({"a": 2**63}, ValueError, "the count of 'a'"),
            ({"a": 2**62, "b": 2**62}, ValueError, "must sum to less than"),
            ({"a": 1.5}, TypeError, r"the count of 'a' must be an int, got 1.5 \(float\)"),
            ({"a": math.nan}, TypeError, "the count of 'a' must be an int"),
            ({"a": "3"}, TypeError, "the count of 'a' must be an int"),
            ({"a": None}, TypeError, "the count of 'a' must be an int"),
            ({"a": True}, TypeError, "the count of 'a' must be an int"),
            ({"a": 2, "b": True}, TypeError, r"the count of 'b' must be an int, got True \(bool\)"),
            ({"a": 2, "b": np.True_}, TypeError, "the count of 'b' must be an int"),
            ({"a": [1]}, TypeError, "the count of 'a' must be an int"),
        ],
    )
    def test_bad_input(self, backend, argument, error, message):
        with pytest.raises(error, match=message):
            Lexicon(argument)

    def test_bad_arguments(self, backend):
        lexicon = Lexicon(WORDS)
        with pytest.raises(TypeError, match="text must be a str, got bytes"):
            lexicon.search(b"a")
        with pytest.raises(TypeError, match="text must be a str"):
            lexicon.longest(3)
        with pytest.raises(ValueError, match="i must be between 0 and 1, got 2"):
            lexicon.longest("a", 2)
        with pytest.raises(ValueError, match="id must be between 0 and 6, got 7"):
            lexicon.word(7)
        with pytest.raises(TypeError, match="prefix must be a str"):
            lexicon.prefix(None)
        with pytest.raises(TypeError, match="word must be a str"):
            lexicon.id(1)


class TestFiles:
    @pytest.mark.parametrize("binary", [False, True])
    def test_round_trip(self, backend, tmp_path, binary):
        path = tmp_path / "words"
        Lexicon(WORDS).save(path, binary=binary)
        loaded = Lexicon.load(str(path))
        assert list(loaded.items()) == list(WORDS.items())
        assert loaded.search("研究生命") == Lexicon(WORDS).search("研究生命")
        assert Tokenizer(loaded).tokenize("研究生命的起源") == ["研究", "生命", "的", "起源"]
        assert [p.name for p in tmp_path.iterdir()] == ["words"]
        assert pickle.loads(pickle.dumps(loaded)) == WORDS

    @pytest.mark.parametrize(("writer", "reader"), [("compiled", "reference"), ("reference", "compiled")])
    def test_binary_files_of_one_twin_are_read_by_the_other(self, tmp_path, writer, reader):
        with use_backend(writer):
            Lexicon(WORDS).save(tmp_path / "words", binary=True)
        with use_backend(reader):
            loaded = Lexicon.load(tmp_path / "words")
            assert dict(loaded) == WORDS and "研究生" in loaded

    @given(words)
    def test_any_words_survive_in_binary(self, tmp_path, words):
        path = tmp_path / "words"
        for found in both(lambda: (Lexicon(words).save(path, binary=True), dict(Lexicon.load(path)))[1]):
            assert found == words

    def test_saving_over_a_mapped_file(self, tmp_path):
        path = tmp_path / "words"
        Lexicon(WORDS).save(path, binary=True)
        mapped = Lexicon.load(path)
        Lexicon({"a": 1}).save(path, binary=True)
        assert dict(mapped) == WORDS and dict(Lexicon.load(path)) == {"a": 1}

    def test_text_format(self, backend, tmp_path):
        path = tmp_path / "words.txt"
        path.write_bytes("\ufeff雪梨 3 n\r\n颜色\t5\n\n  AT&T  7  nz tag\n雪梨 4\nx 1".encode())
        lexicon = Lexicon.load(path)
        assert dict(lexicon) == {"雪梨": 4, "颜色": 5, "AT&T": 7, "x": 1}
        lexicon.save(path)
        assert path.read_text(encoding="utf-8") == "雪梨 4\n颜色 5\nAT&T 7\nx 1\n"

    def test_user_dictionaries(self, backend, tmp_path):
        path = tmp_path / "user.txt"
        path.write_text(
            "云计算\n创新办 3 i\n凱特琳 nz\r\n\n台中\t2\n台中\n台中 ns\n  八一双鹿 \nx y2  \n", encoding="utf-8"
        )
        expected = {"云计算": 1, "创新办": 3, "凱特琳": 1, "台中": 2, "八一双鹿": 1, "x": 1}
        assert dict(Lexicon.load(path)) == expected
        with gzip.open(tmp_path / "user.gz", "wb") as file:
            file.write(path.read_bytes())
        assert dict(Lexicon.load(tmp_path / "user.gz")) == expected
        assert Tokenizer(Lexicon.load(path)).tokenize("创新办的云计算") == ["创新办", "的", "云计算"]

    def test_a_lexicon_of_no_words_is_no_empty_file(self, backend, tmp_path):
        for binary in (False, True):
            Lexicon({}).save(tmp_path / "words", binary=binary)
            assert (tmp_path / "words").stat().st_size
            assert dict(Lexicon.load(tmp_path / "words")) == {}
        for name, data in (("words", b""), ("words.gz", gzip.compress(b""))):
            (tmp_path / name).write_bytes(data)
            with pytest.raises(ValueError, match=f"{name} is no lexicon: it is empty"):
                Lexicon.load(tmp_path / name)
        (tmp_path / "words.gz").write_bytes(b"")
        with pytest.raises(OSError, match=r"words\.gz is damaged: it is empty"):
            Lexicon.load(tmp_path / "words.gz")

    @pytest.mark.parametrize("binary", [False, True])
    def test_a_pipe_is_read_once(self, backend, tmp_path, binary):
        Lexicon(WORDS).save(tmp_path / "words", binary=binary)
        os.mkfifo(tmp_path / "pipe")
        data = (tmp_path / "words").read_bytes()
        writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(data))
        writer.start()
        assert dict(Lexicon.load(tmp_path / "pipe")) == WORDS
        writer.join()

    @pytest.mark.parametrize("binary", [False, True])
    @pytest.mark.parametrize(("suffix", "module"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
    def test_compressed_by_suffix(self, backend, tmp_path, suffix, module, binary):
        Lexicon(WORDS).save(tmp_path / "plain", binary=binary)
        Lexicon(WORDS).save(tmp_path / f"words{suffix}", binary=binary)
        with module.open(tmp_path / f"words{suffix}") as file:
            assert file.read() == (tmp_path / "plain").read_bytes()
        with module.open(tmp_path / f"other{suffix}", "wb") as file:
            file.write((tmp_path / "plain").read_bytes())
        for name in (f"words{suffix}", f"other{suffix}"):
            lexicon = Lexicon.load(str(tmp_path / name))
            assert list(lexicon.items()) == list(WORDS.items())
            assert Tokenizer(lexicon).tokenize("研究生命") == ["研究", "生命"]
        whole = (tmp_path / f"words{suffix}").read_bytes()
        for size in (3, 20, len(whole) - 1):
            (tmp_path / f"words{suffix}").write_bytes(whole[:size])
            with pytest.raises(OSError, match=rf"words\{suffix} is damaged"):
                Lexicon.load(tmp_path / f"words{suffix}")
        with module.open(tmp_path / f"words{suffix}", "wb") as file:
            file.write(b"a 1\nb 0\n")
        with pytest.raises(ValueError, match=rf"words\{suffix}, line 2"):
            Lexicon.load(tmp_path / f"words{suffix}")

    @pytest.mark.parametrize("binary", [False, True])
    def test_written_a_piece_at_a_time(self, tmp_path, monkeypatch, binary):
        # Nothing stops a compressor within a call.
        sizes = []

        @contextlib.contextmanager
        def packing(stream, path):
            yield SimpleNamespace(write=lambda data: sizes.append(len(data)))

        monkeypatch.setattr("fastcore.lexicon._files.packing", packing)
        Lexicon({f"word{i}": 1 for i in range(20_000)}).save(tmp_path / "words", binary=binary)
        assert max(sizes) <= 1 << 16
        assert sum(sizes) > 200_000

    def test_jieba_reads_it(self, tmp_path):
        Lexicon({"扫描二维": 900000, "码": 3}).save(tmp_path / "words.txt")
        script = f"""
import warnings
warnings.simplefilter("ignore")
import jieba
jieba.setLogLevel(60)
tokenizer = jieba.Tokenizer({str(tmp_path / "words.txt")!r})
tokenizer.tmp_dir = {str(tmp_path)!r}
print(*tokenizer.lcut("扫描二维码", HMM=False), sep="|")
"""
        result = run_script(script, env={"PYTHONIOENCODING": "utf-8"})
        assert result.stdout.strip() == "扫描二维|码", result.stderr

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("a 1\n\nb X\n", r"words.txt, line 3: expected 'word .count. .tag.' with a count in .*, got 'X' in 'b X'"),
            ("a -1", "line 1: expected .* got '-1'"),
            ("a 0", "line 1: .* got '0'"),
            ("a n 3", "line 1: .* got 'n' in 'a n 3'"),
            ("a 中", "line 1: .* got '中'"),
            ("a\0 3", "line 1: holds NUL"),
            ("", "words.txt is no lexicon: it is empty"),
            ("a 1.5", "line 1: .* got '1.5'"),
            ("a ٣", "line 1: .* got '٣'"),
            ("a 9223372036854775808", "line 1: .* got '9223372036854775808'"),
            ("a " + "9" * 5000, "line 1: expected"),
            (b"a 1\nb\xff 2\n", r"words.txt, line 2, byte 2: not UTF-8 \(0xff\)"),
        ],
    )
    def test_bad_lines(self, backend, tmp_path, content, message):
        path = tmp_path / "words.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ValueError, match=message):
            Lexicon.load(path)

    def test_words_that_text_cannot_hold(self, backend, tmp_path):
        for word, message in (("a b", "holds white space"), ("a\0", "or NUL"), ("\ud800", "lone surrogate")):
            with pytest.raises(ValueError, match=message):
                Lexicon({word: 1}).save(tmp_path / "words.txt")
        assert list(tmp_path.iterdir()) == []

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            Lexicon.load(tmp_path / "none")
        with pytest.raises(FileNotFoundError):
            Lexicon(WORDS).save(tmp_path / "none" / "words")

    def test_truncated(self, backend, tmp_path):
        whole = tmp_path / "whole"
        Lexicon(WORDS).save(whole, binary=True)
        data = whole.read_bytes()
        path = tmp_path / "part"
        # The first word of the magic is a word.
        for size in {*range(9, 64), *range(64, min(400, len(data)), 7), *range(64, len(data), max(1, len(data) // 50))}:
            path.write_bytes(data[:size])
            with pytest.raises(ValueError, match="isn't a whole lexicon file"):
                Lexicon.load(path)
        path.write_bytes(data + b"x" * 64)
        with pytest.raises(ValueError, match="64 bytes are left over"):
            Lexicon.load(path)

    def test_hostile(self, backend, tmp_path):
        # Any word of 8 bytes replaced, under a checksum that is right again: an error, or a lexicon that is wrong,
        # never a crash.
        path = tmp_path / "words"
        Lexicon(WORDS).save(path, binary=True)
        data = path.read_bytes()
        rng = np.random.default_rng(0)
        values = [b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f" * 2, (2**62).to_bytes(8, "little")]
        refused, loaded = [], 0
        places = {*range(32, min(600, len(data)), 8), *(8 * rng.integers(8, len(data) // 8, 400)).tolist()}
        for i, place in enumerate(sorted(places)):
            changed = data[:place] + values[i % 4] + data[place + 8 :]
            if place != 56:
                changed = changed[:56] + zlib.crc32(changed[64:]).to_bytes(8, "little") + changed[64:]
            if changed == data:
                continue
            path.write_bytes(changed)
            try:
                lexicon = Lexicon.load(path)
            except ValueError as error:
                refused.append(str(error))
                continue
            loaded += 1
            lexicon.search("研究生命的起源研究")
            tokenizer = Tokenizer(lexicon)
            assert "".join(tokenizer.tokenize("研究生命的起源研究")) == "研究生命的起源研究"
            tokenizer.nbest("研究生命", 3)
            # Words are spelt from what may have been forged.
            with contextlib.suppress(ValueError):
                list(lexicon.items())
            with contextlib.suppress(ValueError):
                list(lexicon.prefix("研"))
        assert sum("checksum" in error for error in refused) == 1
        assert len(refused) > 20
        assert loaded > 5

    @pytest.mark.parametrize("counts", [[3, 0, 1], [3, -2, 1], [2**62, 2**62, 1]])
    def test_forged_counts(self, tmp_path, counts):
        lexicon, path = Lexicon({"ab": 3, "abc": 2, "c": 1}), tmp_path / "words"
        write_binary(path, *_as_arrays(list(lexicon)), np.array(counts), np.empty(0, np.uint8))
        with pytest.raises(ValueError, match="its words or counts are damaged"):
            Lexicon.load(path)

    @pytest.mark.compiled
    def test_forged_ends(self, tmp_path):
        # What stands at a text's end must lead nowhere, or segmentation would read on: the checksum is right here.
        lexicon = Lexicon({"ab": 3, "abc": 2, "c": 1})
        layout = np.array(lexicon._trie.layout())
        units = layout[: len(layout) // 4 * 4].view(np.int32)
        forged = 0
        for place in np.flatnonzero(units == -1):
            for value in (0, 1, 2, 3):
                changed = units.copy()
                changed[place] = value
                path = tmp_path / "words"
                write_binary(path, *_as_arrays(list(lexicon)), np.array([3, 2, 1]), changed.view(np.uint8))
                try:
                    tokenizer = Tokenizer(Lexicon.load(path))
                except ValueError:
                    forged += 1
                    continue
                for text in ("xyz" * 3000, "abcab" * 3000):
                    tokenizer.tokenize(text)
        assert forged

    @pytest.mark.compiled
    def test_forged_steps_past_the_end(self):
        # Each inner place of the array in turn has a child by symbol 0, which stands at a text's end.
        with use_backend("compiled"):
            words = ["ab", "abc", "bcd", "c"]
            arrays = (*_as_arrays(words), np.ones(len(words), np.int64))
            layout = kernels("lexicon.trie").Trie(*arrays, np.empty(0, np.uint8)).layout()
            n_symbols, n_slots, n_pages = layout[16:40].view(np.int64)
            start = sum(-(-size // 64) * 64 for size in (128 + 2 * 4352, 1024 * n_pages, 4 * (n_symbols + 1)))
            inner = 0
            for slot in range(n_slots):
                forged = _aligned(layout.copy())
                units = forged[start : start + 16 * n_slots].view(np.int32).reshape(-1, 4)
                base = units[slot, 0]
                if base:
                    units[base, 1] = slot
                    with pytest.raises(ValueError, match="points outside itself"):
                        kernels("lexicon.trie").Trie(*arrays, forged)
                    inner += 1
            assert inner == 4

    @pytest.mark.parametrize("count", [2**63 - 1, 2**53 + 1])
    def test_large_counts_come_back(self, backend, tmp_path, count):
        Lexicon({"a": count}).save(tmp_path / "words", binary=True)
        assert Lexicon.load(tmp_path / "words")["a"] == count

    def test_leading_zeros(self, backend, tmp_path):
        (tmp_path / "words").write_text("w 0000000000000000001234\n")
        assert Lexicon.load(tmp_path / "words")["w"] == 1234

    def test_byte_order_mark_before_a_bad_byte(self, backend, tmp_path):
        (tmp_path / "words").write_bytes(b"\xef\xbb\xbfab 1\n\xff 3\n")
        with pytest.raises(ValueError, match="line 2, byte 1: not UTF-8"):
            Lexicon.load(tmp_path / "words")

    def test_a_file_named_like_standard_input(self, backend, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Lexicon({"a": 1}).save("-")
        assert Lexicon.load("-")["a"] == 1


class TestTokenizer:
    def test_progress(self, backend):
        texts, told = ["研究生命"] * 2500, []
        tokenizer = Tokenizer(Lexicon(WORDS))
        tokenizer.tokenize_many(texts, progress=lambda *done: told.append(done))
        assert told == [(1024, 2500), (2048, 2500), (2500, 2500)]
        told.clear()
        tokenizer.encode_many(iter(texts), progress=lambda *done: told.append(done))
        assert told == [(1024, None), (2048, None), (2500, None)]

    def test_a_lexicon_of_many_scripts(self, backend):
        # More than 256 pages of the table of symbols; the classes of ASCII come behind them all.
        words = {chr(256 * page + 5): 1 for page in [*range(0x34, 0xA0), *range(0x200, 0x2A7)]}
        assert Tokenizer(Lexicon(words)).tokenize("a1b乡c") == ["a1b", "乡", "c"]

    def test_best_path(self, backend):
        assert Tokenizer(Lexicon(WORDS)).tokenize("研究生命的起源") == ["研究", "生命", "的", "起源"]

    def test_jieba_dictionary(self):
        # The dictionary is read as data, its code isn't imported.
        script = """
import sys
from fastcore.lexicon import Tokenizer
print(*Tokenizer().tokenize("扫描二维码,关注公众号"), sep="|")
assert "jieba" not in sys.modules
"""
        result = run_script(script, env={"PYTHONIOENCODING": "utf-8"})
        assert result.stdout.strip() == "扫描|二维码|,|关注|公众|号", result.stderr

    def test_without_jieba(self, backend, monkeypatch):
        import importlib.util

        from fastcore.lexicon import _tokenizer

        _tokenizer._default_lexicon.cache_clear()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"fastcore-kernels\[zh\]"):
            Tokenizer()

    @given(words.filter(bool), st.text(characters, max_size=9))
    def test_best_of_all_segmentations(self, words, text):
        paths = segmentations(text, words)
        for tokens in both(lambda: Tokenizer(Lexicon(words), join_alnum=False, punctuation="").tokenize(text)):
            assert tokens in paths
            assert score(tokens, words) == pytest.approx(max(score(p, words) for p in paths), rel=1e-12, abs=1e-9)

    @given(
        words, st.lists(texts, max_size=4), st.booleans(), st.sampled_from(["。，、！？\n ", "", "a中."]), st.booleans()
    )
    def test_twins_agree(self, words, texts, join, punctuation, full):
        def everything():
            tokenizer = Tokenizer(
                Lexicon(words), join_alnum=join, punctuation=punctuation, join_fullwidth=full and join
            )
            ids, offsets = tokenizer.encode_many(texts)
            return (
                tokenizer.tokenize_many(texts),
                [tokenizer.spans(text).tolist() for text in texts],
                [tokenizer.encode(text).tolist() for text in texts],
                ids.tolist(),
                offsets.tolist(),
            )

        compiled, reference = both(everything)
        assert compiled == reference
        names = list(words)
        for text, tokens, spans, ids in zip(texts, *compiled[:3]):
            assert "".join(tokens) == text
            assert [text[a:b] for a, b in spans] == tokens
            assert ids == [names.index(t) if t in words else -1 for t in tokens]

    def test_letters_and_digits(self, backend):
        lexicon = Lexicon({"卡拉OK": 5, "iPhone": 2, "好": 9})
        tokenize = Tokenizer(lexicon).tokenize
        assert tokenize("ABC iPhone6s好3.14") == ["ABC", " ", "iPhone6s", "好", "3", ".", "14"]
        # A word that ends in a letter but holds other characters closes the run and opens none.
        assert tokenize("A卡拉OKB1") == ["A", "卡拉OK", "B1"]
        assert tokenize("１２a") == ["１", "２", "a"]
        assert Tokenizer(lexicon, join_alnum=False).tokenize("A1") == ["A", "1"]

    def test_dots_inside_words_of_the_lexicon(self, backend):
        assert Tokenizer(Lexicon({".5": 3, "v": 1})).tokenize("v.5.") == ["v.5", "."]

    def test_full_width(self, backend):
        tokenize = Tokenizer(Lexicon({"年": 3}), join_fullwidth=True).tokenize
        assert tokenize("１９９８年ＡＢc1") == ["１９９８", "年", "ＡＢc1"]
        assert tokenize("３．５％，3.14%。1.") == ["３．５％", "，", "3.14%", "。", "1", "."]
        assert tokenize("．５a％") == ["．", "５a", "％"]
        assert tokenize("１２：３０a:1，5‰％") == ["１２：３０a", ":", "1", "，", "5‰", "％"]

    def test_punctuation(self, backend):
        lexicon = Lexicon({"a。b": 5, "。": 2})
        assert Tokenizer(lexicon, join_alnum=False).tokenize("a。b。。") == ["a", "。", "b", "。", "。"]
        assert Tokenizer(lexicon, punctuation="").tokenize("a。b。。") == ["a。b", "。", "。"]
        assert Tokenizer(lexicon).encode("a。").tolist() == [-1, 1]

    def test_ids(self, backend):
        tokenizer = Tokenizer(Lexicon({"A": 5, "AB1": 1, "中": 2}))
        assert tokenizer.encode("中国").tolist() == [2, -1]
        ids = tokenizer.encode("AB1")
        assert ids.tolist() == [1] and ids.dtype == np.int32
        assert tokenizer.encode("").shape == (0,)
        assert tokenizer.spans("").shape == (0, 2)

    def test_ties_go_to_the_earlier_start_of_the_last_word(self, backend):
        # ab + a and a + ba score alike but for rounding; nlp-zero 0.1.6 gives these.
        assert Tokenizer(Lexicon({"ab": 1, "a": 1, "ba": 1}), join_alnum=False).tokenize("aba") == ["a", "ba"]
        assert Tokenizer(Lexicon({"中国": 2, "中": 2, "国中": 2}), join_alnum=False).tokenize("中国中") == [
            "中",
            "国中",
        ]

    def test_long_text(self, backend):
        text = "研究生命的起源" * backend.size(30000, 300)
        tokens = Tokenizer(Lexicon(WORDS)).tokenize(text)
        assert tokens == ["研究", "生命", "的", "起源"] * (len(text) // 7)

    def test_workers(self, backend):
        tokenizer = Tokenizer(Lexicon(WORDS))
        texts = ["研究生命的起源", "", "命的命"] * backend.size(60000, 100)
        expected = [tokenizer.tokenize(text) for text in texts[:3]] * (len(texts) // 3)
        assert tokenizer.tokenize_many(texts, workers=2) == expected
        ids, offsets = tokenizer.encode_many(iter(texts), workers=2)
        one = tokenizer.encode_many(texts)
        assert (ids.tolist(), offsets.tolist()) == (one[0].tolist(), one[1].tolist())
        assert tokenizer.tokenize_many(texts, workers=map) == expected

    def test_no_texts(self, backend):
        tokenizer = Tokenizer(Lexicon(WORDS))
        assert tokenizer.tokenize_many([]) == []
        ids, offsets = tokenizer.encode_many([])
        assert ids.tolist() == [] and offsets.tolist() == [0]

    def test_pickle(self, backend):
        tokenizer = pickle.loads(pickle.dumps(Tokenizer(Lexicon(WORDS), punctuation="的", null_score=-5)))
        assert tokenizer.tokenize("研究生的命") == ["研究生", "的", "命"]

    def test_bad_input(self, backend):
        lexicon = Lexicon(WORDS)
        with pytest.raises(TypeError, match="lexicon must be a Lexicon, got dict"):
            Tokenizer(WORDS)
        with pytest.raises(TypeError, match="punctuation must be a str"):
            Tokenizer(lexicon, punctuation=["a"])
        for flag in ("join_alnum", "join_fullwidth"):
            with pytest.raises(TypeError, match=f"{flag} must be a bool, got str"):
                Tokenizer(lexicon, **{flag: "no"})
        with pytest.raises(ValueError, match="needs join_alnum"):
            Tokenizer(lexicon, join_alnum=False, join_fullwidth=True)
        with pytest.raises(ValueError, match="null_score must be finite"):
            Tokenizer(lexicon, null_score=math.nan)
        tokenizer = Tokenizer(lexicon)
        for call in (tokenizer.tokenize, tokenizer.spans, tokenizer.encode):
            with pytest.raises(TypeError, match="text must be a str, got bytes"):
                call(b"abc")
        with pytest.raises(TypeError, match="texts must be an iterable of texts or a path, got a bare str"):
            tokenizer.tokenize_many("abc")
        with pytest.raises(TypeError, match=r"texts\[1\] must be a str, got int"):
            tokenizer.encode_many(["a", 1])


def joined(tokens, wide):
    """Tokens once runs of letters and digits are joined, by the rule as the documentation has it."""
    kept, joining = [], False
    for k, token in enumerate(tokens):
        last, after = token[-1], "".join(tokens[k + 1 :])[:1]
        if last in "a1":
            grows = joining and set(token) <= set("a1.")
            joining = grows or not joining
        elif wide and joining and token == "." and "".join(tokens[:k])[-1:] == "1" and after == "1":
            grows = True
        else:
            grows = joining = False
        if grows:
            kept[-1] += token
        else:
            kept.append(token)
    return kept


class TestNBest:
    @given(words.filter(bool), st.text(characters, max_size=8), st.integers(1, 8))
    def test_best_of_all_segmentations(self, words, text, k):
        def paths(text):
            return sorted((score(p, words) for p in segmentations(text, words)), reverse=True)

        def call():
            return Tokenizer(Lexicon(words), join_alnum=False, punctuation="").nbest(text, k)

        compiled, reference = both(call)
        assert compiled == reference
        expected = paths(text)[:k]
        assert [s for _, s in compiled] == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert len({tuple(tokens) for tokens, _ in compiled}) == len(compiled)
        for tokens, total in compiled:
            assert "".join(tokens) == text
            assert total == pytest.approx(score(tokens, words), rel=1e-9, abs=1e-9)

    @given(words, texts, st.integers(1, 6), st.booleans())
    def test_first_is_tokenize(self, words, text, k, full):
        def call():
            tokenizer = Tokenizer(Lexicon(words), join_fullwidth=full)
            return tokenizer.nbest(text, k), tokenizer.tokenize(text)

        compiled, reference = both(call)
        assert compiled == reference
        assert compiled[0][0][0] == compiled[1]
        assert len(compiled[0]) <= k
        scores = [s for _, s in compiled[0]]
        assert scores == sorted(scores, reverse=True)

    def test_pieces_are_combined(self, backend):
        tokenizer = Tokenizer(Lexicon({"a": 2, "b": 1, "ab": 1}), join_alnum=False)
        found = tokenizer.nbest("ab。ab", 10)
        assert [tokens for tokens, _ in found] == [
            ["ab", "。", "ab"],
            ["a", "b", "。", "ab"],
            ["ab", "。", "a", "b"],
            ["a", "b", "。", "a", "b"],
        ]
        assert [s for _, s in found] == pytest.approx(np.log([1 / 16, 1 / 32, 1 / 32, 1 / 64]))

    @given(
        st.dictionaries(st.text("a1.中", min_size=1, max_size=3), st.integers(1, 9), min_size=1),
        st.text("a1.中", max_size=8),
    )
    @pytest.mark.parametrize("wide", [False, True])
    def test_against_all_paths_joined(self, wide, words, text):
        """Every path, its tokens joined by the rule and the best path of each result kept."""

        def call():
            lexicon = Lexicon(words)
            options = {"join_fullwidth": wide, "punctuation": "。"}
            plain = Tokenizer(lexicon, join_alnum=False, punctuation="。").nbest(text, 10**6)
            return Tokenizer(lexicon, **options).nbest(text, 10**6), Tokenizer(lexicon, **options).nbest(text, 2), plain

        compiled, reference = both(call)
        assert compiled == reference
        everything, two, plain = compiled
        found = {}
        for tokens, score in plain:
            found.setdefault(tuple(joined(tokens, wide)), score)
        assert {tuple(tokens): score for tokens, score in everything} == pytest.approx(found)
        assert two == everything[:2]

    def test_readings_that_differ_in_their_state_only(self, backend):
        # "中|1." stands there twice, a run open behind it or not, and comes to one reading of the whole text: what is
        # kept in one state must not take the other's places.
        words = {"中": 9, "1": 9, ".": 9, "1.": 9, "1丙": 9, "中1": 1}
        tokenizer = Tokenizer(Lexicon(words), join_fullwidth=True)
        found = tokenizer.nbest("中1.1丙", 2)
        assert found == tokenizer.nbest("中1.1丙", 100)[:2] and len(found) == 2
        assert found == tokenizer.nbest("中1.1丙", 3)[:2]

    def test_a_run_of_letters_takes_one_reading_a_position(self):
        """Memory grows with the text, not with what a run could be read as."""
        script = """
import resource, sys
from fastcore.lexicon import Lexicon, Tokenizer
tokenizer = Tokenizer(Lexicon({"a": 5, "aa": 3, "b": 1, "中": 2, "中中": 3}))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tokenizer.nbest("a中" * 10, 10)
peaks = [peak()]
for size in (100_000, 200_000, 400_000):
    assert len(tokenizer.nbest("a" * size, 10)) == 1
    peaks.append(peak())
    assert len(tokenizer.nbest("中" * (size // 10), 10)) == 10
    peaks.append(peak())
print(*peaks)
"""
        result = run_script(script, env={"FASTCORE_BACKEND": "compiled"})
        assert result.returncode == 0, result.stderr
        peaks = [int(kb) for kb in result.stdout.split()]
        # 400,000 letters at some 100 bytes each; with ten readings a position they would take 180 MB and more.
        assert peaks[-1] - peaks[0] < 120_000

    def test_joined_readings_are_one(self, backend):
        tokenizer = Tokenizer(Lexicon({"a": 5, "b": 5, "ab": 5, "中": 5, "中国": 2, "国": 5}))
        found = tokenizer.nbest("ab中国", 3)
        assert [tokens for tokens, _ in found] == [["ab", "中国"], ["ab", "中", "国"]]
        assert found[0][1] == pytest.approx(math.log(5 / 27) + math.log(2 / 27))

    @given(words, texts)
    def test_more_than_there_are(self, words, text):
        def call():
            tokenizer = Tokenizer(Lexicon(words), join_alnum=False, punctuation="。")
            return tokenizer.nbest(text[:9], 10**9), tokenizer.nbest(text[:9], 512)

        compiled, reference = both(call)
        assert compiled == reference
        assert compiled[0] == compiled[1]
        expected = itertools.product(*(segmentations(p, words, "。") for p in text[:9].split("。")))
        assert len(compiled[0]) == len(list(expected))

    def test_a_number_of_paths_beyond_memory(self, backend):
        # Fibonacci's number of paths through the first, and a run with three paths that is joined into one reading.
        words = {"天": 3, "天天": 2}
        tokenizer = Tokenizer(Lexicon({**words, "a": 1, "aa": 1}))
        size = backend.size(20, 10)
        paths = [1, 1]
        while len(paths) <= size:
            paths.append(paths[-1] + paths[-2])
        found = tokenizer.nbest("天" * size + "aaa", 10**18)
        assert len(found) == len({tuple(words) for words, _ in found}) == paths[size]
        assert found[:9] == tokenizer.nbest("天" * size + "aaa", 9)

    def test_a_str_is_its_characters_whatever_it_says(self, backend):
        lexicon = Lexicon(WORDS)
        tokenizer = Tokenizer(lexicon)
        text = Liar("研究生命")
        assert tokenizer.tokenize(text) == ["研究", "生命"]
        assert tokenizer.tokenize_many([text, "的"]) == [["研究", "生命"], ["的"]]
        assert tokenizer.encode(text).tolist() == tokenizer.encode("研究生命").tolist()
        assert tokenizer.encode_many([text])[0].tolist() == tokenizer.encode("研究生命").tolist()
        assert tokenizer.spans(text).tolist() == [[0, 2], [2, 4]]
        assert tokenizer.nbest(text, 2) == tokenizer.nbest("研究生命", 2)
        assert tokenizer.sample(text, rng=1) == tokenizer.sample("研究生命", rng=1)
        assert lexicon.search(text) == lexicon.search("研究生命")
        assert lexicon.longest(text) == (0, 3, "研究生", 5)

    def test_edge_cases(self, backend):
        tokenizer = Tokenizer(Lexicon(WORDS))
        assert tokenizer.nbest("", 3) == [([], 0.0)]
        assert tokenizer.nbest("。", 3) == [(["。"], 0.0)]
        with pytest.raises(ValueError, match="k must be at least 1, got 0"):
            tokenizer.nbest("a", 0)
        with pytest.raises(TypeError, match="k must be an int"):
            tokenizer.nbest("a", 1.5)


class TestSample:
    def test_distribution(self, backend):
        words = {"研究": 4, "研究生": 3, "生命": 5, "命": 2, "生": 1}
        text, temperature = "研究生命", 1.7
        paths = segmentations(text, words)
        weights = np.exp(np.array([score(p, words) for p in paths]) / temperature)
        n = backend.size(20000, 2000)
        draws = Tokenizer(Lexicon(words)).sample_many(text, n, 7, temperature)
        observed = np.array([draws.count(p) for p in paths])
        assert observed.sum() == n
        expected = n * weights / weights.sum()
        # Chi-squared with 3 degrees of freedom exceeds 31 with probability 1e-6.
        assert len(paths) == 3 and ((observed - expected) ** 2 / expected).sum() < 31

    @given(words, texts, st.integers(0, 2**40), st.floats(0.05, 20), st.booleans())
    def test_twins_draw_the_same(self, words, text, seed, temperature, join):
        def call():
            return Tokenizer(Lexicon(words), join_alnum=join).sample_many(text, 3, seed, temperature)

        compiled, reference = both(call)
        assert compiled == reference
        assert all("".join(tokens) == text for tokens in compiled)

    def test_cold_is_the_best_path(self, backend):
        tokenizer = Tokenizer(Lexicon(WORDS))
        text = "研究生命的起源。研究生"
        assert tokenizer.sample(text, 1, 1e-6) == tokenizer.tokenize(text)

    def test_seeds(self, backend):
        tokenizer = Tokenizer(Lexicon({"a": 1, "aa": 1, "aaa": 1}), join_alnum=False)
        assert tokenizer.sample("a" * 50, 3) == tokenizer.sample("a" * 50, 3)
        assert tokenizer.sample("a" * 50, 3) != tokenizer.sample("a" * 50, 4)
        rng = np.random.default_rng(3)
        assert tokenizer.sample("a" * 50, rng) != tokenizer.sample("a" * 50, rng)

    def test_edge_cases(self, backend):
        tokenizer = Tokenizer(Lexicon(WORDS))
        assert tokenizer.sample("") == []
        assert tokenizer.sample("。 x") == ["。", " ", "x"]
        assert tokenizer.sample_many("研究", 0) == []
        with pytest.raises(ValueError, match="temperature must be finite and above 0"):
            tokenizer.sample("a", 0, 0)
        with pytest.raises(TypeError, match="rng must be None"):
            tokenizer.sample("a", "seed")


class TestCountsOverTheLattice:
    """The kernels that re-estimation stands on."""

    @staticmethod
    def trie(words):
        return Lexicon(words)._trie

    @given(words.filter(bool), st.lists(st.text(characters, max_size=7), max_size=3), st.data())
    def test_expected_counts_are_those_of_all_segmentations(self, words, texts, data):
        scores = np.array(
            data.draw(st.lists(st.floats(-9, 0) | st.just(-np.inf), min_size=len(words), max_size=len(words)))
        )
        kept = {w: s for w, s in zip(words, scores.tolist()) if s > -math.inf}
        expected = np.zeros(len(words))
        likelihood = 0.0
        names = list(words)
        for text in filter(None, texts):
            paths = segmentations(text, kept)
            weights = np.exp([sum(kept.get(w, -20.0) for w in path) for path in paths])
            likelihood += math.log(weights.sum())
            for path, weight in zip(paths, weights / weights.sum()):
                for w in path:
                    if w in kept:
                        expected[names.index(w)] += weight
        for counts, total in both(lambda: self.trie(words).expected_counts(*flat(texts), scores, -20.0)):
            np.testing.assert_allclose(counts, expected, rtol=1e-9, atol=1e-12)
            assert total == pytest.approx(likelihood, rel=1e-9, abs=1e-9)

    @given(words.filter(bool), st.lists(texts, max_size=4), st.data())
    def test_twins_agree(self, words, texts, data):
        scores = np.array(
            data.draw(st.lists(st.floats(-900, 5) | st.just(-np.inf), min_size=len(words), max_size=len(words)))
        )
        compiled, reference = both(lambda: self.trie(words).best_counts(*flat(texts), scores, -30.0))
        assert compiled[0].tolist() == reference[0].tolist()
        assert compiled[1] == reference[1]
        compiled, reference = both(lambda: self.trie(words).expected_counts(*flat(texts), scores, -30.0))
        np.testing.assert_allclose(compiled[0], reference[0], rtol=1e-9, atol=1e-12)
        assert compiled[1] == pytest.approx(reference[1], rel=1e-12, abs=1e-9)

    def test_best_counts_are_the_tokens(self, backend):
        lexicon = Lexicon(WORDS)
        text = "研究生命的起源研究生"
        counts, total = lexicon._trie.best_counts(
            *flat([text]), np.array([lexicon.log_proba(w) for w in WORDS]), -100.0
        )
        tokens = Tokenizer(lexicon).tokenize(text)
        assert counts.tolist() == [tokens.count(w) for w in WORDS]
        assert total == pytest.approx(score(tokens, WORDS))

    def test_long_text_does_not_underflow(self, backend):
        n = backend.size(20000, 300)
        counts, total = self.trie({"ab": 1, "a": 1, "b": 1}).expected_counts(
            *flat(["ab" * n]), np.log([0.25, 0.5, 0.25]), -100.0
        )
        # Each 'ab' is one word (1/4) or two (1/8).
        np.testing.assert_allclose(counts, [n * 2 / 3, n / 3, n / 3], rtol=1e-9)
        assert total == pytest.approx(n * math.log(3 / 8), rel=1e-12)


def _traced(make) -> int:
    """Bytes that an object holds."""
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] if made is not None else 0
    finally:
        tracemalloc.stop()


class TestHouse:
    def test_memory_is_flat(self):
        setup = """
from fastcore.lexicon import Lexicon, Tokenizer
words = {f"{i:x}": i + 1 for i in range(300)}
text = "0123456789abcdef" * 40
tokenizer = Tokenizer(Lexicon(words))
"""
        statement = "Lexicon(words); tokenizer.tokenize(text); tokenizer.encode(text); tokenizer.nbest(text, 3)"
        assert memory_growth(setup, statement, 300) < 50

    @pytest.mark.compiled
    def test_an_eighth_of_nested_dicts(self):
        found = count_ngrams(poems()[:8_000], (1, 4), keep="cjk")
        words = {word: int(count) for word, count in found.items()}

        def nested() -> dict:
            root: dict = {}
            for word, count in words.items():
                node = root
                for character in word:
                    node = node.setdefault(character, {})
                node[""] = count
            return root

        with use_backend("compiled"):
            assert 8 * _traced(lambda: Lexicon(words)) <= _traced(nested)

    def test_subclasses_of_str(self, backend):
        lexicon = Lexicon({Liar("ab"): 1, np.str_("c"): 2})
        assert lexicon[np.str_("ab")] == 1 and np.str_("c") in lexicon and lexicon.id(Liar("c")) == 1
        assert all(type(word) is str for word in lexicon)

    @pytest.mark.compiled
    def test_word_objects_are_shared(self):
        tokenizer = Tokenizer(Lexicon(WORDS))
        first, second = tokenizer.tokenize("研究"), tokenizer.tokenize("生命研究")
        assert first[0] is second[1]


def test_any_damage_to_a_binary_file_is_noticed(backend, tmp_path):
    path = tmp_path / "words"
    Lexicon(WORDS).save(path, binary=True)
    data = bytearray(path.read_bytes())
    for place in range(64, len(data), max(1, len(data) // 60)):
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match="isn't a whole lexicon file"):
            Lexicon.load(path)
        data[place] ^= 1


def test_first_word_may_begin_like_a_byte_order_mark(backend, tmp_path):
    words = {"\ufeffa": 1, "b": 2}
    Lexicon(words).save(tmp_path / "words")
    assert dict(Lexicon.load(tmp_path / "words")) == words


def test_texts_of_a_file(backend, tmp_path):
    tokenizer = Tokenizer(Lexicon({"ab": 2, "c": 1}), join_alnum=False)
    path = tmp_path / "texts.txt"
    path.write_bytes(b"\xef\xbb\xbfabc\r\nc\n")
    assert tokenizer.tokenize_many(path) == [["ab", "c"], ["c"]]
    assert tokenizer.encode_many(path)[1].tolist() == [0, 2, 3]
    with pytest.raises(TypeError, match="texts must be an iterable of texts or a path, got NoneType"):
        tokenizer.tokenize_many(None)


def test_extreme_temperatures_and_scores(backend):
    tokenizer = Tokenizer(Lexicon({"中国": 3, "国": 2, "国人": 5, "人": 1}))
    for temperature in (5e-324, 1e-320, 1e-300):
        assert tokenizer.sample("中国人", 1, temperature) == ["中国", "人"]
    with pytest.raises(ValueError, match="null_score must be finite and at least"):
        Tokenizer(tokenizer.lexicon, null_score=-1e308)


class TestSharing:
    def test_copies_are_the_object_itself(self, backend):
        tokenizer = Tokenizer(Lexicon(WORDS))
        for thing in (tokenizer, tokenizer.lexicon):
            assert copy.copy(thing) is thing and copy.deepcopy([thing])[0] is thing
        assert copy.deepcopy(tokenizer.tokenize).__self__ is tokenizer
        assert pickle.loads(pickle.dumps(tokenizer.tokenize))("研究生命") == ["研究", "生命"]

    def test_a_clone_of_an_estimator_shares_the_tokenizer(self):
        import sklearn.base as sklearn_base

        tokenizer = Tokenizer(Lexicon(WORDS))
        assert sklearn_base.clone(NgramVectorizer(tokenizer=tokenizer.tokenize)).tokenizer.__self__ is tokenizer

    @pytest.mark.compiled
    def test_a_pickle_is_not_built_again(self, monkeypatch):
        with use_backend("compiled"):
            lexicon = Lexicon(WORDS)
            data = pickle.dumps(lexicon)
            sizes = []

            class Spy:
                @staticmethod
                def Trie(codes, offsets, counts, layout):
                    sizes.append(len(layout))
                    return kernels("lexicon.trie").Trie(codes, offsets, counts, layout)

            monkeypatch.setattr("fastcore.lexicon._lexicon.kernels", lambda *_: Spy)
            loaded = pickle.loads(data)
        assert sizes == [len(lexicon._trie.layout())] and sizes[0] > 0
        assert dict(loaded) == dict(lexicon) and loaded.search("研究生命") == lexicon.search("研究生命")

    @pytest.mark.compiled
    @pytest.mark.parametrize("made, used", list(itertools.product(["compiled", "reference"], repeat=2)))
    def test_pickles_go_from_twin_to_twin(self, made, used):
        with use_backend(made):
            data = pickle.dumps(Tokenizer(Lexicon(WORDS)))
        with use_backend(used):
            loaded = pickle.loads(data)
            assert loaded.lexicon._backend == used
            assert dict(loaded.lexicon) == WORDS and loaded.tokenize("研究生命") == ["研究", "生命"]

    def test_a_mapped_file_is_pickled_as_its_path(self, backend, tmp_path):
        path = tmp_path / "words"
        Lexicon({chr(0x4E00 + i): i + 1 for i in range(5000)}).save(path, binary=True)
        lexicon = Lexicon.load(path)
        data = pickle.dumps(lexicon)
        assert len(data) < 1000
        assert dict(pickle.loads(data)) == dict(lexicon)
        Lexicon({"一": 1}).save(path, binary=True)
        with pytest.raises(ValueError, match="isn't the file that the lexicon was mapped from"):
            pickle.loads(data)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            pickle.loads(data)

    def test_a_compressed_file_is_not_needed_any_more(self, backend, tmp_path):
        path = tmp_path / "words.gz"
        Lexicon(WORDS).save(path, binary=True)
        data = pickle.dumps(Lexicon.load(path))
        path.unlink()
        assert dict(pickle.loads(data)) == WORDS

    @pytest.mark.parametrize("there", [True, False])
    def test_tasks_of_other_processes_carry_no_lexicon(self, backend, there, monkeypatch):
        tokenizer = Tokenizer(Lexicon({chr(0x4E00 + i): i + 1 for i in range(3000)}))
        texts = ["一丁丂"] * 3000
        sizes = []

        def elsewhere(function, tasks):
            for task in tasks:
                data = pickle.dumps((function, task))
                sizes.append(len(data))
                function, task = pickle.loads(data)
                yield pickle.loads(pickle.dumps(function(task)))

        if not there:
            # As on another machine, which has no such file.
            monkeypatch.setattr(_immutable, "_received", OrderedDict())
            monkeypatch.setattr(_immutable, "open", no_file, raising=False)
        assert tokenizer.tokenize_many(texts, workers=elsewhere) == [["一", "丁", "丂"]] * 3000
        assert len(sizes) == (3 if there else 6)
        without = [size for size in sizes if size < 20_000]
        assert len(without) == 3
        found, offsets = tokenizer.encode_many(texts, workers=elsewhere)
        assert len(found) == offsets[-1] == 9000

    def test_the_file_of_a_task_goes_with_its_object(self, backend):
        tokenizer = Tokenizer(Lexicon(WORDS))

        def elsewhere(function, tasks):
            return [function(pickle.loads(pickle.dumps(task))) for task in tasks]

        tokenizer.tokenize_many(["研究"], workers=elsewhere)
        name = Path(_immutable._parcels[tokenizer]._name)
        assert name.exists()
        _immutable._received.clear()
        del tokenizer
        gc.collect()
        assert not name.exists()


def no_file(name, mode):
    if mode == "rb":
        raise FileNotFoundError
    return open(name, mode)
