"""N-gram counting: files, streams, saved tables, and more than fits into memory."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcore import use_backend
from fastcore._data import english_verse, poems
from fastcore.ngrams import NgramCounter, NgramTable, _files, count_ngrams
from fastcore.ngrams._runs import Run, part_rows

from .helpers import run_script

LINES = ["ab中", "", "\u0301🙂𠀀 x", "ab\0中", "b\ta"]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks, reads and merges so small that every boundary is crossed."""
    monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 50)
    monkeypatch.setattr("fastcore.ngrams._batches.READ", 7)
    monkeypatch.setattr("fastcore._texts.sources.READ", 7)
    monkeypatch.setattr("fastcore.ngrams._runs.PART_ROWS", 40)
    monkeypatch.setattr("fastcore.ngrams._runs.FAN_IN", 3)


class TestBytes:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("unit", ["char", "token"])
    @pytest.mark.parametrize("last", [True, False])
    def test_a_file_is_its_lines(self, backend, small_blocks, tmp_path, end, unit, last):
        path = tmp_path / "text"
        path.write_bytes((end.join(LINES) + (end if last else "")).encode())
        expected = count_ngrams(LINES, (1, 3), unit=unit)
        assert count_ngrams(path, (1, 3), unit=unit) == expected
        assert count_ngrams(path.read_bytes(), (1, 3), unit=unit) == expected
        assert count_ngrams(memoryview(path.read_bytes()), (1, 3), unit=unit) == expected
        assert count_ngrams([t.encode() for t in LINES], (1, 3), unit=unit) == expected
        assert count_ngrams(pa.array(LINES), (1, 3), unit=unit) == expected

    def test_a_lone_carriage_return_is_a_character(self, backend, small_blocks):
        assert count_ngrams(b"a\rb\r\r\nc\r", 1).to_dict() == {"a": 1, "\r": 3, "b": 1, "c": 1}

    def test_a_byte_order_mark_is_left_out(self, backend):
        assert count_ngrams(b"\xef\xbb\xbfa\xef\xbb\xbf", 1).to_dict() == {"a": 1, "\ufeff": 1}

    @pytest.mark.parametrize(
        ("suffix", "module"), [(".gz", gzip), (".xz", lzma), (".bz2", bz2), (".txt", io)], ids=lambda v: str(v)
    )
    def test_compressed(self, backend, tmp_path, suffix, module):
        path = tmp_path / f"text{suffix}"
        with module.open(path, "wb") as file:
            file.write("\n".join(LINES).encode())
        assert count_ngrams(path) == count_ngrams(LINES)

    def test_damaged_compression_names_the_file(self, backend, tmp_path):
        path = tmp_path / "text.gz"
        path.write_bytes(gzip.compress(random.Random(1).randbytes(5000))[:100])
        with pytest.raises(OSError, match=r"text\.gz is damaged"):
            count_ngrams(path, errors="replace")
        (tmp_path / "text.xz").write_bytes(b"no xz at all")
        with pytest.raises(OSError, match=r"text\.xz is damaged"):
            count_ngrams(tmp_path / "text.xz")

    def test_folder(self, backend, tmp_path):
        (tmp_path / "b").mkdir()
        (tmp_path / "c.txt").write_text("zz", encoding="utf-8")
        (tmp_path / "b" / "d.txt").write_text("yy", encoding="utf-8")
        (tmp_path / "a.txt").write_text("xx", encoding="utf-8")
        assert list(count_ngrams(tmp_path, 2)) == ["xx", "yy", "zz"]
        files = [tmp_path / "c.txt", tmp_path / "a.txt"]
        assert list(count_ngrams(files, 2)) == ["zz", "xx"]
        assert list(count_ngrams(iter(files), 2)) == ["zz", "xx"]

    def test_unreadable(self, backend, tmp_path):
        (tmp_path / "a.txt").write_text("xx", encoding="utf-8")
        with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
            count_ngrams([tmp_path / "a.txt", tmp_path / "missing.txt"])
        (tmp_path / "b.txt").symlink_to(tmp_path / "b.txt")
        with pytest.raises(OSError, match=r"b\.txt"):
            count_ngrams([tmp_path / "a.txt", tmp_path / "b.txt"])

    @pytest.mark.parametrize("unit", ["char", "token"])
    @pytest.mark.parametrize(
        "bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xb8", b"\x80", b"\xf0\x80\x80\x80"]
    )
    def test_bad_bytes_name_file_line_and_byte(self, backend, small_blocks, tmp_path, unit, bad):
        path = tmp_path / "text"
        path.write_bytes(b"abcdefg\nhijkl\xe4\xb8\xad " + bad + b"\nmore\n")
        with pytest.raises(ValueError, match=rf"text, line 2, byte 10: not UTF-8 \(0x{bad[0]:02x}\)"):
            count_ngrams(path, unit=unit)
        with pytest.raises(ValueError, match=rf"text, line 2, byte 10: not UTF-8 \(0x{bad[0]:02x}\)"):
            count_ngrams(path, unit=unit, split=re.compile("-"))
        with pytest.raises(ValueError, match=rf"texts\[1\], byte 3: not UTF-8 \(0x{bad[0]:02x}\)"):
            count_ngrams([b"x", b"ab" + bad], unit=unit)
        text = path.read_bytes().decode("utf-8", "replace").split("\n")
        assert count_ngrams(path, unit=unit, errors="replace") == count_ngrams(text, unit=unit)
        assert count_ngrams([b"ab" + bad], unit=unit, errors="replace") == count_ngrams(
            [(b"ab" + bad).decode("utf-8", "replace")], unit=unit
        )

    @given(st.binary(max_size=12), st.sampled_from(["char", "token"]))
    def test_any_bytes(self, data, unit):
        try:
            lines = data.decode().removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        except UnicodeDecodeError:
            lines = None
        for name in ("compiled", "reference"):
            with use_backend(name):
                if lines is None:
                    with pytest.raises(ValueError, match="not UTF-8"):
                        count_ngrams(data, unit=unit)
                else:
                    assert count_ngrams(data, unit=unit) == count_ngrams(lines, unit=unit)

    def test_mixtures_are_refused(self, backend, tmp_path):
        with pytest.raises(TypeError, match="must not mix bytes"):
            count_ngrams([b"a", "b"])
        with pytest.raises(TypeError, match="must not mix paths"):
            count_ngrams([tmp_path, "b"], workers=map)
        with pytest.raises(TypeError, match=r"texts\[1\] must be a str, got bytes"):
            count_ngrams(["a", b"b"])

    def test_split_reads_lines(self, backend, tmp_path):
        path = tmp_path / "text"
        path.write_bytes(b"ab--cd\r\nef-g")
        assert count_ngrams(path, 2, split=re.compile("-+")).to_dict() == {"ab": 1, "cd": 1, "ef": 1}
        assert count_ngrams([b"ab-c"], 2, split=re.compile("-+")).to_dict() == {"ab": 1}
        assert count_ngrams(pa.array(["ab-c"]), 2, split=re.compile("-+")).to_dict() == {"ab": 1}

    def test_arrow(self, backend):
        texts = ["ab", None, "中文", "", "🙂b"]
        expected = count_ngrams([t or "" for t in texts])
        for kind in (pa.string(), pa.large_string(), pa.string_view()):
            array = pa.array(texts, kind)
            assert count_ngrams(array) == expected
            assert count_ngrams(pa.chunked_array([array[:2], array[2:]])) == expected
            assert count_ngrams(array[2:4]).to_dict() == count_ngrams(["中文"]).to_dict()
        assert len(count_ngrams(pa.array([], pa.string()))) == 0
        with pytest.raises(TypeError, match="pyarrow array of strings, got int64"):
            count_ngrams(pa.array([1]))

    @pytest.mark.slow
    def test_one_line_of_a_gigabyte(self, tmp_path):
        path = tmp_path / "line"
        piece = "".join(poems()).replace("\n", "").encode() * 4
        with open(path, "wb") as file:
            while file.tell() < 1_000_000_000:
                file.write(piece)
        # Spilled runs are mapped, so only anonymous memory says what the line takes.
        script = f"""
import threading, time
from pathlib import Path
from typing import Any
from fastcore.ngrams import count_ngrams
def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) // 1024
peak, done = 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.005)
count_ngrams(["abc"])
before = anonymous()
thread = threading.Thread(target=watch, daemon=True)
thread.start()
table = count_ngrams(Path({str(path)!r}), 1, max_memory="64MB")
done = True
print(sum(table.values()), peak - before)
"""
        characters, peak = run_script(script, timeout=900).stdout.split()
        assert int(characters) == len(piece.decode()) * (path.stat().st_size // len(piece))
        assert int(peak) < 64 + 64


class TestCounterStreams:
    @given(st.lists(st.text("ab中", max_size=9), max_size=5), st.lists(st.text("cba文", max_size=9), max_size=5))
    def test_merge_equals_counting_both(self, a, b):
        for name in ("compiled", "reference"):
            with use_backend(name):
                first, second = NgramCounter((1, 3)), NgramCounter((1, 3))
                first.update(a)
                second.update(b)
                first.merge(pickle.loads(pickle.dumps(second)))
                assert list(first.finish().items()) == list(count_ngrams(a + b, (1, 3)).items())
                assert list(second.finish().items()) == list(count_ngrams(b, (1, 3)).items())

    def test_merge_of_tokens_with_limits(self, backend):
        texts = [verse.split() for verse in english_verse()[: backend.size(400, 40)]]
        first, second = (NgramCounter((1, 3), unit="token", max_memory="1MiB") for _ in range(2))
        first.update(texts[::2])
        second.update(texts[1::2])
        first.merge(second)
        assert first.finish() == count_ngrams(texts[::2] + texts[1::2], (1, 3), unit="token")

    def test_merge_refuses(self, backend):
        counter = NgramCounter(2)
        with pytest.raises(TypeError, match="other must be an NgramCounter"):
            counter.merge(count_ngrams(["a"]))
        for other in (NgramCounter(3), NgramCounter(2, unit="token"), NgramCounter(2, keep="cjk")):
            with pytest.raises(ValueError, match="same n-grams"):
                counter.merge(other)

    def test_prune(self, backend):
        counter = NgramCounter(2)
        counter.prune(2)
        counter.update(["ab"])
        counter.update(["abc"])
        assert counter.finish().to_dict() == {"ab": 2}

    def test_processes_count_files(self, tmp_path):
        texts = poems()[:3000]
        for i in range(3):
            (tmp_path / f"{i}.txt").write_text("\n".join(texts[i * 1000 : i * 1000 + 1000]), encoding="utf-8")
        expected = count_ngrams(texts, (1, 3), keep="cjk")
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            table = count_ngrams(tmp_path, (1, 3), keep="cjk", workers=pool)
        for k in range(4):
            assert table._keys[k].tobytes() == expected._keys[k].tobytes()
            assert table._counts[k].tobytes() == expected._counts[k].tobytes()
        assert table == expected


class TestSaved:
    @pytest.mark.parametrize("unit", ["char", "token"])
    def test_round_trip(self, backend, tmp_path, unit):
        table = count_ngrams(["ab\0中🙂ab", "b ab ab"], (1, 3), unit=unit)
        for name, made in (("whole", table), ("pruned", table.prune(2)), ("one", table.order(2))):
            made.save(tmp_path / name)
            loaded = NgramTable.load(tmp_path / name)
            assert loaded == made and loaded.totals == made.totals and loaded.min_count == made.min_count
            assert list(loaded.items()) == list(made.items())
            assert loaded.left_entropy().tolist() == made.left_entropy().tolist()
            assert loaded.cohesion().tolist() == made.cohesion().tolist()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "pruned", "whole"]

    def test_empty(self, backend, tmp_path):
        for unit in ("char", "token"):
            count_ngrams([], unit=unit).save(tmp_path / "t")
            assert len(NgramTable.load(tmp_path / "t")) == 0
            table = count_ngrams([], unit=unit, out=tmp_path / unit)
            assert len(table) == len(NgramTable.load(tmp_path / unit)) == 0

    def test_no_pickles_inside(self, tmp_path):
        count_ngrams(["ab"]).save(tmp_path / "t")
        with np.load(tmp_path / "t", allow_pickle=False) as arrays:
            assert json.loads(arrays["meta"].tobytes())["orders"] == [1, 4]
            assert all(arrays[name].dtype.kind in "uif" for name in arrays)

    def test_every_truncation_is_an_error(self, backend, tmp_path):
        path = tmp_path / "t"
        count_ngrams(["abcab"], (1, 2)).save(path)
        whole = path.read_bytes()
        for size in range(0, len(whole), backend.size(13, 131)):
            path.write_bytes(whole[:size])
            with pytest.raises(ValueError, match="n-gram table"):
                NgramTable.load(path)

    def test_every_flipped_byte_is_an_error_or_harmless(self, backend, tmp_path):
        path = tmp_path / "t"
        table = count_ngrams(["abcab"], (1, 2))
        table.save(path)
        whole = path.read_bytes()
        for at in range(0, len(whole), backend.size(7, 97)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            try:
                assert NgramTable.load(path) == table
            except ValueError as error:
                assert "n-gram table" in str(error) or "must be" in str(error)

    def test_a_name_that_is_no_text(self, tmp_path):
        path = tmp_path / "t"
        count_ngrams(["abcab"], (1, 2)).save(path)
        data = bytearray(path.read_bytes())
        member = data.index(b"PK\x01\x02")
        data[member + 9] |= 8  # the name says that it is UTF-8
        data[member + 46] = 0xFF
        path.write_bytes(data)
        with pytest.raises(ValueError, match="t is no whole n-gram table: 'utf-8' codec can't decode"):
            NgramTable.load(path)

    def changed(self, path: Path, **arrays: np.ndarray | None) -> None:
        with np.load(path) as old:
            new = {name: old[name] for name in old}
        new.update(arrays)
        np.savez(path.with_suffix(".npz"), **{k: v for k, v in new.items() if v is not None})
        os.replace(path.with_suffix(".npz"), path)

    @pytest.mark.parametrize(
        ("name", "array", "words"),
        [
            ("keys_2", None, "keys_2"),
            ("keys_2", np.zeros((2, 1), "<u8"), "don't fit"),
            ("keys_2", np.full((3, 1), 7, "<u8"), "aren't in order"),
            ("keys_2", np.array([[1], [2], [2**64 - 1]], "<u8"), "out of range"),
            ("keys_2", np.zeros((3, 1), "<f8"), "dtype"),
            ("counts_2", np.array([5, 1, 1], "<u4"), "add up"),
            ("counts_2", np.array([0, 1, 3], "<u4"), "too small"),
            ("points", np.array([1, 2, 0x110000], "<u4"), "scalar values"),
            ("points", np.arange(40, dtype="<u4"), "don't fit"),
            ("more", np.zeros(3, "<u4"), "it holds 'more.npy'"),
            ("meta", np.frombuffer(b"{}", np.uint8), "no n-gram table"),
            ("meta", np.frombuffer(b"[" * 60000, np.uint8), "no n-gram table"),
            ("meta", np.frombuffer(b"\xff", np.uint8), "no n-gram table"),
        ],
    )
    def test_inconsistent(self, backend, tmp_path, name, array, words):
        path = tmp_path / "t"
        count_ngrams(["abcab"], (1, 2)).save(path)
        self.changed(path, **{name: array})
        with pytest.raises(ValueError, match=words):
            NgramTable.load(path)

    def test_a_giant_shape_is_refused_before_it_is_allocated(self, backend, tmp_path):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<u8", "fortran_order": False, "shape": (10**12, 1)})
        path = tmp_path / "t"
        count_ngrams(["ab"], (1, 2)).save(path)
        with zipfile.ZipFile(path) as archive:
            members = {i.filename: archive.read(i) for i in archive.infolist()}
        members["keys_1.npy"] = header.getvalue()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        with pytest.raises(ValueError, match="no whole n-gram table"):
            NgramTable.load(path)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("meta.npy", b"\0" * 10**7)
        with pytest.raises(ValueError, match="compressed or too large"):
            NgramTable.load(path)

    def test_not_a_table(self, backend, tmp_path):
        (tmp_path / "t").write_bytes(b"hello")
        with pytest.raises(ValueError, match="no whole n-gram table"):
            NgramTable.load(tmp_path / "t")
        with pytest.raises(ValueError, match="no n-gram table"):
            NgramTable.load(tmp_path)
        with pytest.raises(FileNotFoundError):
            NgramTable.load(tmp_path / "missing")

    def test_write_counts(self, backend, tmp_path):
        count_ngrams(["a b a b"], (1, 2), unit="token").write_counts(tmp_path / "c")
        count_ngrams(["a b a b"], (1, 2), unit="token").write_counts(tmp_path / "c.gz")
        assert gzip.decompress((tmp_path / "c.gz").read_bytes()) == (tmp_path / "c").read_bytes()
        assert (tmp_path / "c").read_text("utf-8") == "a\t2\nb\t2\na b\t2\nb a\t1\n"
        with pytest.raises(ValueError, match=r"white space in a file of counts, got ' '"):
            count_ngrams(["a b"]).write_counts(tmp_path / "d")
        assert not (tmp_path / "d").exists()

    def test_a_full_disk_leaves_nothing(self, backend, tmp_path, monkeypatch):
        def full(*args):
            raise OSError(errno.ENOSPC, "No space left on device")

        table = count_ngrams(["abab"])
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            table.save(tmp_path / "t")
        with pytest.raises(OSError, match="No space left"):
            count_ngrams(["abab"], out=tmp_path / "folder")
        assert list(tmp_path.iterdir()) == []


class TestSpill:
    @pytest.mark.parametrize("workers", [1, 2, 8])
    def test_workers_share_the_memory(self, workers):
        # A part takes 80 bytes a row; two a thread are there at once.
        limit, runs = 64_000_000, [Run(np.zeros((10**7, 1), np.uint64), np.zeros(10**7, np.uint32), None)]
        rows = part_rows(limit, runs, workers)
        assert 1024 <= rows <= limit / (2 * 80 * (1 if workers == 1 else 2 * workers))

    @pytest.mark.parametrize("unit", ["char", "token"])
    def test_the_same_table(self, backend, monkeypatch, tmp_path, unit):
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 500)
        monkeypatch.setattr("fastcore.ngrams._counter.LEAST_MEMORY", 1)
        monkeypatch.setattr("fastcore.ngrams._runs.MAX_SPILLED", 5)
        texts = poems()[: backend.size(3000, 250)] if unit == "char" else english_verse()[: backend.size(800, 150)]
        expected = count_ngrams(texts, (1, 3), unit=unit)
        for workers in (1, 2):
            options = {"unit": unit, "max_memory": 40_000, "spill_dir": tmp_path, "workers": workers}
            table = count_ngrams(texts, (1, 3), **options)
            assert isinstance(table._keys[2], np.memmap)
            assert table == expected and table.totals == expected.totals
            pruned = count_ngrams(texts, (1, 3), min_count=2, out=tmp_path / "out", **options)
            loaded = NgramTable.load(tmp_path / "out")
            for made in (pruned, loaded):
                assert made == expected.prune(2)
                assert made.left_entropy().tolist() == expected.prune(2).left_entropy().tolist()
            assert [p.name for p in tmp_path.iterdir()] == ["out"]
            for file in (tmp_path / "out").iterdir():
                file.unlink()
            (tmp_path / "out").rmdir()

    def test_a_place_that_out_cannot_have_is_seen_before_counting(self, backend, tmp_path):
        def untouched():
            pytest.fail("counted")
            yield "a"

        (tmp_path / "file").touch()
        for out in (tmp_path / "missing" / "t", str(tmp_path / "file" / "t")):
            with pytest.raises(FileNotFoundError, match=r"out must lie in a folder that exists: .*t'"):
                count_ngrams(untouched(), out=out)
            counter = NgramCounter(1)
            counter.update(["aab"])
            for least in (1, 2):
                with pytest.raises(FileNotFoundError, match="out must lie in a folder that exists"):
                    counter.finish(least, out=out)
            with pytest.raises(FileNotFoundError, match="out must lie in a folder that exists"):
                counter.finish().prune(2, out=out)
        with pytest.raises(FileExistsError, match="out must not exist yet"):
            count_ngrams(untouched(), out=tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["file"]

    def test_out(self, backend, tmp_path):
        expected = count_ngrams(["banana"], (1, 3))
        table = count_ngrams(["banana"], (1, 3), out=tmp_path / "t")
        assert table == expected == NgramTable.load(tmp_path / "t")
        assert table.right_entropy().tolist() == expected.right_entropy().tolist()
        with pytest.raises(FileExistsError, match="out must not exist yet"):
            count_ngrams(["banana"], out=tmp_path / "t")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises(FileExistsError, match="out must not exist yet"):
            table.prune(2, out=tmp_path / "link")
        assert pickle.loads(pickle.dumps(table)) == expected

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"max_memory": "64 apples"}, ValueError, "max_memory must be a number of bytes or a size"),
            ({"max_memory": 10}, ValueError, "max_memory must be at least 1000000, got 10"),
            ({"max_memory": 1.5}, TypeError, "max_memory must be an int"),
            ({"spill_dir": "."}, ValueError, "spill_dir must be None where max_memory is None"),
            ({"max_memory": "1GB", "spill_dir": "missing"}, FileNotFoundError, "spill_dir must be a folder"),
        ],
    )
    def test_refused(self, backend, options, error, words):
        with pytest.raises(error, match=words):
            count_ngrams(["a"], **options)

    def test_sizes(self, backend):
        for size, number in (("64MB", 64_000_000), ("1.5 GiB", 3 << 29), ("2m", 2_000_000), (1 << 21, 1 << 21)):
            assert NgramCounter(max_memory=size)._limit == number

    def test_a_spill_folder_that_vanishes(self, backend, monkeypatch, tmp_path):
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 100)
        monkeypatch.setattr("fastcore.ngrams._counter.LEAST_MEMORY", 1)
        (tmp_path / "spill").mkdir()
        counter = NgramCounter((1, 2), max_memory=2000, spill_dir=tmp_path / "spill")
        counter.update(["abc"])
        (tmp_path / "spill").rmdir()
        with pytest.raises(OSError, match=r"spill_dir .*spill can't be written to: No such file"):
            counter.update(poems()[:1000])
        (tmp_path / "spill").mkdir()
        assert counter.finish().order(2).to_dict() == {"ab": 1, "bc": 1}

    def test_a_kill_leaves_nothing_that_looks_whole(self, tmp_path):
        script = f"""
import fastcore.ngrams._files as f, time
from fastcore._data import poems
from fastcore.ngrams import count_ngrams
old = f.encode_meta
def slow(meta):
    print("ready", flush=True); time.sleep(60)
f.encode_meta = slow
count_ngrams(poems()[:20000], max_memory="1MiB", spill_dir={str(tmp_path)!r}, out={str(tmp_path / "out")!r})
"""
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline().strip() == "ready"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = list(tmp_path.iterdir())
        assert all(p.name.startswith(".out.") and p.name.endswith(".tmp") for p in left)
        with pytest.raises(ValueError, match="no n-gram table"):
            NgramTable.load(left[0])

    @pytest.mark.slow
    def test_memory_stays_within_the_limit(self, tmp_path):
        script = f"""
import threading, time
from pathlib import Path
from typing import Any
from fastcore._data import poems
from fastcore.ngrams import count_ngrams
def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) // 1024
peak, done = 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.005)
path = Path({str(tmp_path / "text")!r})
text = poems()
import random
rng = random.Random(1)
with open(path, "w", encoding="utf-8") as file:
    for copy in range(12):
        for line in text:
            shuffled = list(line); rng.shuffle(shuffled)
            file.write("".join(shuffled) + "\\n")
del text
count_ngrams(["abc"])
before = anonymous()
thread = threading.Thread(target=watch, daemon=True)
thread.start()
table = count_ngrams(path, (1, 4), max_memory="16MB", spill_dir={str(tmp_path)!r})
done = True
print(peak - before, len(table))
"""
        result = run_script(script, timeout=600)
        assert result.returncode == 0, result.stderr
        assert int(result.stdout.split()[0]) < 16 + 64


