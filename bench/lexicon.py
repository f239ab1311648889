"""Segmentation with a dictionary, and the dictionary itself, beside the tools that people use."""

from __future__ import annotations

import collections
import collections.abc
import importlib.util
import math
import os
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np

from bench import _data
from bench._harness import Workload, prepared
from fastcore.lexicon import Lexicon, Tokenizer
from fastcore.lexicon._files import jieba_dictionary

TEXT = "text/zh_15mb.txt.xz"


def _amount(data) -> tuple[float, str]:
    # Raw bytes of the file, line ends included.
    return sum(len(line.encode()) + 1 for line in data[1]) / 1e6, "MB"


@cache
def _jieba_words() -> dict[str, int]:
    return dict(jieba_dictionary())


def _jieba_text():
    return _jieba_words(), _data.lines(TEXT)


def _nlp_zero():
    # nlp-zero needs a name that left collections in Python 3.10, and its patterns warn.
    if not hasattr(collections, "Iterable"):
        collections.Iterable = collections.abc.Iterable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nlp_zero
    return nlp_zero


@cache
def _nlp_zero_words() -> dict[str, int]:
    spec = importlib.util.find_spec("nlp_zero")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("nlp-zero's dictionary: it isn't installed")
    return dict(Lexicon.load(Path(spec.submodule_search_locations[0], "dic.txt")))


def _nlp_zero_text():
    return _nlp_zero_words(), _data.lines(TEXT)


@prepared
def _fastcore_words(data):
    words, lines = data
    tokenizer = Tokenizer(Lexicon(words))
    return lambda: tokenizer.tokenize_many(lines)


@prepared
def _fastcore_words_2(data):
    words, lines = data
    tokenizer = Tokenizer(Lexicon(words))
    return lambda: tokenizer.tokenize_many(lines, workers=2)


@prepared
def _fastcore_ids(data):
    words, lines = data
    tokenizer = Tokenizer(Lexicon(words))
    return lambda: tokenizer.encode_many(lines)


@prepared
def _fastcore_ids_2(data):
    words, lines = data
    tokenizer = Tokenizer(Lexicon(words))
    return lambda: tokenizer.encode_many(lines, workers=2)


@prepared
def _nlp_zero_tokenize(data):
    words, lines = data
    nlp_zero = _nlp_zero()
    tokenizer = nlp_zero.Tokenizer(nlp_zero.Trie(list(words.items())))
    return lambda: [tokenizer.tokenize(line) for line in lines]


@prepared
def _compat(data):
    from fastcore.compat.nlp_zero import Tokenizer, Trie

    words, lines = data
    tokenizer = Tokenizer(Trie(words.items()))
    return lambda: [tokenizer.tokenize(line) for line in lines]


@prepared
def _jieba(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(60)
    jieba.initialize()
    return lambda: [jieba.lcut(line, HMM=False) for line in data[1]]


@prepared
def _rjieba(data):
    import rjieba

    rjieba.cut("开始", False)
    return lambda: [rjieba.cut(line, False) for line in data[1]]


@cache
def _sentencepiece_model() -> str:
    # A unigram model trained on the text itself, with a vocabulary as large as the trainer makes readily.
    import sentencepiece

    folder = Path(tempfile.gettempdir(), "fastcore-bench")
    model = folder / "zh_15mb.spm.model"
    if not model.exists():
        folder.mkdir(exist_ok=True)
        part = folder / f"zh_15mb.{os.getpid()}"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(_data.lines(TEXT)[:60000]),
            model_prefix=str(part),
            model_type="unigram",
            vocab_size=32000,
            character_coverage=0.9999,
            num_threads=2,
            minloglevel=2,
        )
        Path(f"{part}.model").replace(model)
    return str(model)


@prepared
def _sentencepiece(data):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=_sentencepiece_model())
    return lambda: processor.encode(data[1], out_type=int, num_threads=1)


@prepared
def _tokenizers(data):
    # The same words and probabilities in Hugging Face's Unigram model, on one thread.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import tokenizers

    words, lines = data
    log_total = math.log(sum(words.values()))
    vocabulary = [("<unk>", -100.0)] + [(word, math.log(count) - log_total) for word, count in words.items()]
    model = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary, 0, byte_fallback=False))
    return lambda: model.encode_batch_fast(lines, add_special_tokens=False)


def _same_tokens(ours, theirs, name: str) -> bool | str:
    if name in ("nlp-zero", "compat.nlp_zero", "fastcore, 2 threads"):
        return ours == theirs
    # jieba goes from right to left, smooths unknown characters otherwise and has its own rules for letters.
    same = sum(a == b for a, b in zip(ours, theirs))
    return f"{same / len(ours):.1%} of lines"


def _same_ids(ours, theirs, name: str) -> bool | str:
    if name == "fastcore, 2 threads":
        return all(np.array_equal(a, b) for a, b in zip(ours, theirs))
    number = sum(map(len, theirs))
    return f"{number:,} tokens to {len(ours[0]):,}"


def _nested(words: dict[str, int]) -> dict:
    root: dict = {}
    for word, count in words.items():
        node = root
        for character in word:
            if character not in node:
                node[character] = {}
            node = node[character]
        node[True] = (word, count)
    return root


def _small(words, number: int = 1000):
    return lambda: (words(), _data.lines(TEXT)[:number])


WORKLOADS = [
    Workload(
        name="lexicon.tokenize",
        make=_jieba_text,
        runners={
            "fastcore": _fastcore_words,
            "fastcore, 2 threads": _fastcore_words_2,
            "rjieba": _rjieba,
            "jieba, HMM=False": _jieba,
            "nlp-zero": _nlp_zero_tokenize,
        },
        equal=_same_tokens,
        twin_make=_small(_jieba_words),
        amount=_amount,
        heavy=frozenset({"jieba, HMM=False", "nlp-zero"}),
    ),
    Workload(
        name="lexicon.tokenize_nlp_zero_dictionary",
        make=_nlp_zero_text,
        runners={"fastcore": _fastcore_words, "compat.nlp_zero": _compat, "nlp-zero": _nlp_zero_tokenize},
        equal=_same_tokens,
        twin_make=_small(_nlp_zero_words),
        amount=_amount,
        heavy=frozenset({"nlp-zero"}),
    ),
    Workload(
        name="lexicon.encode",
        make=_jieba_text,
        runners={
            "fastcore": _fastcore_ids,
            "fastcore, 2 threads": _fastcore_ids_2,
            "sentencepiece": _sentencepiece,
            "tokenizers Unigram": _tokenizers,
        },
        equal=_same_ids,
        twin_make=_small(_jieba_words),
        amount=_amount,
        heavy=frozenset({"tokenizers Unigram"}),
    ),
    Workload(
        name="lexicon.build",
        make=_jieba_words,
        runners={"fastcore": Lexicon, "dict of dicts": _nested},
        equal=lambda ours, theirs, name: "-",
        amount=lambda words: (len(words) / 1e6, "M words"),
    ),
]
