"""``fastcore words``, ``fastcore segment``, ``fastcore templates`` and ``fastcore parse``."""

from __future__ import annotations

import argparse
import errno
import io
import itertools
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from ._progress import progress_bar
from ._texts import Manner, packing, string_lists
from ._whole import whole_file

STDIN = "-"
# Lines that several workers are given at a time.
SHARE = 1 << 14

AddCommand = Callable[[str, str, str], argparse.ArgumentParser]


def add_commands(add: AddCommand) -> None:
    """Register all four commands."""
    words = add(
        "words",
        "Find words in unlabelled text; print a line 'word count' each, the most frequent first.",
        "  fastcore words corpus.txt.xz > lexicon.txt\n"
        "  fastcore words --method adjacent --min-count 5 folder/ -o lexicon.txt --progress\n"
        "  zcat corpus.gz | fastcore words - --top 50 --json\n"
        "  fastcore words --exclude known.txt corpus.txt      # new words only\n",
    )
    _add_input(words)
    words.add_argument("--method", choices=("adjacent", "ngram", "entropy"), default="entropy", help="default entropy")
    words.add_argument("--min-count", type=int, metavar="N", help="least count of a word")
    words.add_argument("--min-pmi", type=float, metavar="X", help="least pmi in nats (methods adjacent and ngram)")
    words.add_argument("--min-proba", type=float, metavar="P", help="least relative frequency (method adjacent)")
    words.add_argument("--min-length", type=int, default=1, metavar="N", help="least number of characters")
    words.add_argument("--max-length", type=int, metavar="N", help="most characters")
    words.add_argument(
        "--keep", metavar="CHARS", help="characters words are made of (default: Chinese and alphanumeric)"
    )
    words.add_argument("--exclude", metavar="LEXICON", help="leave out the words of this lexicon")
    words.add_argument("--top", type=_how_many, metavar="N", help="only the N most frequent")
    words.set_defaults(run=_words)

    segment = add(
        "segment",
        "Cut text into words, a line of words for each line of text.",
        "  fastcore segment --lexicon lexicon.txt text.txt\n"
        "  echo '扫描二维码,关注公众号' | fastcore segment      # jieba's dictionary\n"
        "  fastcore segment --separator / --workers 2 corpus.txt.xz -o cut.txt.gz\n",
    )
    _add_input(segment)
    segment.add_argument("--lexicon", metavar="FILE", help="lines 'word [count] [tag]' (default: jieba's)")
    segment.add_argument("--separator", default=" ", metavar="S", help="put between words (default a space)")
    segment.add_argument("--join-fullwidth", action="store_true", help="join full-width letters and digits too")
    segment.add_argument("--no-join", action="store_true", help="don't join letters and digits to one word")
    segment.add_argument("--workers", type=int, default=1, metavar="N", help="threads; -1 for all cores")
    segment.set_defaults(run=_segment)

    templates = add(
        "templates",
        "Find templates in text, each line a sentence; print lines 'template<TAB>count', what explains most first.",
        "  fastcore templates --min-count 20 messages.log -o templates.txt      # words between spaces\n"
        "  fastcore templates --lexicon lexicon.txt corpus.txt.xz --top 100\n",
    )
    _add_input(templates)
    templates.add_argument("--lexicon", metavar="FILE", help="cut lines into the words of this lexicon, not at spaces")
    templates.add_argument("--window", type=int, default=5, metavar="N", help="words that stand together (default 5)")
    templates.add_argument("--min-count", type=int, metavar="N", help="least number of lines (default 2)")
    templates.add_argument("--min-pmi", type=float, default=2.0, metavar="X", help="least pmi in nats (default 2)")
    templates.add_argument("--top", type=_how_many, metavar="N", help="only the first N")
    templates.set_defaults(run=_templates)

    parse = add(
        "parse",
        "Read sentences, a line each, as templates nested in each other's slots; draw a tree for each.",
        "  fastcore parse --templates templates.txt sentences.txt\n"
        "  echo '雪梨的颜色是什么' | fastcore parse --templates templates.txt --lexicon lexicon.txt --brackets\n",
    )
    _add_input(parse)
    parse.add_argument("--templates", required=True, metavar="FILE", help="lines 'template[<TAB>count]'")
    parse.add_argument("--lexicon", metavar="FILE", help="cut lines into the words of this lexicon, not at spaces")
    parse.add_argument("--brackets", action="store_true", help="a line in brackets each, no drawing")
    parse.set_defaults(run=_parse)


def _how_many(text: str) -> int:
    """A number from 0 up; argparse says which option was wrong."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {number}")
    return number


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        default=[STDIN],
        metavar="path",
        help="files or folders, .gz .bz2 .xz .zst too; - (the default) is standard input",
    )
    parser.add_argument("-o", "--output", default=STDIN, metavar="FILE", help="write here (compressed by suffix)")
    parser.add_argument("--encoding", default="utf-8", metavar="NAME", help="what the texts are encoded in")
    parser.add_argument("--replace", action="store_true", help="read bytes that can't be decoded as U+FFFD")
    parser.add_argument("--json", action="store_true", help="write JSON: an object a word, or an array a line")
    parser.add_argument("--progress", action="store_true", help="show a bar on standard error")


def _batches(options: argparse.Namespace) -> Iterator[list[str]]:
    """The lines of all texts, as many at a time as there are by then."""
    cure = "; pass --replace to let it be"
    manner = Manner(encoding=options.encoding, errors="replace" if options.replace else "strict", cure=cure)
    for path in options.paths:
        if not path:
            os.stat(path)  # no name, be it of an empty variable, isn't this folder: the system's own error
        # Standard input stays open: it isn't ours.
        yield from string_lists(_bytes_of(sys.stdin, "input") if path == STDIN else Path(path), manner)


def _lines(options: argparse.Namespace) -> Iterator[str]:
    for batch in _batches(options):
        yield from batch


def _shares(options: argparse.Namespace, file: TextIO, size: int | None = None) -> Iterator[list[str]]:
    """Give lines as they come, or so many at a time; what was answered goes out before more is waited for."""
    shares = _batches(options)
    if size is not None:
        lines = itertools.chain.from_iterable(shares)
        shares = iter(lambda: list(itertools.islice(lines, size)), [])
    with progress_bar(options.progress, None, "line") as step:
        for share in shares:
            yield share
            step(len(share))
            if options.output == STDIN:
                file.flush()


def _bytes_of(stream: TextIO | None, name: str) -> BinaryIO:
    """The bytes below a standard stream, which Python hasn't got if we were started with it closed."""
    if stream is None:
        raise OSError(errno.EBADF, f"standard {name} is closed")
    return stream.buffer


