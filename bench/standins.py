"""Stand-ins for the corpora that don't ship, made of the texts that do: ``python -m bench standins``.

Files of the same names, sizes and, roughly, statistics, so that every workload runs on a fresh machine. Words follow
one another as they do in the shipped texts; a share of them is drawn without regard to the word before, or is new, so
that distinct n-grams grow with the text as they do in real ones. Times come near those of real text; what a text is
*about* doesn't (the F1 of words found in babble says nothing).
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fastcore._data import english_verse, poems, segmented

NOTE = "Babble in the place of corpora that can't be had: see bench/standins.py.\n"


class Babbler:
    """Text by the pairs of neighbours of some sentences, many lines at a time.

    A word is drawn from all words instead of the successors with probability `free`, and is made of the characters
    of two words instead with probability `novel`.
    """

    def __init__(self, sentences: list[list[str]], free: float, novel: float, seed: int) -> None:
        self.free, self.novel, self.rng = free, novel, np.random.default_rng(seed)
        numbers: dict[str, int] = {"": 0}
        # Each sentence between two ends, which are word 0.
        stream = [0]
        for sentence in sentences:
            stream += [numbers.setdefault(word, len(numbers)) for word in sentence]
            stream.append(0)
        self.words = list(numbers)
        self.stream = np.array(stream)
        before, after = self.stream[:-1], self.stream[1:]
        self.after = after[np.argsort(before, kind="stable")]
        self.starts = np.searchsorted(np.sort(before), np.arange(len(self.words) + 1))

    def lines(self, count: int = 2000, longest: int = 300) -> list[list[str]]:
        """Some lines of words."""
        rng, now = self.rng, np.zeros(count, np.int64)
        columns = []
        going = np.ones(count, bool)
        for _ in range(longest):
            first, last = self.starts[now], self.starts[now + 1]
            now = self.after[first + (rng.random(count) * (last - first)).astype(np.int64)]
            freely = rng.random(count) < self.free
            now = np.where(freely & (now > 0), self.stream[rng.integers(0, len(self.stream), count)], now)
            going &= now > 0
            if not going.any():
                break
            columns.append(np.where(going, now, 0))
        new = rng.random((len(columns), count)) < self.novel
        found = []
        for line, fresh in zip(np.stack(columns, axis=1).tolist(), new.T.tolist()):
            words = [self.words[number] for number in line if number]
            found.append([self.mixed(word) if odd else word for word, odd in zip(words, fresh)])
        return [line for line in found if line]

    def mixed(self, word: str) -> str:
        """A word that may be new: the beginning of this one, the end of another."""
        other = self.words[self.stream[self.rng.integers(len(self.stream))]]
        return word[: (len(word) + 1) // 2] + other[len(other) // 2 :] or word


def text(babbler: Babbler, megabytes: float, joint: str, longest: int = 300) -> Iterator[str]:
    """Lines until they have so many megabytes of UTF-8."""
    left = megabytes * 1e6
    while left > 0:
        for words in babbler.lines(longest=longest):
            line = joint.join(words)
            left -= len(line.encode("utf-8")) + 1
            yield line
            if left <= 0:
                return


def chunked(babbler: Babbler, sentences: int) -> Iterator[str]:
    """Sentences of lines ``word tag chunk``, with tags and chunks that depend on words and neighbours."""
    rng = np.random.default_rng(1)
    kinds = ["NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"]
    while sentences:
        for words in babbler.lines(200, 60)[:sentences]:
            sentences -= 1
            before = ""
            for word in words:
                # The same word has one tag nine times in ten, and a tag one kind of chunk.
                tag = (sum(map(ord, word[-2:])) + (rng.random() < 0.1)) % 44
                kind = kinds[min(tag * tag // 60, 10)] if tag % 7 else "O"
                chunk = "O" if kind == "O" else ("I-" if kind == before and tag % 3 else "B-") + kind
                before = kind
                yield f"{word} T{tag} {chunk}"
            yield ""


def write(folder: Path) -> None:
    """Write all stand-ins below a folder, as far as they aren't there yet."""
    verses = english_verse()
    english = [verse.split() for verse in verses]
    # A page of modern Chinese holds Latin words too, and rarer characters.
    chinese = segmented("train") + segmented("dev")
    chinese += [[word + " " for word in verse.split()] for verse in verses[::20]]
    chinese += [list(verse) for verse in poems()[::50]]
    gold = {"ud_test": segmented("test"), "sxu_test": segmented("dev")}

    def put(name: str, lines: Iterator[str] | list[str]) -> None:
        target = folder / name
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        data = ("\n".join(lines) + "\n").encode("utf-8")
        part = target.with_name(target.name + ".part")
        part.write_bytes(lzma.compress(data, preset=0) if target.suffix == ".xz" else data)
        part.rename(target)
        print(f"{target}: {len(data) / 1e6:.1f} MB", flush=True)

    put("README", [NOTE])
    put("text/classical_poems_2mb.txt.xz", poems())
    put("text/zh_15mb.txt.xz", text(Babbler(chinese, 0.04, 0.03, 2), 15, ""))
    put("text/en_30mb.txt.xz", text(Babbler(english, 0.1, 0.42, 3), 30, " ", 7))
    for name, sentences in gold.items():
        put(f"segmentation/{name}.seg.xz", [" ".join(words) for words in sentences])
    put("conll2000/train.txt", chunked(Babbler(english, 0.1, 0.02, 4), 8936))
    put("conll2000/test.txt", chunked(Babbler(english, 0.1, 0.02, 5), 2012))
