"""Files written whole or not at all: by every door that writes one."""

from __future__ import annotations

import bz2
import errno
import gc
import gzip
import io
import lzma
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zstandard

from fastcore import cli
from fastcore._data import poems
from fastcore._demo import run as run_demo
from fastcore._whole import whole_file, whole_folder
from fastcore.discovery import WordFinder
from fastcore.embeddings import SkipGram
from fastcore.lexicon import Lexicon
from fastcore.ngrams import NgramCounter, NgramTable, count_ngrams
from fastcore.templates import TemplateFinder

WORDS = {"明月": 3, "光": 1}


def by_command(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.txt")
        source.write_text("床前明月光\n" * 3, encoding="utf-8")
        assert cli.main(["words", "--method", "adjacent", str(source), "-o", str(path)]) == 0


# Whatever writes a file.
DOORS: dict[str, Callable[[Path], object]] = {
    "whole_file": lambda path: write(path, b"new"),
    "fastcore words -o": by_command,
    "Lexicon.save": lambda path: Lexicon(WORDS).save(path),
    "Lexicon.save binary": lambda path: Lexicon(WORDS).save(path, binary=True),
    "NgramTable.save": lambda path: count_ngrams(["床前明月光"], 2).save(path),
    "NgramTable.write_counts": lambda path: count_ngrams(["床前明月光"], 2).write_counts(path),
}


def write(path: Path | str, data: bytes) -> None:
    with whole_file(path) as file:
        file.write(data)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return DOORS[request.param]


@pytest.fixture
def expected(door, tmp_path_factory) -> bytes:
    """What a door writes into a new file."""
    path = tmp_path_factory.mktemp("expected") / "file"
    door(path)
    return path.read_bytes()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestWhatIsThereStays:
    @pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
    def test_a_new_file_has_the_mode_that_the_umask_leaves(self, door, tmp_path, monkeypatch, mask):
        with umask(mask):
            # No thread may set it, even for a moment: it is everybody's.
            monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the process's umask was set"))
            try:
                door(tmp_path / "file")
            finally:
                monkeypatch.undo()
        assert mode(tmp_path / "file") == 0o666 & ~mask
        assert left_over(tmp_path) == ["file"]

    @pytest.mark.parametrize("old", [0o600, 0o640, 0o664])
    def test_modes_are_kept(self, door, expected, tmp_path, old):
        path = tmp_path / "file"
        path.write_bytes(b"x" * 10_000)
        path.chmod(old)
        door(path)
        assert path.read_bytes() == expected
        assert mode(path) == old
        assert left_over(tmp_path) == ["file"]

    def test_links_are_followed(self, door, expected, tmp_path):
        (tmp_path / "folder").mkdir()
        target, link = tmp_path / "folder" / "target", tmp_path / "link"
        target.write_bytes(b"old")
        link.symlink_to(Path("folder", "target"))
        door(link)
        assert link.is_symlink() and target.read_bytes() == expected
        target.unlink()
        door(link)
        assert link.is_symlink() and target.read_bytes() == expected
        assert left_over(tmp_path / "folder") == ["target"]

    @pytest.mark.parametrize("size", [0, 100_000])
    def test_a_file_with_two_names_stays_one(self, door, expected, tmp_path, size):
        first, second = tmp_path / "first", tmp_path / "second"
        first.write_bytes(b"x" * size)
        os.link(first, second)
        door(first)
        assert first.samefile(second) and second.read_bytes() == expected
        assert left_over(tmp_path) == ["first", "second"]

    def test_owners_are_kept(self, door, expected, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"old")
        other = 12345 if os.geteuid() == 0 else os.getuid()
        os.chown(path, other, -1)
        door(path)
        assert path.stat().st_uid == other and path.read_bytes() == expected

    def test_an_owner_that_cannot_be_kept_is_written_in_place(self, tmp_path, monkeypatch):
        path = tmp_path / "file"
        path.write_bytes(b"a longer old text")
        before = path.stat()
        monkeypatch.setattr("fastcore._whole._attributes", lambda file: {str(file): b""})
        write(path, b"new")
        assert path.read_bytes() == b"new" and path.stat().st_ino == before.st_ino

    def test_the_folder_takes_no_new_file(self, door, expected):
        # pytest's own folders are closed to anybody else.
        folder = Path(tempfile.mkdtemp())
        folder.chmod(0o755)
        path = folder / "file"
        path.write_bytes(b"x" * 10_000)
        path.chmod(0o666)
        folder.chmod(0o555)
        try:
            with another_user():
                door(path)
                with pytest.raises(PermissionError, match=r"Permission denied: '.*new'"):
                    write(folder / "new", b"")
            assert path.read_bytes() == expected
            assert left_over(folder) == ["file"]
        finally:
            folder.chmod(0o755)
            shutil.rmtree(folder)

    def test_a_file_closed_to_us(self):
        folder = Path(tempfile.mkdtemp())
        try:
            path = folder / "file"
            path.write_bytes(b"old")
            path.chmod(0o444)
            folder.chmod(0o777)
            with another_user(), pytest.raises(PermissionError, match="file"), whole_file(path):
                pytest.fail("seen before anything is written")
            assert path.read_bytes() == b"old" and left_over(folder) == ["file"]
        finally:
            shutil.rmtree(folder)


@contextmanager
def another_user() -> Iterator[None]:
    """Without root's rights, where the tests have them."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestWhatIsNoFile:
    def test_a_pipe_with_a_name(self, door, expected, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
        reader.start()
        door(tmp_path / "pipe")
        reader.join()
        # A zip archive that can't be gone back in has its sizes elsewhere.
        assert found == [expected] or found[0][:2] == expected[:2] == b"PK"
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
        assert left_over(tmp_path) == ["pipe"]

    def test_what_a_table_writes_into_a_pipe_can_be_read(self, tmp_path):
        table = count_ngrams(["床前明月光"], (1, 2))
        os.mkfifo(tmp_path / "pipe")
        copy = threading.Thread(target=lambda: (tmp_path / "copy").write_bytes((tmp_path / "pipe").read_bytes()))
        copy.start()
        table.save(tmp_path / "pipe")
        copy.join()
        assert NgramTable.load(tmp_path / "copy") == table

    def test_a_device(self, door):
        # A terminal of our own: a device in whose folder nothing can be made or replaced.
        controller, terminal = os.openpty()
        drained = threading.Thread(target=drain, args=(controller,), daemon=True)
        drained.start()
        name = os.ttyname(terminal)
        before = os.stat(name)
        door(Path(name))
        after = os.stat(name)
        assert stat.S_ISCHR(after.st_mode) and os.path.samestat(before, after)
        os.close(terminal)
        drained.join(10)
        os.close(controller)

    @pytest.mark.parametrize("path", ["/dev/fd/{}", "/proc/self/fd/{}"])
    @pytest.mark.parametrize("kind", ["pipe", "socket"])
    def test_a_descriptor(self, door, expected, kind, path):
        if kind == "pipe":
            ours, theirs = os.pipe()
        else:
            ours, theirs = (end.detach() for end in socket.socketpair())
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(b"".join(iter(lambda: os.read(ours, 65536), b""))))
        reader.start()
        door(Path(path.format(theirs)))
        os.close(theirs)
        reader.join()
        os.close(ours)
        assert found == [expected] or found[0][:2] == expected[:2] == b"PK"

    def test_what_the_shell_appends_to_is_appended_to(self, tmp_path):
        (tmp_path / "in.txt").write_text("床前明月光\n" * 2, encoding="utf-8")
        (tmp_path / "log").write_text("before\n", encoding="utf-8")
        (tmp_path / "words").write_text("明月 3\n", encoding="utf-8")
        script = f"{sys.executable} -m fastcore segment --lexicon {tmp_path}/words {tmp_path}/in.txt -o"
        for command in (f"{script} /dev/stdout >> {tmp_path}/log", f"{script} >(cat > {tmp_path}/copy); sleep .3"):
            subprocess.run(["bash", "-c", command], check=True)
        assert (tmp_path / "log").read_text(encoding="utf-8") == "before\n" + "床 前 明月 光\n" * 2
        assert (tmp_path / "copy").read_text(encoding="utf-8") == "床 前 明月 光\n" * 2
        assert left_over(tmp_path) == ["copy", "in.txt", "log", "words"]

    def test_refused(self, tmp_path):
        (tmp_path / "round").symlink_to("round")
        for path, kind in (
            (tmp_path, IsADirectoryError),
            (tmp_path / "none" / "file", FileNotFoundError),
            ("", FileNotFoundError),
            (f"{tmp_path}/new/", FileNotFoundError),
            (tmp_path / "round", OSError),
        ):
            with pytest.raises(kind) as error, whole_file(path):
                pytest.fail("seen before anything is written")
            assert error.value.filename == str(path)
        assert left_over(tmp_path) == ["round"]


@pytest.mark.parametrize("path", [3, b"name", None])
def test_what_is_no_path(tmp_path, path):
    table, lexicon = count_ngrams(["banana"], 2), Lexicon(WORDS)
    for name, call in (
        ("path", lambda: table.save(path)),
        ("path", lambda: table.write_counts(path)),
        ("path", lambda: NgramTable.load(path)),
        ("path", lambda: lexicon.save(path)),
        ("path", lambda: lexicon.save(path, binary=True)),
        ("path", lambda: Lexicon.load(path)),
        ("out", lambda: table.prune(1, out=path or 3)),
        ("out", lambda: count_ngrams(["banana"], out=path or 3)),
        ("spill_dir", lambda: NgramCounter(max_memory="1MB", spill_dir=path or 3)),
    ):
        with pytest.raises(TypeError, match=rf"^{name} must be a str or path-like, got (int|bytes|NoneType)$"):
            call()


def drain(file: int) -> None:
    try:
        while os.read(file, 65536):
            pass
    except OSError:
        pass  # the other end was closed


def open_below(folder: Path) -> list[str]:
    """Files below a folder that this process has open by their names (on Linux, which says so)."""
    descriptors = Path("/proc/self/fd")
    found = []
    for descriptor in descriptors.iterdir() if descriptors.exists() else ():
        with suppress(OSError):
            found.append(os.readlink(descriptor))
    return [name for name in found if name.startswith(str(folder)) and os.path.basename(name)[0] != "#"]


@contextmanager
def little_room() -> Iterator[None]:
    """Let no file grow beyond a few thousand bytes: the same failure as a full disk, and as sudden."""
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, soft[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)


class TestWhatFails:
    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("names", [0, 1, 2])
    def test_the_old_file_is_as_it_was(self, tmp_path, error, names):
        for name in ("first", "second")[:names]:
            if name == "first":
                (tmp_path / name).write_bytes(b"old")
            else:
                os.link(tmp_path / "first", tmp_path / name)
        with pytest.raises(error), whole_file(tmp_path / "first") as file:
            file.write(b"new" * 10_000)
            raise error
        assert left_over(tmp_path) == ["first", "second"][:names]
        assert all((tmp_path / name).read_bytes() == b"old" for name in left_over(tmp_path))

    @pytest.mark.parametrize("links", [0, 1])
    def test_no_room(self, tmp_path, links):
        old = b"old" * 1000
        (tmp_path / "file").write_bytes(old)
        if links:
            os.link(tmp_path / "file", tmp_path / "link")
        with little_room(), pytest.raises(OSError, match=r"File too large: '.*/file'"):
            write(tmp_path / "file", b"new" * 100_000)
        assert (tmp_path / "file").read_bytes() == old
        assert left_over(tmp_path) == ["file", "link"][: 1 + links]

    def test_what_has_no_room_is_named(self, tmp_path, monkeypatch):
        table, texts = count_ngrams(poems()[:500], 2), poems()[:500]
        monkeypatch.setattr("fastcore.ngrams._counter.BLOCK", 500)
        monkeypatch.setattr("fastcore.ngrams._counter.LEAST_MEMORY", 1)
        monkeypatch.setattr("fastcore.discovery._blocks.IN_MEMORY", 1000)
        monkeypatch.setattr("fastcore.templates._numbers.IN_MEMORY", 1000)
        monkeypatch.setattr("fastcore.embeddings._corpus.IN_MEMORY", 1000)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        counter = NgramCounter(2, max_memory=40_000)
        counter.update(texts[:9])
        for name, call in (
            ("out", lambda: count_ngrams(texts, 2, out=tmp_path / "out")),
            # Only its symbols take much.
            ("out", lambda: count_ngrams(texts, 1, min_count=100_000, out=tmp_path / "out")),
            ("counts", lambda: table.write_counts(tmp_path / "counts")),
            (tmp_path.name, lambda: counter.update(texts)),
            (tmp_path.name, lambda: WordFinder(method="ngram").fit(texts)),
            (tmp_path.name, lambda: TemplateFinder(list).fit(texts)),
            (tmp_path.name, lambda: SkipGram(4, min_count=1, epochs=1).fit(map(list, texts))),
        ):
            with little_room(), pytest.raises(OSError, match=rf"File too large: '.*/{name}'") as held:
                call()
            # Whoever holds the error holds no file that had a name. Nor is anything said of it later.
            assert held.value.errno == errno.EFBIG and not open_below(tmp_path)
            gc.collect()
            assert left_over(tmp_path) == []
        assert counter.finish() == count_ngrams(texts[:9], 2)

    @pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")
    def test_a_full_device_is_named(self):
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            write(Path("/dev/full"), b"new" * 100_000)

    def test_no_room_in_place(self, tmp_path, monkeypatch):
        def full(file, start, size):
            os.ftruncate(file, size)  # some systems have made the file longer by then
            raise OSError(errno.ENOSPC, "No space left on device")

        (tmp_path / "file").write_bytes(b"old")
        os.link(tmp_path / "file", tmp_path / "link")
        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
            write(tmp_path / "file", b"new" * 1000)
        assert (tmp_path / "link").read_bytes() == b"old"
        assert left_over(tmp_path) == ["file", "link"]

    def test_ctrl_c_within_the_copy_comes_after_it(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_bytes(b"old" * 100)
        os.link(tmp_path / "file", tmp_path / "link")
        monkeypatch.setattr("fastcore._whole.PIECE", 7)
        real, calls = os.pwrite, []

        def pwrite(file, data, place):
            calls.append(place)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return real(file, data, place)

        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "file", b"0123456789" * 10)
        assert (tmp_path / "link").read_bytes() == b"0123456789" * 10

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_stopped_command_leaves_nothing(self, tmp_path, number):
        (tmp_path / "out.txt.gz").write_bytes(b"old")
        (tmp_path / "words").write_text("明月 3\n", encoding="utf-8")
        # What runs in the background ignores Ctrl-C unless it asks for it; under nohup, the end of its terminal.
        script = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); " + (
            "signal.signal(signal.SIGHUP, signal.SIG_DFL); from fastcore.cli import main; sys.exit(main())"
        )
        arguments = ["segment", "--lexicon", str(tmp_path / "words"), "-", "-o", str(tmp_path / "out.txt.gz")]
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write("床前明月光\n".encode() * 100_000)
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while len(left_over(tmp_path)) < 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        # Not `communicate`, which would close its input first and let it end by itself.
        assert process.wait(60) == 128 + number
        with process:
            pass
        assert left_over(tmp_path) == ["out.txt.gz", "words"]
        assert (tmp_path / "out.txt.gz").read_bytes() == b"old"

    def test_signals_of_the_caller_stay_its_own(self, tmp_path):
        def mine(number, frame):
            raise AssertionError

        old, other = signal.signal(signal.SIGTERM, mine), signal.getsignal(signal.SIGHUP)
        try:
            by_command(tmp_path / "out")
            assert signal.getsignal(signal.SIGTERM) is mine
            assert signal.getsignal(signal.SIGHUP) is other
        finally:
            signal.signal(signal.SIGTERM, old)


class TestFolders:
    def test_modes(self, tmp_path):
        with umask(0o027):
            count_ngrams(["banana"], (1, 2), out=tmp_path / "table")
        assert mode(tmp_path / "table") == 0o750
        assert {mode(path) for path in (tmp_path / "table").iterdir()} == {0o640}

    def test_names_as_long_as_they_may_be(self, tmp_path):
        for name in ("明" * 85, "a" * 255):
            write(tmp_path / name, b"x")
            with whole_folder(tmp_path / (name[:-1] + "b")) as folder:
                (folder / "x").touch()
        assert len(left_over(tmp_path)) == 4

    def test_a_place_that_cannot_be_written_to_is_named(self):
        folder = Path(tempfile.mkdtemp())
        folder.chmod(0o555)
        try:
            with another_user(), pytest.raises(PermissionError) as error, whole_folder(folder / "out"):
                pytest.fail("seen before anything is written")
            assert error.value.filename == str(folder / "out")
        finally:
            folder.chmod(0o755)
            shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("suffix", "unpack"),
    [
        (".gz", gzip.decompress),
        (".bz2", bz2.decompress),
        (".xz", lzma.decompress),
        (".zst", lambda data: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()),
    ],
)
def test_equal_content_makes_equal_files(tmp_path, suffix, unpack):
    for name in ("a", "b"):
        by_command(tmp_path / f"{name}{suffix}")
        Lexicon(WORDS).save(tmp_path / f"{name}-words{suffix}")
    by_command(tmp_path / "plain")
    assert unpack((tmp_path / f"a{suffix}").read_bytes()) == (tmp_path / "plain").read_bytes()
    for name in ("", "-words"):
        assert (tmp_path / f"a{name}{suffix}").read_bytes() == (tmp_path / f"b{name}{suffix}").read_bytes()


def test_the_demo_follows_links_too(tmp_path, monkeypatch):
    monkeypatch.setattr("fastcore._demo.SECTIONS", ())
    monkeypatch.setattr("fastcore._demo._picture._segmentation", lambda axes, report: None)
    monkeypatch.setattr("fastcore._demo._picture._histogram", lambda axes, report: None)
    monkeypatch.setattr("fastcore._demo._picture._competition", lambda axes, report: None)
    monkeypatch.setattr("fastcore._demo._picture._ratios", lambda axes, report: None)
    for suffix in (".json", ".png"):
        (tmp_path / f"real{suffix}").write_bytes(b"old")
        (tmp_path / f"demo{suffix}").symlink_to(f"real{suffix}")
    assert run_demo(tmp_path / "demo") == 0
    assert (tmp_path / "real.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "real.json").read_bytes().startswith(b"{")
    assert left_over(tmp_path) == ["demo.json", "demo.png", "real.json", "real.png"]
