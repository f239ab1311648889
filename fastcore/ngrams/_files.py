"""Tables in files: an uncompressed npz (`_npz`), a folder of npy files that can be mapped into memory, counts as text.

No pickle. What is read is checked before it is believed: sizes against the file's, checksums, then every number that
another one depends on. What is written gets its name when it is whole.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .._npz import Arrays, Kind
from .._whole import check_path, naming

# Bytes whose checksum is taken at a time.
PIECE = 1 << 24
# Floats that are written at a time.
ZEROS = 1 << 15
DTYPES = {"keys": ("<u8",), "counts": ("<u4", "<i8"), "left": ("<f8",), "right": ("<f8",)}
SYMBOL_DTYPES = {"points": ("<u4",), "text": ("|u1",), "offsets": ("<i8",)}


def _dtypes(name: str) -> tuple[str, ...] | None:
    return SYMBOL_DTYPES.get(name) or DTYPES.get(name.rpartition("_")[0])


# Tables of version 1 had no checksums in folders, nor one of the description.
TABLE = Kind("n-gram table", "an n-gram table", 2, (1, 2), _dtypes, summed=2)


def encode_meta(meta: dict[str, Any]) -> NDArray[np.uint8]:
    """The description of a table as bytes, with a checksum of its own."""
    return TABLE.encode(meta)


def write_described(folder: Path, meta: dict[str, Any], arrays: Arrays, checksums: dict[str, int]) -> None:
    """Write what isn't in a table's folder yet: further arrays, and the description with all their checksums."""
    place = Place(folder=folder)
    for name, array in arrays.items():
        if name not in checksums:
            place.write(name, array)
    place.write("meta", encode_meta({**meta, "checksums": {**checksums, **place.checksums}}))


def checksum(array: NDArray[Any]) -> int:
    """A checksum of an array's content, type and shape."""
    data, value = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, 0
    for start in range(0, len(data), PIECE):
        value = crc32(data[start : start + PIECE], value)
    return _with_shape(value, array.dtype, array.shape)


