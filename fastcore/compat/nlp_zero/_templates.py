"""nlp-zero's sentence templates: `Template`, `Template_Finder`, `XTrie`, `SentTree` and `Parser`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import Any, TypeAlias

from ..._turns import TakesTurns, in_turn
from ...skipgrams import count_skipgrams
from ._lattice import Trie, log

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
        What `train` has counted.

    Notes
    -----
    The templates and counts of nlp-zero 0.1.6, in the same order: one count a path. Paths that read alike are counted
    together; a sentence with more than a million different ones is refused. Mended: `remove_weak_grams` drops the weak
    pairs instead of all, the object stays trainable, and no text at all is a ValueError. Threads take turns to `train`
    and to `find`; `sents` and `tokenize` must not use the finder (RuntimeError).

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
        self.skip_grams: dict[tuple[str, str], int] = defaultdict(int)
        self._trained = False

    def _sentences(self, sents: Iterable[str], filtering: bool) -> Iterator[list[str]]:
        separators = re.compile("[^\u4e00-\u9fa50-9a-zA-Z]+" if filtering else "[。，、！？\n ]+")
        for sent in sents:
            yield from (list(self.tokenize(part)) for part in separators.split(sent) if part)

    @in_turn
    def train(self, sents: Iterable[str], filtering: bool = True) -> None:
        """Count the words of `sents` and their pairs."""
        texts = iter(sents)
        first = list(islice(texts, 1))
        if not first:
            raise ValueError("sents must hold at least one text, got none")
        pairs = count_skipgrams(self._sentences(chain(first, texts), filtering), self.window)
        self._trained = True
        for word, count in zip(pairs.vocabulary, pairs.token_counts.tolist(), strict=True):
            self.words[word] = self.words.get(word, 0) + count
        for pair, count in pairs.items():
            self.skip_grams[pair] = self.skip_grams.get(pair, 0) + count

    @in_turn
    def find(self, sents: Iterable[str], filtering: bool = True, remove_weak_grams: bool = True) -> None:
        """Read `sents` as templates of strong pairs, add them to `templates`, and drop the rare ones."""
        if not self.words and not self._trained:
            raise ValueError("train(sents) must come before find(sents)")
        least = log(self.min_proba)
        all_words, all_pairs = log(sum(self.words.values())), log(sum(self.skip_grams.values()))
        words = {word: log(count) - all_words for word, count in self.words.items()}
        pairs = {pair: log(count) - all_pairs for pair, count in self.skip_grams.items()}
        pairs = {pair: score for pair, score in pairs.items() if score > least}
        strong = {pair for pair, score in pairs.items() if score - words[pair[0]] - words[pair[1]] > self.min_pmi}
        templates = dict(self.templates)
        for sentence in self._sentences(sents, filtering):
            for read, count in _readings(sentence, self.window, strong).items():
                template = Template(read)
                templates[template] = templates.get(template, 0) + count
        total = log(sum(templates.values()))
        self.templates = {it: n for it, n in templates.items() if log(n) - total > least}
        if remove_weak_grams:
            self.skip_grams = defaultdict(int, {pair: n for pair, n in self.skip_grams.items() if pair in pairs})


def _readings(words: list[str], window: int, strong: set[tuple[str, str]]) -> dict[tuple[str | None, ...], int]:
    """Count the paths through pairs of words, from each word that ends none, by what they read."""
    size = len(words)
    entered = [False] * size
    # For each word what is read from there to the end, in the order in which paths come.
    rest: list[dict[tuple[str | None, ...], int]] = [{} for _ in words]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, min(size, i + 1 + window)):
            if (words[i], words[j]) in strong:
                entered[j] = True
                start = (words[i],) if j == i + 1 else (words[i], None)
                for read, count in rest[j].items():
                    rest[i][start + read] = rest[i].get(start + read, 0) + count
        if not rest[i]:
            rest[i][(words[i],) if i == size - 1 else (words[i], None)] = 1
        if len(rest[i]) > MOST:
            raise ValueError(f"sents must not hold a sentence of more than {MOST} templates, got one of {size} words")
    found: dict[tuple[str | None, ...], int] = {}
    for i in range(size):
        if not entered[i]:
            for read, count in rest[i].items():
                whole = read if i == 0 else (None, *read)
                found[whole] = found.get(whole, 0) + count
    return found


class XTrie(Trie):
    """Drop-in for ``nlp_zero.XTrie``: a trie of templates.

    As there, placeholders are in effect optional, and a gap may stand anywhere.
    """

    def search(self, sent: Any) -> dict[Span, dict[Words, int]]:  # type: ignore[override]
        """Return {(start, end): {places of the template's words: count}} of all templates in a list of words.

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

    def __init__(self, parsing: Parsing, words: Sequence[str], start: int, end: int) -> None:
        matched, inner = parsing
        self.template = Template(words[i] if i in matched else None for i in range(start, end))
        self.content = "".join(words[start:end])
        gaps = _gaps((start, end), matched)
        self.modules = [SentTree(part, words, *gap) for part, gap in zip(inner, gaps, strict=True)]

    def plot(self, prefix: str = "+---> ") -> str:
        """Return the tree as text."""
        parts, lines, modules = [], [], iter(self.modules)
        for word in self.template:
            if word is None:
                module = next(modules)
                parts.append(f"({module.content})")
                lines.append(module.plot("|     " + prefix))
            else:
                parts.append(word)
                lines.append("|     " + prefix + word)
        return "\n".join([prefix + "".join(parts), *lines])

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
    Of equal sums (to four places) the template of more words, then the one found first. Each part is solved once, where
    nlp-zero solves it again wherever it occurs. A template of one placeholder, which nlp-zero can't end, is left out.
    """

    def __init__(self, templates: XTrie, tokenize: Callable[[str], Sequence[str]], null_score: float = -20) -> None:
        self.templates = templates
        self.tokenize = tokenize
        self.null_score = null_score

    def parse(self, sent: str) -> SentTree:
        """Return the tree of a sentence."""
        words = self.tokenize(sent)
        parsing, _ = self._parse((0, len(words)), self.templates.search(words), {})
        return SentTree(parsing, words, 0, len(words))

    def _parse(
        self, span: Span, matches: dict[Span, dict[Words, int]], known: dict[Span, tuple[Parsing, float]]
    ) -> tuple[Parsing, float]:
        if span not in known:
            found = []
            for matched, count in matches.get(span, {}).items():
                if matched:
                    score, modules = log(count) - log(self.templates.total_items), []
                    for gap in _gaps(span, matched):
                        part, more = self._parse(gap, matches, known)
                        modules.append(part)
                        score += more
                    found.append(((matched, modules), score))
            plain: tuple[Parsing, float] = (tuple(range(*span)), []), self.null_score * (span[1] - span[0] - 1)
            known[span] = min(found, key=lambda it: (-round(it[1], 4), -len(it[0][0])), default=plain)
        return known[span]


def _gaps(span: Span, matched: Words) -> list[Span]:
    """What of a span lies before, between and behind the matched words."""
    marks = [span[0] - 1, *matched, span[1]]
    return [(a + 1, b) for a, b in pairwise(marks) if a + 1 < b]
