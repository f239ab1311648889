"""Texts in files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from types import SimpleNamespace

import pytest

from fastcore._texts import files_of, lines_of, open_binary

TEXT = "床前明月光\nplain\r\n\n𝄞 last"
LINES = ["床前明月光", "plain", "", "𝄞 last"]


@pytest.mark.parametrize(
    ("name", "pack"), [("a.txt", bytes), ("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)]
)
def test_suffixes(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(TEXT.encode()))
    assert list(lines_of(tmp_path / name)) == LINES
    with open_binary(tmp_path / ("copy" + name), "wb") as file:
        file.write(TEXT.encode())
    assert list(lines_of(tmp_path / ("copy" + name))) == LINES


def test_zstd_without_its_library_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "a.zst").write_bytes(b"")
    with pytest.raises(ImportError, match=r"\.zst files needs zstandard: pip install 'fastcore-kernels\[zstd\]'"):
        list(lines_of(tmp_path / "a.zst"))


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
    with pytest.raises(ValueError, match=r"bad, line 2, byte 3 of the line: not UTF-8"):
        list(lines_of(tmp_path / "bad"))
    assert list(lines_of(tmp_path / "bad", "replace")) == ["fine", "ab\ufffdc"]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert list(lines_of("-")) == LINES


def test_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbfa\n\xef\xbb\xbfb")
    assert list(lines_of(path)) == ["a", "\ufeffb"]
    path.write_bytes(b"\xef\xbb\xbfa\xff\n")
    with pytest.raises(ValueError, match="line 1, byte 5 of the line"):
        list(lines_of(path))