def _with_shape(value: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return crc32(f"{dtype.str}{[int(n) for n in shape]}".encode(), value)


def read_table(path: "os.PathLike[str] | str", check: bool = True) -> tuple[dict[str, Any], Arrays]:
    """Read one file, or map what lies in a folder; ValueError if it is anything else."""
    check_path(path)
    source = Path(path)
    if source.is_dir():
        sizes = {p.name: p.stat().st_size for p in source.glob("*.npy")}
        meta, arrays = TABLE.read_members(source, sizes, _folder_reader(source))
        if check and meta["version"] > 1:
            _verify(source, meta, arrays)
        return meta, arrays
    return TABLE.read(source)


def _verify(source: Path, meta: dict[str, Any], arrays: Arrays) -> None:
    """Refuse arrays whose checksums aren't the description's."""
    sums = meta.get("checksums")
    if not isinstance(sums, dict) or sums.keys() != arrays.keys():
        raise ValueError(f"{source} is no whole n-gram table: its arrays aren't those that its description names")
    for name, array in arrays.items():
        if checksum(array) != sums[name]:
            raise ValueError(f"{source} is no whole n-gram table: the checksum of {name}.npy is wrong")


def _folder_reader(folder: Path) -> Callable[[str], NDArray[Any]]:
    def read(name: str) -> NDArray[Any]:
        with open(folder / name, "rb") as file:
            shape, dtype = TABLE.read_header(folder, name, file)
            if not all(shape):
                return np.empty(shape, dtype)
            return np.memmap(file, dtype, "r", file.tell(), shape)

    return read


class Writer(Protocol):
    """Rows that are appended, and at last one array."""

    def append(self, array: NDArray[Any]) -> None: ...

    def done(self) -> NDArray[Any]: ...

    def close(self) -> None: ...


class MemoryWriter:
    """Rows in memory."""

    def __init__(self, dtype: Any, width: int | None) -> None:
        self.dtype = np.dtype(dtype)
        self.parts: list[NDArray[Any]] = [np.empty(0 if width is None else (0, width), self.dtype)]

    def append(self, array: NDArray[Any]) -> None:
        self.parts.append(array.astype(self.dtype, copy=False))

    def done(self) -> NDArray[Any]:
        parts, self.parts = self.parts, []
        return np.concatenate(parts)

    def close(self) -> None:
        self.parts = []


class FileWriter:
    """Rows in a npy file whose length isn't known before; `summed` is told their checksum at the end.

    Errors say that the file is `called`.
    """

    HEADER = 128

    def __init__(
        self, file: IO[bytes], called: Path, dtype: Any, width: int | None, summed: Callable[[int], None] | None = None
    ) -> None:
        self.dtype, self.width, self.rows, self.file = np.dtype(dtype), width, 0, file
        self._called, self._summed, self._sum = called, summed, 0
        self.file.write(self._header())

    def close(self) -> None:
        """Give it up."""
        # What a full disk hasn't taken stays untaken.
        with suppress(OSError):
            self.file.close()

    def _shape(self) -> tuple[int, ...]:
        return (self.rows,) if self.width is None else (self.rows, self.width)

    def _header(self) -> bytes:
        text = f"{{'descr': '{self.dtype.str}', 'fortran_order': False, 'shape': {self._shape()!r}, }}"
        magic = np.lib.format.magic(1, 0)
        space = self.HEADER - len(magic) - 2
        return magic + space.to_bytes(2, "little") + text.encode().ljust(space - 1) + b"\n"

    def append(self, array: NDArray[Any]) -> None:
        if array.size:
            data = np.ascontiguousarray(array, self.dtype).data.cast("B")
            with naming(self._called):
                self.file.write(data)
            if self._summed is not None:
                self._sum = crc32(data, self._sum)
        self.rows += len(array)

    def done(self) -> NDArray[Any]:
        with naming(self._called):
            self.file.seek(0)
            self.file.write(self._header())
            self.file.flush()
        array = (
            np.memmap(self.file, self.dtype, "r", self.HEADER, self._shape())
            if self.rows
            else np.empty(self._shape(), self.dtype)
        )
        self.file.close()
        if self._summed is not None:
            self._summed(_with_shape(self._sum, self.dtype, self._shape()))
        return array


class Place:
    """Where arrays are put: in memory, in nameless files of a spill folder, or under names in a folder.

    `checksums` are those of the arrays in the folder that are done.
    """

    def __init__(self, spill_dir: Path | None = None, folder: Path | None = None) -> None:
        self.spill_dir, self.folder = spill_dir, folder
        self.checksums: dict[str, int] = {}

    @property
    def on_disk(self) -> bool:
        return self.spill_dir is not None or self.folder is not None

    @contextmanager
    def writing(self) -> Iterator[Callable[..., Writer]]:
        """Give what begins an array of rows: a function of its name, dtype and width.

        Where anything fails, files are closed at once: who holds the error holds them, and nobody knows until when.
        """
        begun: list[Writer] = []

        def begin(name: str, dtype: Any, width: int | None = None) -> Writer:
            begun.append(self._writer(name, dtype, width))
            return begun[-1]

        try:
            yield begin
        except BaseException:
            for writer in begun:
                writer.close()
            raise

    def _writer(self, name: str, dtype: Any, width: int | None) -> Writer:
        if self.folder is not None:
            path = self.folder / f"{name}.npy"
            file = open(path, "w+b")  # noqa: SIM115 the writer closes it
            return FileWriter(file, path, dtype, width, partial(self.checksums.__setitem__, name))
        if self.spill_dir is not None:
            return FileWriter(nameless(self.spill_dir), self.spill_dir, dtype, width)
        return MemoryWriter(dtype, width)

    def write(self, name: str, array: NDArray[Any]) -> None:
        """Put an array of numbers there."""
        with self.writing() as begin:
            writer = begin(name, array.dtype)
            writer.append(array)
            writer.done()

    def zeros(self, size: int) -> NDArray[np.float64]:
        """Floats to add up in."""
        if self.spill_dir is None or size == 0:
            return np.zeros(size)
        file = nameless(self.spill_dir)
        with naming(self.spill_dir), file:
            # A hole in the file would kill the process when it is written to and the disk is full.
            for _ in range(0, size, ZEROS):
                file.write(bytes(8 * ZEROS))
            file.truncate(8 * size)
            file.flush()
            return np.memmap(file, np.float64, "r+", 0, (size,))


def nameless(folder: Path) -> Any:
    """Open a file without a name: however the process ends, nothing of it stays."""
    try:
        return tempfile.TemporaryFile(dir=folder, prefix="fastcore-")
    except OSError as error:
        raise OSError(error.errno, f"spill_dir {folder} can't be written to: {error.strerror}") from error
