"""Objects in files as plain arrays and a description: an uncompressed npz, without pickle.

What is read is checked before it is believed: sizes against the file's, the description's checksum, the arrays' types.
"""

import errno
import io
import json
import os
import tokenize
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ._whole import AnyPath, whole_file

Arrays: TypeAlias = dict[str, NDArray[Any]]
# Bytes that a description stays below.
MOST = 1 << 20


@dataclass(frozen=True)
class Kind:
    """What is kept in a file: its name, with an article too; the version written, those read, and types of arrays.

    Versions from `summed` on have a checksum of the description.
    """

    name: str
    a_name: str
    version: int
    readable: tuple[int, ...]
    dtypes: Callable[[str], tuple[str, ...] | None]
    summed: int = 1

    @property
    def key(self) -> str:
        return f"fastcore {self.name}"

    def encode(self, meta: dict[str, Any]) -> NDArray[np.uint8]:
        """A description as bytes, with a checksum of its own."""
        meta = {"kind": self.key, "version": self.version, **meta}
        return np.frombuffer(_as_json({**meta, "checksum": crc32(_as_json(meta))}), np.uint8)

    def write(self, path: AnyPath, meta: dict[str, Any], arrays: Arrays) -> None:
        """Write an object into one file."""
        with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, array in [("meta", self.encode(meta)), *arrays.items()]:
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)

    def read(self, source: Path) -> tuple[dict[str, Any], Arrays]:
        """Read what `write` wrote; ValueError if it is anything else."""
        try:
            with zipfile.ZipFile(source) as archive:
                sizes = {info.filename: info.file_size for info in archive.infolist()}
                # Members that lie over one another would unpack to more than the archive holds.
                room = source.stat().st_size
                for info in archive.infolist():
                    room -= info.file_size
                    if info.compress_type != zipfile.ZIP_STORED or room < 0:
                        raise ValueError(f"{source} is no {self.name}: {info.filename} is compressed or too large")
                # The archive has checksums itself, and verifies them.
                return self.read_members(source, sizes, lambda name: self._in_memory(source, name, archive.read(name)))
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
            # The last is about the name of a member.
            raise ValueError(f"{source} is no whole {self.name}: {error}") from error
        except OSError as error:
            # A damaged directory may point before the file's beginning.
            if error.errno != errno.EINVAL:
                raise
            raise ValueError(f"{source} is no whole {self.name}: {error}") from error

    def _in_memory(self, source: Path, name: str, data: bytes) -> NDArray[Any]:
        file = io.BytesIO(data)
        shape, dtype = self.read_header(source, name, file)
        return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape)

    def read_header(self, source: Path, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Read and check a npy header: the array must fill the rest of the file to the byte."""
        try:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("not version 1.0")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        except (ValueError, SyntaxError, tokenize.TokenError) as error:
            raise ValueError(f"{source} is no {self.name}: {name} has a bad header ({error})") from error
        start = file.tell()
        rest = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        size = dtype.itemsize
        for n in shape:
            size *= n
        if (fortran and len(shape) > 1 and all(shape)) or dtype.hasobject or min(shape, default=0) < 0 or size != rest:
            raise ValueError(f"{source} is no whole {self.name}: {name} says {shape} of {dtype}, and has {rest} bytes")
        return shape, dtype

    def read_members(
        self, source: Path, sizes: dict[str, int], read: Callable[[str], NDArray[Any]]
    ) -> tuple[dict[str, Any], Arrays]:
        """Read the description and the arrays that it promises."""
        if sizes.get("meta.npy", MOST) >= MOST:
            raise ValueError(f"{source} is no {self.name}: it has no description")
        try:
            meta = json.loads(read("meta.npy").tobytes())
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{source} is no {self.name}: its description can't be read ({error})") from error
        if not isinstance(meta, dict) or meta.get("kind") != self.key:
            raise ValueError(f"{source} is no {self.name}")
        if meta.get("version") not in self.readable:
            raise ValueError(f"{source} must be {self.a_name} of version {self.version}, got {meta.get('version')!r}")
        if meta["version"] >= self.summed and meta.pop("checksum", None) != crc32(_as_json(meta)):
            raise ValueError(f"{source} is no whole {self.name}: the checksum of its description is wrong")
        arrays: Arrays = {}
        for name in sizes:
            key = name.removesuffix(".npy")
            if key == "meta":
                continue
            allowed = self.dtypes(key)
            if allowed is None:
                raise ValueError(f"{source} is no {self.name}: it holds {name!r}")
            arrays[key] = read(name)
            if arrays[key].dtype.str not in allowed:
                wanted = " or ".join(allowed)
                raise ValueError(f"{source}: {name} must be of dtype {wanted}, got {arrays[key].dtype.str}")
        return meta, arrays


def _as_json(meta: dict[str, Any]) -> bytes:
    return json.dumps(meta, sort_keys=True).encode()
