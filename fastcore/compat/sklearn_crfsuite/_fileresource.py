"""The file of a model: the caller's, or a temporary one that goes with its object and into its pickles."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

# Under this name sklearn-crfsuite's pickles keep what the file holds.
CONTENT = "__FILE_RESOURCE_DATA__"


class FileResource:
    """A file: the one that is named, or if none is a temporary one.

    Parameters
    ----------
    filename : str, optional
        The file's name.
    keep_tempfiles : bool
        Whether a temporary file outlives the object.
    suffix, prefix : str
        Of a temporary file's name.
    """

    def __init__(
        self, filename: str | None = None, keep_tempfiles: bool = False, suffix: str = "", prefix: str = ""
    ) -> None:
        self.name = filename
        self.auto = filename is None
        self.keep_tempfiles = keep_tempfiles
        self.suffix = suffix
        self.prefix = prefix
        self._process = os.getpid()

    def ensure_name(self) -> None:
        """Make a temporary file if there is no file yet."""
        if self.name is None:
            file, self.name = tempfile.mkstemp(self.suffix, self.prefix)
            os.close(file)
            self._process = os.getpid()

    def cleanup(self) -> None:
        """Remove a temporary file that isn't to be kept."""
        # A process that was forked has the object, but the file is the first one's.
        if self.auto and not self.keep_tempfiles and self.name is not None and self._process == os.getpid():
            with suppress(OSError):
                os.unlink(self.name)
            self.name = None

    def another(self) -> FileResource:
        """Return the same named file, or another temporary one, which is there."""
        found = FileResource(None if self.auto else self.name, self.keep_tempfiles, self.suffix, self.prefix)
        found.ensure_name()
        return found

    def discard(self) -> None:
        """Remove a temporary file even if those are kept: nothing is in it."""
        self.keep_tempfiles = False
        self.cleanup()

    def refresh(self) -> None:
        """Begin anew, with another temporary file."""
        self.cleanup()
        self.ensure_name()

    def __del__(self) -> None:
        with suppress(Exception):
            self.cleanup()

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self.auto and self.name is not None:
            with suppress(OSError):
                state[CONTENT] = Path(self.name).read_bytes()
            state["name"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state.pop(CONTENT, None)
        self.__dict__.update(state)
        self._process = os.getpid()
        if content is not None:
            self.ensure_name()
            assert self.name is not None
            Path(self.name).write_bytes(content)