@contextmanager
def _output(path: str) -> Iterator[TextIO]:
    """Open standard output, or a file that is written whole or not at all."""
    if path == STDIN:
        with _written(_bytes_of(sys.stdout, "output")) as wrapper:
            yield wrapper
        return
    with whole_file(path) as file, packing(file, path) as stream, _written(stream) as wrapper:
        yield wrapper


@contextmanager
def _written(stream: BinaryIO) -> Iterator[TextIO]:
    """Write text into a stream, which stays open."""
    wrapper = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
    try:
        yield wrapper
        wrapper.flush()
    finally:
        wrapper.detach()


def _counted(lines: Iterable[str], show: bool) -> Iterator[str]:
    with progress_bar(show, None, "line") as step:
        for line in lines:
            yield line
            step(1)


def _words(options: argparse.Namespace) -> int:
    from .lexicon import Lexicon, WordFinder
    from .lexicon._files import fits_text

    given = {
        "min_count": options.min_count,
        "min_pmi": options.min_pmi,
        "min_proba": options.min_proba,
        "max_length": options.max_length,
        "keep": options.keep,
        "exclude": None if options.exclude is None else Lexicon.load(options.exclude),
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    finder = WordFinder(method=options.method, min_length=options.min_length, **chosen)
    without_text = 0
    with _output(options.output) as file:
        finder.fit(_counted(_lines(options), options.progress))
        found = sorted(finder.words_.items(), key=lambda item: -item[1])[: options.top]
        for word, count in found:
            if options.json:
                file.write(json.dumps({"word": word, "count": count}, ensure_ascii=False) + "\n")
            elif fits_text(word):
                file.write(f"{word} {count}\n")
            else:
                without_text += 1
    if without_text:
        print(
            f"fastcore words: {without_text} left out, with white space or NUL as no lexicon holds; --json gives them",
            file=sys.stderr,
        )
    return 0


def _segment(options: argparse.Namespace) -> int:
    from .lexicon import Lexicon, Tokenizer

    lexicon = None if options.lexicon is None else Lexicon.load(options.lexicon)
    tokenizer = Tokenizer(lexicon, join_alnum=not options.no_join, join_fullwidth=options.join_fullwidth)
    with _output(options.output) as file:
        for share in _shares(options, file, None if options.workers == 1 else SHARE):
            for words in tokenizer.tokenize_many(share, workers=options.workers):
                file.write(json.dumps(words, ensure_ascii=False) if options.json else options.separator.join(words))
                file.write("\n")
    return 0


def _tokenize(lexicon: str | None) -> Callable[[str], list[str]]:
    from .lexicon import Lexicon, Tokenizer

    if lexicon is None:
        return str.split
    tokenize = Tokenizer(Lexicon.load(lexicon)).tokenize
    # White space is no word of a template, whose text it would cut.
    return lambda text: [word for word in tokenize(text) if not word.isspace()]


def _templates(options: argparse.Namespace) -> int:
    from .templates import TemplateFinder

    tokenize = _tokenize(options.lexicon)
    finder = TemplateFinder(tokenize, options.window, min_pmi=options.min_pmi, min_count=options.min_count)
    without_text = 0
    with _output(options.output) as file, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        finder.fit(_counted(_lines(options), options.progress))
        for template, count in itertools.islice(finder.templates_.items(), options.top):
            if options.json:
                file.write(json.dumps({"template": list(template), "count": count}, ensure_ascii=False) + "\n")
                continue
            try:
                file.write(f"{template.text}\t{count}\n")
            except ValueError:
                without_text += 1
    if without_text:
        print(
            f"fastcore templates: {without_text} left out, of words with white space or [X]; --json gives them",
            file=sys.stderr,
        )
    for warning in said:
        print(f"fastcore templates: {warning.message}", file=sys.stderr)
    return 0


def _parse(options: argparse.Namespace) -> int:
    from .templates import Parser, TemplateTrie

    parser = Parser(TemplateTrie.load(options.templates), _tokenize(options.lexicon))
    with _output(options.output) as file:
        for line in itertools.chain.from_iterable(_shares(options, file)):
            if not line.strip():
                # A drawing has any number of lines; the others have one a line.
                file.write('{"words": [], "trees": []}\n' if options.json else "\n" * options.brackets)
                continue
            tree = parser.parse(line)
            if options.json:
                file.write(json.dumps({"words": tree.words, "trees": tree.to_rows()}, ensure_ascii=False))
            else:
                file.write(tree.to_brackets() if options.brackets else str(tree))
            file.write("\n")
    return 0
