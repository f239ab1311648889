"""A file or a folder written whole or not at all: the one way in which anything here is written under a name.

The new content is a draft beside its target until all of it is on disk. Then it takes the old file's place if nobody
can tell the two apart, and is copied over it otherwise. Modes of new files are the kernel's business: the umask
belongs to the process, and no thread may set it even for a moment.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG
from typing import Any, BinaryIO, NoReturn, TypeAlias, cast

AnyPath: TypeAlias = "str | os.PathLike[str]"

# Bytes that are copied at a time, and that are written at a time.
PIECE = 1 << 22
BUFFER = 1 << 16
# Where a folder says that it takes no new file.
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def check_path(path: Any, name: str = "path") -> None:
    """Refuse by name what isn't the name of a file."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a str or path-like, got {type(path).__name__}")


@contextmanager
def whole_file(path: AnyPath) -> Iterator[BinaryIO]:
    """Open a file to write bytes; unless the block ends well, nothing was there or the old file is as it was.

    Links are followed; a file keeps its mode, its owner and its other names, and a new one has the mode that the umask
    leaves. What isn't a regular file (a device, a pipe, a descriptor like /dev/stdout) is written straight into.

    Raises
    ------
    OSError
        If the file can't be written, naming it.
    """
    check_path(path)
    straight = _straight(path)
    if straight is not None:
        with io.BufferedWriter(straight, BUFFER) as stream:
            yield cast(BinaryIO, stream)
        return
    target = Path(os.path.realpath(path))
    if not os.path.basename(path) or target.is_symlink():
        os.stat(path)  # no name, or links that lead round: the system's own error
    # Opened first: what can't be written says so before any work is done.
    old = os.open(path, os.O_WRONLY) if os.path.exists(path) else None
    try:
        with _draft(path, target, old) as (draft, name):
            with io.BufferedWriter(_Named(draft, path, closefd=False), BUFFER) as stream:
                yield cast(BinaryIO, stream)
            with naming(path):
                os.fsync(draft)
                if old is None or (name is not None and _alike(draft, old, target)):
                    assert name is not None
                    os.replace(name, target)
                else:
                    _copy(draft, old)
    finally:
        if old is not None:
            os.close(old)
    sync_folder(target.parent)


@contextmanager
def naming(path: AnyPath) -> Iterator[None]:
    """Let errors of the system that don't say so say which file they are about."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


class _Named(io.FileIO):
    """An open file to write, whose errors name it."""

    def __init__(self, number: int, path: AnyPath, closefd: bool = True) -> None:
        super().__init__(number, "wb", closefd)
        self._path = path

    def write(self, data: Any) -> int:
        with naming(self._path):
            return super().write(data)


class _Onward(_Named):
    """What has no place to go back to: a device may say that it is always at 0."""

    def seekable(self) -> bool:
        return False

    def seek(self, *args: int) -> NoReturn:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> NoReturn:
        raise io.UnsupportedOperation("tell")


def _straight(path: AnyPath) -> _Onward | None:
    """Open what is written straight into, or return None for a regular file and for nothing."""
    number = _descriptor(path)
    if number is not None:
        # Not opened anew: a socket can't be, and the shell's >> would be lost.
        return _Onward(os.dup(number), path)
    if not os.path.exists(path) or S_ISREG(os.stat(path).st_mode):
        return None
    return _Onward(os.open(path, os.O_WRONLY | os.O_NOCTTY), path)


def _descriptor(path: AnyPath) -> int | None:
    """The number of this process's open file that a path (/dev/stdout, /dev/fd/3) leads to, or None."""
    current = os.path.join(os.getcwd(), path)
    # As many links as the system follows.
    for _ in range(40):
        folder, name = os.path.split(current)
        if name.isdecimal() and os.path.realpath(folder) in ("/dev/fd", f"/proc/{os.getpid()}/fd"):
            return int(name)
        try:
            current = os.path.join(folder, os.readlink(current))
        except OSError:
            break
    return None


@contextmanager
def _draft(path: AnyPath, target: Path, old: int | None) -> Iterator[tuple[int, str | None]]:
    """Open the draft of a file, beside it (or nameless elsewhere, if there is no room for names there)."""
    name = _beside(target)
    # Where there is an old file nobody may read more of the new one meanwhile.
    mode = 0o666 if old is None else 0o600
    try:
        try:
            draft = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        except OSError as error:
            if old is None or error.errno not in CLOSED:
                raise OSError(error.errno, error.strerror, os.fspath(path)) from None
            with tempfile.TemporaryFile() as file:
                yield file.fileno(), None
            return
        try:
            yield draft, name
        finally:
            os.close(draft)
    finally:
        # Also if Ctrl-C came as soon as it was made. It is gone already if it took its target's place.
        with suppress(OSError):
            os.unlink(name)


def _beside(target: Path) -> str:
    return os.path.join(target.parent, f".{target.name[:40]}.{secrets.token_hex(6)}.tmp")


def _alike(draft: int, old: int, target: Path) -> bool:
    """Make the draft like the old file; False if someone could tell them apart, once it has taken its place."""
    there = os.fstat(old)
    try:
        # It may have more names, or none any more.
        if there.st_nlink != 1 or not os.path.samestat(os.lstat(target), there):
            return False
        mine = os.fstat(draft)
        if (mine.st_uid, mine.st_gid) != (there.st_uid, there.st_gid):
            os.fchown(draft, there.st_uid, there.st_gid)
        os.fchmod(draft, S_IMODE(there.st_mode))
        return _attributes(draft) == _attributes(old)
    except OSError:
        return False


def _attributes(file: int) -> dict[str, bytes]:
    """What else the system keeps of a file: access lists, labels."""
    return {name: os.getxattr(file, name) for name in os.listxattr(file)} if hasattr(os, "listxattr") else {}


def _copy(draft: int, old: int) -> None:
    """Write a whole draft over a file. Once begun it is carried through: the halves of two files are neither."""
    size, before = os.fstat(draft).st_size, os.fstat(old).st_size
    try:
        if size > 0 and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(old, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            os.ftruncate(old, before)
            raise
    place, interrupted = 0, None
    while place < size:
        try:
            place += os.pwrite(old, os.pread(draft, PIECE, place), place)
        except KeyboardInterrupt as stop:
            interrupted = stop
    os.ftruncate(old, size)
    os.fsync(old)
    if interrupted is not None:
        raise interrupted


def check_out(path: AnyPath) -> Path:
    """Refuse a folder that is there already, or can't be made for want of the one it would lie in."""
    check_path(path, "out")
    target = Path(path)
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "out must not exist yet", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "out must lie in a folder that exists", str(target))
    return target


@contextmanager
def whole_folder(path: AnyPath) -> Iterator[Path]:
    """Make a folder that gets its name once all in it is on disk; on an error nothing of it stays."""
    target = check_out(path)
    folder = Path(_beside(target))
    try:
        folder.mkdir()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None
    try:
        yield folder
        for file in folder.iterdir():
            with open(file, "rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(folder)
        os.rename(folder, target)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno and Path(str(error.filename)).parent == folder:
            # Nobody knows the draft's name.
            raise OSError(error.errno, error.strerror, str(target)) from None
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder last, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
