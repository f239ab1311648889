"""The real texts and models that ship with the package (see ``data/README.md`` for sources and licences)."""

import json
import lzma
from importlib.resources import files
from typing import Any


def read_lines(name: str) -> list[str]:
    """Return the lines of a shipped text, ``read_lines("verse_zh/classical_poems.txt.xz")``."""
    data = files("fastcore").joinpath("data", name).read_bytes()
    return lzma.decompress(data).decode("utf-8").splitlines()


def poems() -> list[str]:
    """Classical Chinese poems, a verse a string."""
    return read_lines("verse_zh/classical_poems.txt.xz")


def english_verse() -> list[str]:
    """The King James Bible, a verse a string."""
    return read_lines("verse_en/king_james.txt.xz")


def segmented(split: str) -> list[list[str]]:
    """Sentences of UD Chinese GSD as lists of words; `split` is train, dev or test."""
    return [line.split(" ") for line in read_lines(f"ud_chinese_gsd/{split}.seg.xz")]


def reaction_models() -> dict[str, Any]:
    """The benchmark models of reaction networks, name to model."""
    text = files("fastcore").joinpath("data", "reactions", "models.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