class TestDamage:
    @pytest.mark.parametrize("unit", ["char", "token"])
    @pytest.mark.parametrize("min_count", [1, 2])
    def test_folder_with_a_flipped_bit(self, backend, tmp_path, unit, min_count):
        made = count_ngrams(["to be or not to be"], (1, 2), unit=unit, min_count=min_count, out=tmp_path / "table")
        expected = dict(made), made.totals, made.min_count, made.left_entropy().tolist(), made.right_entropy().tolist()
        rng = random.Random(0)
        for file in sorted((tmp_path / "table").iterdir()):
            data = file.read_bytes()
            inside = range(8 * 128, 8 * len(data))
            for bit in [*rng.sample(inside, backend.size(30, 4)), *rng.sample(range(8 * 128), backend.size(10, 2))]:
                changed = bytearray(data)
                changed[bit // 8] ^= 1 << bit % 8
                file.write_bytes(changed)
                try:
                    table = NgramTable.load(tmp_path / "table")
                except ValueError as error:
                    assert "n-gram table" in str(error) or "must be" in str(error)
                else:
                    # Only in what fills a header up may a bit be anything.
                    assert bit < 8 * 128
                    assert expected == (
                        dict(table),
                        table.totals,
                        table.min_count,
                        table.left_entropy().tolist(),
                        table.right_entropy().tolist(),
                    )
            file.write_bytes(data)

    def forge(self, folder: Path, sums: bool = True, **changed: Any) -> None:
        """Change a table's arrays or its description, with checksums that are right."""
        meta = json.loads(np.load(folder / "meta.npy").tobytes())
        for name, value in changed.items():
            if callable(value):
                value = value(np.load(folder / f"{name}.npy")) if (folder / f"{name}.npy").exists() else value(None)
                np.save(folder / f"{name}.npy", value)
                if sums:
                    meta["checksums"][name] = _files.checksum(value)
            else:
                meta[name] = value
        del meta["checksum"]
        np.save(folder / "meta.npy", _files.encode_meta(meta))

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"points": lambda old: np.array([97, 98, 97], "<u4")}, "symbols must be distinct"),
            ({"keys_1": lambda old: old + np.array([[0], [0], [2**40]], "<u8")}, "hold more than their ids"),
            ({"keys_1": lambda old: old[::-1].copy()}, "aren't in order"),
            ({"counts_1": lambda old: old + old}, "don't add up"),
            ({"more_1": lambda old: np.array([1], "<u4")}, "it holds 'more_1.npy'"),
            ({"version": 3}, "must be an n-gram table of version 2, got 3"),
            ({"totals": [3, 1]}, "don't add up"),
            ({"checksums": {}}, "its arrays aren't those that its description names"),
        ],
    )
    def test_forged(self, backend, tmp_path, changed, words):
        count_ngrams(["abc"], 1, out=tmp_path / "table")
        self.forge(tmp_path / "table", **changed)
        with pytest.raises(ValueError, match=words):
            NgramTable.load(tmp_path / "table")

    def test_a_checksum_is_of_type_and_shape_too(self, backend, tmp_path):
        count_ngrams(["abc"], 1, out=tmp_path / "table")
        self.forge(tmp_path / "table", sums=False, counts_1=lambda old: old.reshape(3, 1))
        with pytest.raises(ValueError, match=r"the checksum of counts_1\.npy is wrong"):
            NgramTable.load(tmp_path / "table")

    def test_what_is_written_has_the_checksums_of_what_is_read(self, backend, monkeypatch, tmp_path):
        # In pieces, as they come from a merge and as they are read.
        monkeypatch.setattr(_files, "PIECE", 5)
        monkeypatch.setattr("fastcore.ngrams._runs.PART_ROWS", 3)
        expected = count_ngrams(["to be or not to be"], (1, 3))
        count_ngrams(["to be or not to be"], (1, 3), out=tmp_path / "table")
        assert NgramTable.load(tmp_path / "table") == expected

    def test_a_folder_without_checksums_is_of_version_1(self, backend, tmp_path):
        table = count_ngrams(["abc"], 1, out=tmp_path / "table")
        meta = json.loads(np.load(tmp_path / "table" / "meta.npy").tobytes())
        old = {name: value for name, value in meta.items() if not name.startswith("checksum")}
        for version, loads in ((1, True), (2, False)):
            text = json.dumps({**old, "version": version}).encode()
            np.save(tmp_path / "table" / "meta.npy", np.frombuffer(text, np.uint8))
            if loads:
                assert NgramTable.load(tmp_path / "table") == table
            else:
                with pytest.raises(ValueError, match="the checksum of its description is wrong"):
                    NgramTable.load(tmp_path / "table")

    def test_members_that_lie_over_one_another(self, backend, tmp_path):
        path = tmp_path / "table.npz"
        table = count_ngrams(["abc" * 100_000], (1, 2), unit="token")
        table.save(path)
        with zipfile.ZipFile(path, "a") as archive:
            largest = max(archive.infolist(), key=lambda info: info.file_size)
            for k in range(3, 60):
                other = zipfile.ZipInfo(f"keys_{k}.npy")
                for name in ("header_offset", "file_size", "compress_size", "CRC", "flag_bits", "extract_version"):
                    setattr(other, name, getattr(largest, name))
                archive.filelist.append(other)
                archive.NameToInfo[other.filename] = other
            archive._didModify = True
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"is compressed or too large"):
            NgramTable.load(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 * largest.file_size

    def test_archive_that_points_before_its_beginning(self, backend, tmp_path):
        path = tmp_path / "table.npz"
        count_ngrams(["abc"], 1).save(path)
        data = bytearray(path.read_bytes())
        end = data.rfind(b"PK\5\6")
        for value in (b"\xff\xff\xff\x7f", b"\0\0\0\x40"):
            path.write_bytes(data[: end + 16] + value + data[end + 20 :])
            with pytest.raises(ValueError, match="no whole n-gram table"):
                NgramTable.load(path)

    def test_damaged_bz2_is_named(self, backend, tmp_path):
        (tmp_path / "x.bz2").write_bytes(b"nothing of the kind")
        with pytest.raises(OSError, match=r"x\.bz2 is damaged"):
            count_ngrams(tmp_path / "x.bz2")


def test_copy_of_a_whole_table_into_a_folder(backend, tmp_path):
    table = count_ngrams(["abab", "ba"], (1, 2))
    copy = table.prune(1, out=tmp_path / "copy")
    assert dict(copy) == dict(table)
    loaded = NgramTable.load(tmp_path / "copy")
    assert dict(loaded.merge(table)) == {ngram: 2 * count for ngram, count in table.items()}
    np.testing.assert_array_equal(loaded.right_entropy(), table.right_entropy())


@pytest.mark.parametrize("unit", ["char", "token"])
def test_failed_update_leaves_no_symbols(backend, unit):
    counter = NgramCounter(1, unit=unit)
    counter.update(["a b"])
    with pytest.raises(TypeError):
        counter.update(["x y a", None])
    counter.update(["z a"])
    assert counter.finish().symbols == (["a", " ", "b", "z"] if unit == "char" else ["a", "b", "z"])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_null_over_bytes_is_empty(backend, kind):
    offsets = np.array([0, 2, 4, 6], np.int32 if kind == pa.string() else np.int64)
    buffers = [pa.py_buffer(b"\5"), pa.py_buffer(offsets), pa.py_buffer(b"abcdef")]
    array = pa.Array.from_buffers(kind, 3, buffers)
    assert count_ngrams(array, 2).to_dict() == {"ab": 1, "ef": 1}


def test_bad_bytes_among_texts_that_are_split(backend):
    with pytest.raises(ValueError, match=r"texts\[1\], byte 2: not UTF-8 \(0xff\)"):
        count_ngrams([b"ok", b"a\xff"], 1, split=re.compile("x"))


@pytest.mark.parametrize("split", [None, re.compile("x")])
def test_place_of_a_bad_byte_after_a_byte_order_mark(backend, tmp_path, split):
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfab\n\xff")
    with pytest.raises(ValueError, match=r"line 2, byte 1: not UTF-8 \(0xff\)"):
        count_ngrams(tmp_path / "marked.txt", split=split)


def test_entropies_take_their_room_on_disk_beforehand(backend, tmp_path):
    # A mapped file with holes would kill the process when the disk is full.
    room = _files.Place(tmp_path).zeros(100_000)
    assert room.shape == (100_000,)
    assert not room.any()
