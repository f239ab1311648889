"""Texts in files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import re
import sys
import tracemalloc
import zlib

import pytest
import zstandard

from fastcore._texts import Manner, files_of, packing, reading, string_lists, strings
from fastcore.lexicon import Lexicon, Tokenizer, WordFinder
from fastcore.ngrams import NgramCounter, count_ngrams, count_skipgrams
from fastcore.templates import TemplateFinder

TEXT = "床前明月光\nplain\r\n\n𝄞 last"
LINES = ["床前明月光", "plain", "", "𝄞 last"]


def lines_of(source, **manner):
    return strings(source, Manner(**manner))


def zstd(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}
# Whatever takes a path to texts.
DOORS = {
    "count_ngrams": count_ngrams,
    "count_ngrams of a list": lambda path: count_ngrams([path]),
    "count_ngrams through an executor": lambda path: count_ngrams(path, workers=map),
    "count_ngrams with split": lambda path: count_ngrams(path, split=re.compile("!")),
    "NgramCounter": lambda path: NgramCounter().update(path),
    "count_skipgrams": lambda path: count_skipgrams(path, 2),
    "WordFinder": lambda path: WordFinder().fit(path),
    "TemplateFinder": lambda path: TemplateFinder(str.split).fit(path),
    "Tokenizer": lambda path: Tokenizer(Lexicon({"a": 1})).tokenize_many(path),
}


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


@pytest.mark.parametrize("suffix", [".txt", *PACKERS])
def test_suffixes(tmp_path, suffix):
    name, pack = f"a{suffix}", PACKERS.get(suffix, bytes)
    (tmp_path / name).write_bytes(pack(TEXT.encode()))
    assert list(lines_of(tmp_path / name)) == LINES
    with open(tmp_path / ("copy" + name), "wb") as file, packing(file, name) as packed:
        packed.write(TEXT.encode())
    assert list(lines_of(tmp_path / ("copy" + name))) == LINES


def test_zstd_without_its_library_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "a.zst").write_bytes(b"")
    with pytest.raises(ImportError, match=r"\.zst files needs zstandard: pip install 'fastcore-kernels\[zstd\]'"):
        list(lines_of(tmp_path / "a.zst"))


@pytest.mark.parametrize("suffix", PACKERS)
def test_streams_one_after_the_other(tmp_path, suffix):
    # As parallel compressors write them, and `cat`.
    first, second = ("".join(map(chr, random.Random(i).choices(range(0x4E00, 0x9FA6), k=9000))) for i in range(2))
    path = tmp_path / f"two{suffix}"
    path.write_bytes(PACKERS[suffix](first.encode()) + PACKERS[suffix](second.encode()))
    assert list(lines_of(path)) == [first + second]


def test_zstd_reads_frames_of_any_size(tmp_path):
    path = tmp_path / "a.zst"
    texts = [b"", b"ab", b"0" * 3_000_000, random.Random(1).randbytes(70_000), b""]
    # A frame to be skipped, as pzstd writes one before each of its own.
    skipped = (0x184D2A50).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"1234"
    path.write_bytes(b"".join(skipped + zstandard.ZstdCompressor().compress(text) for text in texts))
    with reading(path) as file:
        assert file.read() == b"".join(texts)
    assert file.closed


@pytest.mark.parametrize("suffix", PACKERS)
def test_damage_names_the_file(backend, tmp_path, door, suffix):
    text = "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9FA6), k=500)))
    whole = PACKERS[suffix](text.encode())
    path = tmp_path / f"damaged{suffix}"
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x55
    for data in (whole[:-1], whole[: len(whole) // 2], whole[:3], bytes(flipped), b"no such thing", whole + whole[:20]):
        path.write_bytes(data)
        with pytest.raises(OSError, match=rf"damaged\{suffix} is damaged: "):
            door(path)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_of_nothing_is_damaged(backend, tmp_path, door, suffix):
    path = tmp_path / f"empty{suffix}"
    path.write_bytes(b"")
    with pytest.raises(OSError, match=rf"empty\{suffix} is damaged: it is empty"):
        door(path)
    path.write_bytes(PACKERS[suffix](b""))
    assert list(lines_of(path)) == []


def unpacked(path, data):
    """What a file is read as, or None if it is said to be damaged."""
    path.write_bytes(data)
    try:
        with reading(path) as file:
            return file.read()
    except OSError as error:
        assert str(error).startswith(f"{path} is damaged: ")
        return None


@pytest.mark.parametrize("suffix", PACKERS)
def test_no_damage_is_read_as_another_text(tmp_path, suffix):
    text = b"the quick brown fox\n" * 3
    whole, path = PACKERS[suffix](text), tmp_path / f"a{suffix}"
    assert unpacked(path, whole) == text
    assert not [size for size in range(len(whole)) if unpacked(path, whole[:size]) is not None]
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        # Some bits of a header are nobody's; in .xz all are checked.
        assert unpacked(path, bytes(changed)) in ([None] if suffix == ".xz" else [None, text])
    assert unpacked(path, whole + b"x") is None


def test_zeros_after_a_stream(tmp_path):
    for suffix, step in ((".gz", 1), (".xz", 4)):
        whole = PACKERS[suffix](b"text")
        for size in (*range(9), 40_000, 40_001):
            for after, expected in ((b"", b"text"), (whole, b"texttext")):
                found = unpacked(tmp_path / f"a{suffix}", whole + bytes(size) + after)
                assert found == (None if size % step else expected), (suffix, size)


def test_a_long_line_is_held_once(tmp_path):
    path, size = tmp_path / "line", 6_000_000
    path.write_bytes("明".encode() * (size // 3))
    tracemalloc.start()
    for lines in string_lists(path, Manner()):
        held, peak = tracemalloc.get_traced_memory()
        assert list(map(len, lines)) == [size // 3]
    tracemalloc.stop()
    # As str it takes two thirds. To make it one Python takes three times its bytes beside them, most of it untouched.
    assert held < 0.9 * size
    assert peak < 4.5 * size


def test_little_unpacks_to_much_in_little_memory(tmp_path):
    size = 20_000_000
    for suffix in (".gz", ".bz2", ".xz"):
        packer = {".gz": zlib.compressobj(9, wbits=31), ".bz2": bz2.BZ2Compressor(), ".xz": lzma.LZMACompressor()}[
            suffix
        ]
        parts = [packer.compress(bytes(10_000_000)) for _ in range(size // 10_000_000)]
        (tmp_path / f"bomb{suffix}").write_bytes(b"".join([*parts, packer.flush()]))
        tracemalloc.start()
        with reading(tmp_path / f"bomb{suffix}") as file:
            assert not any(file.read(100))
            _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16_000_000  # .xz keeps the last 8 MB


def test_a_folder_without_files_names_it(backend, tmp_path, door):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"the folder .*empty holds no file"):
        door(tmp_path / "empty")


def test_a_link_that_leads_nowhere_is_no_file_to_skip(backend, tmp_path, door):
    (tmp_path / "below").mkdir()
    (tmp_path / "a.txt").write_text("a b", encoding="utf-8")
    (tmp_path / "below" / "lost.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(OSError, match=r"lost\.txt"):
        door(tmp_path)
    with pytest.raises(OSError, match=r"lost\.txt"):
        door(tmp_path / "below" / "lost.txt")


def test_links_to_files_are_followed_and_to_folders_not(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b").write_text("b", encoding="utf-8")
    (tmp_path / "folder" / "a").symlink_to(tmp_path / "other" / "b")
    (tmp_path / "folder" / "round").symlink_to(tmp_path / "folder")
    assert files_of(tmp_path / "folder") == [tmp_path / "folder" / "a"]


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "a").write_text("a", encoding="utf-8")
    scan = os.scandir

    def refused(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(PermissionError, match="closed"):
        files_of(tmp_path)


def test_folder_in_sorted_order(tmp_path):
    for name in ("b", "a", "sub/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    assert list(lines_of(tmp_path)) == ["a", "b", "sub/c"]
    assert [p.name for p in files_of(tmp_path / "a")] == ["a"]


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(lines_of(tmp_path / "absent"))
    with pytest.raises(ValueError, match="holds no file"):
        files_of(tmp_path)


def test_not_utf8_names_file_line_and_byte(tmp_path):
    (tmp_path / "bad").write_bytes(b"fine\nab\xffc\n")
    with pytest.raises(ValueError, match=r"bad, line 2, byte 3: not UTF-8 \(0xff\); pass errors='replace'"):
        list(lines_of(tmp_path / "bad"))
    assert list(lines_of(tmp_path / "bad", errors="replace")) == ["fine", "ab\ufffdc"]


def test_byte_order_marks_of_bytes_one_by_one():
    marked = [text.encode("utf-8-sig") for text in LINES]
    assert list(lines_of(marked, encoding="utf-8-sig")) == LINES
    assert count_ngrams(marked, 1, encoding="utf-8-sig") == count_ngrams(LINES, 1)


def test_arrow_strings_are_utf8_whatever_encoding_says():
    import pyarrow

    assert list(lines_of(pyarrow.array(LINES), encoding="utf-16")) == LINES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("given", [None, "text"])
def test_a_file_that_gives_no_bytes(given, encoding):
    class File:
        name = "pipe"

        def __iter__(self):
            return iter(())

        def readline(self):
            return given

        def read(self, size=-1):
            return given

    with pytest.raises(TypeError, match=f"pipe must give bytes when it is read, got {type(given).__name__}"):
        list(lines_of(File(), encoding=encoding))


def test_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbfa\n\xef\xbb\xbfb")
    assert list(lines_of(path)) == ["a", "\ufeffb"]
    path.write_bytes(b"\xef\xbb\xbfa\xff\n")
    with pytest.raises(ValueError, match="line 1, byte 5: not UTF-8"):
        list(lines_of(path))
