"""Networks in Antimony, which its own library turns into SBML."""

from __future__ import annotations

import os
import threading

from .._extras import require
from ._network import ReactionNetwork
from ._sbml import read_sbml
from ._sources import source_bytes

# The library keeps what it has read, for the whole process.
_one_at_a_time = threading.Lock()


def from_antimony(source: str | bytes | os.PathLike[str]) -> ReactionNetwork:
    """Read a reaction network from Antimony; needs the extra ``antimony``.

    Parameters
    ----------
    source : path, str or bytes
        A file (compressed ones too), or the text itself if it is bytes or has a line end, a ``;`` or a ``->``.

    Returns
    -------
    ReactionNetwork
        What `read_sbml` makes of the SBML of its main model.

    Raises
    ------
    ImportError
        If antimony or python-libsbml is missing.
    OSError
        If the file can't be read.
    ValueError
        If the text isn't Antimony, or has an element that `read_sbml` doesn't support.

    Notes
    -----
    Source: L. P. Smith, F. T. Bergmann, D. Chandran and H. M. Sauro, *Antimony: a modular model definition language*,
    Bioinformatics 25 (2009) 2452.

    Examples
    --------
    With antimony installed::

        decay = from_antimony("A -> B; k*A; k = 0.5; A = 100; B = 0")
    """
    antimony = require("antimony", "antimony", "from_antimony")
    text_itself = isinstance(source, str) and (";" in source or "->" in source)
    name, data = source_bytes(source.encode() if text_itself else source)  # type: ignore[union-attr]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} must be UTF-8, byte {error.start} isn't") from None
    with _one_at_a_time:
        antimony.clearPreviousLoads()
        try:
            if antimony.loadAntimonyString(text) < 0:
                raise ValueError(f"{name}: not Antimony: {' '.join(antimony.getLastError().split())}")
            sbml = antimony.getSBMLString(antimony.getMainModuleName())
        finally:
            antimony.clearPreviousLoads()
    try:
        return read_sbml(sbml.encode())
    except ValueError as error:
        raise ValueError(f"{name}, as SBML: {error}") from None
