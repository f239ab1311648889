"""nlp-zero's sentence templates: `Template`, `Template_Finder`, `XTrie`, `SentTree` and `Parser`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..._backend import kernels
from ..._turns import TakesTurns, in_turn
from ...skipgrams import count_ids
from ...templates._parser import warn_of_memory
from ._grams import Grams
from ._lattice import Trie, log
from ._loose import Automaton

T = TypeVar("T")
Span: TypeAlias = tuple[int, int]
Words: TypeAlias = tuple[int, ...]
# Which words of a span its template matches, and the same of each gap.
Parsing: TypeAlias = tuple[Words, list[Any]]

MOST = 1_000_000  # different templates that one sentence may have
MOST_STEPS = 2_000_000  # steps of a search, which may double with each word


class Template:
    """Words, and None for what may stand between them; neighbouring ones of those are one.

    Equal and hashed by content (in nlp-zero templates of equal hashes are equal).

    Parameters
    ----------
    container : iterable of str or None, optional
        What is added first.
    """

    def __init__(self, container: Any = None) -> None:
        self.words: list[str | None] = []
        self.last: str | None = None
        self.length = 0
        if isinstance(container, Iterable):
            for word in container:
                self.add(word)

    def add(self, value: str | None) -> None:
        """Append a word or a placeholder."""
        if value is not None:
            self.last = value
            self.length += 1
        elif self.words and self.words[-1] is None:
            return
        self.words.append(value)

    @classmethod
    def _of(cls, words: list[str | None]) -> Template:
        """A template of words between which placeholders stand one at a time; the last of all is one, or a word."""
        template = cls.__new__(cls)
        template.words, template.last = words, words[-1] if words[-1] is not None else words[-2]
        template.length = len(words) - words.count(None)
        return template

    def is_trivial(self) -> bool:
        """Whether this is one word between two placeholders."""
        return len(self.words) == 3 and self.words[0] is None and self.words[2] is None

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.words)

    def __hash__(self) -> int:
        return hash(tuple(self.words))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.words == other.words

    def __repr__(self) -> str:
        return f"< Template: {''.join(word or ' [X] ' for word in self.words)} >"


class Template_Finder(TakesTurns):
    """Drop-in for ``nlp_zero.Template_Finder``: templates as chains of words that often follow each other.

    Parameters
    ----------
    tokenize : callable
        From a str to a list of words.
    window : int, default 5
        How far apart two words of a pair may stand.
    min_proba : float, default 1e-5
        Least probability of a pair and of a template.
    min_pmi : float, default 2
        Least mutual information of a pair.

    Attributes
    ----------
    templates : dict of Template to int
        The templates found; `find` adds to it.
    words, skip_grams : dict
        What `train` has counted; of `skip_grams` the dictionary is made when it is looked at.

    Notes
    -----
    The templates and counts of nlp-zero 0.1.6, in the same order: one count a path. Paths that read alike are counted
    together; a sentence with more than a million different ones from one word on is refused, and 2**62 ways to read one
    template are. Mended: `remove_weak_grams` drops the weak
    pairs instead of all, the object stays trainable, and no text at all is a ValueError. Threads take turns to `train`
    and to `find`; `sents`, `tokenize` and `texts` must not do these (RuntimeError).

    Examples
    --------
    >>> from fastcore.compat.nlp_zero import Template_Finder
    >>> finder = Template_Finder(list, min_pmi=0.5)
    >>> finder.train(["看的书", "看书"])
    >>> finder.find(["看的书", "看书"])
    >>> list(finder.templates.items())
    [(< Template: 看的书 >, 1), (< Template: 看 [X] 书 >, 1), (< Template: 看书 >, 1)]
    """

    def __init__(
        self, tokenize: Callable[[str], Sequence[str]], window: int = 5, min_proba: float = 1e-5, min_pmi: float = 2
    ) -> None:
        self.tokenize = tokenize
        self.window = window
        self.min_proba = min_proba
        self.min_pmi = min_pmi
        self.templates: dict[Template, int] = defaultdict(int)
        self.words: dict[str, int] = defaultdict(int)
        # None before anything was counted or looked at.
        self._grams: Grams | dict[tuple[str, str], int] | None = None
        self._trained = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Once a dictionary was kept.
        self.__dict__.update(state)
        self._grams = self.__dict__.pop("skip_grams", self.__dict__.get("_grams"))

    @property
    def skip_grams(self) -> dict[tuple[str, str], int]:
        """The pairs of words, with counts."""
        grams = self._grams
        if not isinstance(grams, dict):
            self._grams = grams = defaultdict(int) if grams is None else grams.to_dict()
        return grams

    @skip_grams.setter
    def skip_grams(self, pairs: dict[tuple[str, str], int]) -> None:
        self._grams = pairs

    def texts(self, sents: Iterable[str], filtering: bool = True) -> Iterator[list[Sequence[str]]]:
        """Yield for each text its sentences, each a list of words: what `train` and `find` read.

        Another one may be set, or defined in a subclass, for a segmentation of one's own.
        """
        separators = re.compile("[^\u4e00-\u9fa50-9a-zA-Z]+" if filtering else "[。，、！？\n ]+")
        for sent in sents:
            yield [self.tokenize(part) for part in separators.split(sent) if part]

    def _numbered(self, sents: Iterable[str], filtering: bool) -> tuple[int, Any]:
        """The number of texts, and what `TokenStream.finish` gives of their sentences."""
        stream = kernels("skipgrams").TokenStream()
        n_texts = n = 0
        for sentences in self.texts(sents, filtering):
            listed = [words if isinstance(words, list) else list(words) for words in sentences]
            stream.add_texts(listed, n)
            n_texts, n = n_texts + 1, n + len(listed)
        return n_texts, stream.finish()

    @in_turn
    def train(self, sents: Iterable[str], filtering: bool = True) -> None:
        """Count the words of `sents` and their pairs."""
        n_texts, (ids, offsets, names) = self._numbered(sents, filtering)
        if not n_texts:
            raise ValueError("sents must hold at least one text, got none")
        names = list(names)
        pairs = count_ids(ids, np.ascontiguousarray(offsets, np.int64), names, self.window)
        self._trained = True
        for word, count in zip(names, pairs.token_counts.tolist(), strict=True):
            self.words[word] = self.words.get(word, 0) + count
        first, second = pairs.matrix.nonzero()
        counted = Grams(names, first, second, pairs.matrix.data)
        if self._grams is None:
            self._grams = counted
        else:
            grams = self.skip_grams
            grams.update((pair, grams.get(pair, 0) + count) for pair, count in counted.to_dict().items())

    @in_turn
    def find(self, sents: Iterable[str], filtering: bool = True, remove_weak_grams: bool = True) -> None:
        """Read `sents` as templates of strong pairs, add them to `templates`, and drop the rare ones."""
        if not self.words and not self._trained:
            raise ValueError("train(sents) must come before find(sents)")
        least = log(self.min_proba)
        grams = self._grams if isinstance(self._grams, Grams) else Grams.of(self.skip_grams)
        pairs = grams.frequent(least)
        strong = pairs.strong(grams.counts.sum().item(), self.words, self.min_pmi)
        _, (ids, offsets, names) = self._numbered(sents, filtering)
        offsets = np.ascontiguousarray(offsets, np.int64)
        symbols, bounds, counts, refused = kernels("templates.readings").count_readings(
            ids,
            offsets,
            *strong.rows([*names]),
            self.window,
            MOST,
        )
        if refused >= 0:
            size = offsets[refused + 1] - offsets[refused]
            raise ValueError(f"sents must not hold a sentence of more than {MOST} templates, got one of {size} words")
        if len(counts) and counts.max() == 2**62:
            raise ValueError("sents must not have 2**62 or more ways to read one template")
        self.templates = self._merged(symbols, bounds, counts, [*names, None], least)
        if remove_weak_grams:
            self._grams = pairs

    def _merged(
        self, symbols: Any, bounds: Any, counts: Any, names: list[str | None], least: float
    ) -> dict[Template, int]:
        """The templates so far and those that were read, without the rare ones."""
        listed, starts, found = [names[symbol] for symbol in symbols.tolist()], bounds.tolist(), counts.tolist()
        templates = dict(self.templates)
        if not templates:
            # Only what stays is made.
            kept = _frequent(dict(enumerate(found)), least)
            return {Template._of(listed[starts[i] : starts[i + 1]]): count for i, count in kept.items()}
        for i, count in enumerate(found):
            template = Template._of(listed[starts[i] : starts[i + 1]])
            templates[template] = templates.get(template, 0) + count
        return _frequent(templates, least)


def _frequent(counts: dict[T, int], least: float) -> dict[T, int]:
    """What has a log-probability above `least`."""
    total = log(sum(counts.values()))
    kept = {count for count in {*counts.values()} if log(count) - total > least}
    return {item: count for item, count in counts.items() if count in kept}


class XTrie(Trie):
    """Drop-in for ``nlp_zero.XTrie``: a trie of templates.

    As there, placeholders are in effect optional, and a gap may stand anywhere.
    """

    def search(self, sent: Any) -> dict[Span, dict[Words, int]]:  # type: ignore[override]
        """Return {(start, end): {places of the template's words: count}} of all templates in a list of words.

        A `Parser` needs only the best of each span, and finds it without.

        Raises
        ------
        ValueError
            If there are too many ways to place them: more than 2,000,000 steps.
        """
        output: dict[Span, dict[Words, int]] = defaultdict(dict)
        steps = 0
        for start in range(len(sent)):
            stack: list[tuple[int, dict[Any, Any], Words]] = [(start, self.dic, ())]
            while stack:
                place, node, matched = stack.pop()
                steps += 1
                if steps > MOST_STEPS:
                    raise ValueError(
                        f"sent has too many ways to place templates, more than {MOST_STEPS:,} steps: got {len(sent)} "
                        "words"
                    )
                if place > start and self.end in node:
                    output[start, place][matched] = node[self.end][1]
                if place < len(sent):
                    # The last one pushed is the next one visited: the word itself, a placeholder, any word.
                    stack.append((place + 1, node, matched))
                    if None in node:
                        stack.append((place + 1, node[None], matched))
                    if sent[place] in node:
                        stack.append((place + 1, node[sent[place]], (*matched, place)))
        return output

    def _automaton(self) -> Automaton:
        """The trie as it is now, compiled once after each change."""
        kept: tuple[int, Automaton] | None = self.__dict__.get("_compiled")
        return kept[1] if kept is not None and kept[0] == self._changes else self._compile()

    @in_turn
    def _compile(self) -> Automaton:
        kept: tuple[int, Automaton] | None = self.__dict__.get("_compiled")
        if kept is None or kept[0] != self._changes:
            kept = self._compiled = self._changes, Automaton(self)
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__()}
        state.pop("_compiled", None)
        return state


class SentTree:
    """Drop-in for ``nlp_zero.SentTree``: a part of a sentence, its template, and the parts in the gaps.

    Attributes
    ----------
    template : Template
        The part's words that are matched, None for gaps.
    content : str
        The part as text.
    modules : list of SentTree
        What is in the gaps.
    """

    template: Template
    content: str
    modules: list[SentTree]

    def __init__(self, parsing: Parsing, words: Sequence[str], start: int, end: int) -> None:
        nodes: list[tuple[int, int, int]] = []
        places: list[int] = []
        pending = [(parsing, (start, end))]
        while pending:
            (matched, inner), span = pending.pop()
            nodes.append((*span, len(matched)))
            places += matched
            pending += reversed([*zip(inner, _gaps(span, matched), strict=True)])
        self.__dict__ = type(self)._made(nodes, places, words).__dict__

    @classmethod
    def _made(cls, nodes: list[Any], places: list[int], words: Sequence[str]) -> SentTree:
        """The tree of nodes (start, end, number of places) in preorder, and their places."""
        # From the last to the first: what is in a part's gaps is made before it, and lies on the stack in order.
        made: list[SentTree] = []
        behind = len(places)
        place = 0
        for start, end, size in reversed(nodes):
            tree, template, at = cls.__new__(cls), Template.__new__(Template), start
            symbols: list[str | None] = []
            modules: list[SentTree] = []
            for place in places[behind - size : behind]:
                if at < place:
                    symbols.append(None)
                    modules.append(made.pop())
                symbols.append(words[place])
                at = place + 1
            if at < end:
                symbols.append(None)
                modules.append(made.pop())
            behind -= size
            template.words, template.length = symbols, size
            template.last = words[place] if size else None
            tree.template, tree.modules, tree.content = template, modules, "".join(words[start:end])
            made.append(tree)
        return made[0]

    def plot(self, prefix: str = "+---> ") -> str:
        """Return the tree as text."""
        lines: list[str] = []
        pending: list[tuple[SentTree | str, str]] = [(self, prefix)]
        while pending:
            item, before = pending.pop()
            if isinstance(item, str):
                lines.append(before + item)
                continue
            modules = iter(item.modules)
            parts = [next(modules) if word is None else word for word in item.template]
            lines.append(before + "".join(part if isinstance(part, str) else f"({part.content})" for part in parts))
            pending += [(part, "|     " + before) for part in reversed(parts)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.plot()


class Parser:
    """Drop-in for ``nlp_zero.Parser``: the nested templates of a sentence whose log-probabilities sum up highest.

    Parameters
    ----------
    templates : XTrie
        Templates with counts.
    tokenize : callable
        From a str to a list of words.
    null_score : float, default -20
        Score of each word but the first of a part without a template.

    Notes
    -----
    Of equal sums (to four places) the template of more words, then the one found first. Only the best of each part is
    looked for: O(n**3 a) for n words and a sets of templates that begin alike, where nlp-zero lists every way to place
    a template's words, and solves a part again wherever it occurs. A `search` of the trie's own, or another `max`, is
    given all of those, as there. A template of one placeholder, which nlp-zero can't end, is left out.
    """

    def __init__(self, templates: XTrie, tokenize: Callable[[str], Sequence[str]], null_score: float = -20) -> None:
        self.templates = templates
        self.tokenize = tokenize
        self.null_score = null_score

    def max(self, x: list[tuple[Parsing, float]]) -> tuple[Parsing, float]:
        """Return the best of the readings of a part, each a tuple ((places, modules), score).

        Another one may be set, or defined in a subclass: it then chooses in every part that a template reads.
        """
        return min(x, key=lambda it: (-round(it[1], 4), -len(it[0][0])))

    def parse(self, sent: str) -> SentTree:
        """Return the tree of a sentence."""
        words = self.tokenize(sent)
        if _replaced(self, "max", Parser) or _replaced(self.templates, "search", XTrie):
            return SentTree(self._chosen(words), words, 0, len(words))
        warn_of_memory(len(words), 20)
        nodes, places = self.templates._automaton().best_reading(words, self.null_score)
        return SentTree._made(nodes.tolist(), places.tolist(), words)

    def _chosen(self, words: Sequence[str]) -> Parsing:
        """Every way to place a template is listed and given to `max`, shorter parts first."""
        matches = self.templates.search(words)
        known: dict[Span, tuple[Parsing, float]] = {}

        def solved(span: Span) -> tuple[Parsing, float]:
            return known.get(span) or ((tuple(range(*span)), []), self.null_score * (span[1] - span[0] - 1))

        for span in sorted(matches, key=lambda span: span[1] - span[0]):
            found: list[tuple[Parsing, float]] = []
            for matched, count in matches[span].items():
                if matched:
                    score, modules = log(count) - log(self.templates.total_items), []
                    for gap in _gaps(span, matched):
                        part, more = solved(gap)
                        modules.append(part)
                        score += more
                    found.append(((matched, modules), score))
            if found:
                known[span] = self.max(found)
        return solved((0, len(words)))[0]


def _replaced(made: Any, name: str, base: type) -> bool:
    """Whether an object's method isn't the one of this module."""
    return getattr(getattr(made, name), "__func__", None) is not getattr(base, name)


def _gaps(span: Span, matched: Words) -> list[Span]:
    """What of a span lies before, between and behind the matched words."""
    marks = [span[0] - 1, *matched, span[1]]
    return [(a + 1, b) for a, b in pairwise(marks) if a + 1 < b]
