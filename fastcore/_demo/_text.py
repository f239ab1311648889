"""Counting, word discovery and segmentation on shipped Chinese and English."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

from .._backend import use_backend
from .._data import english_verse, poems, segmented
from .._metrics import span_f1
from ..lexicon import Lexicon, Tokenizer, WordFinder
from ..ngrams import count_ngrams
from ._report import Report, pad, timed

HAVE_JIEBA = importlib.util.find_spec("jieba") is not None


def run(report: Report) -> None:
    verses = poems()[: report.size(10**9, 3000)]
    data: dict[str, object] = {}
    report.data["text"] = data
    _counting(report, data, verses)
    found = _words(report, data, verses)
    _sentence(data, found, verses)
    _gold(report, data)
    _english(report, data)


def _counting(report: Report, data: dict[str, object], verses: list[str]) -> None:
    megabytes = sum(len(v.encode()) for v in verses) / 1e6
    seconds, table = timed(lambda: count_ngrams(verses, n=(1, 4)))
    some = verses[: report.size(5000, 500)]
    fast, ours = min((timed(lambda: count_ngrams(some, n=(1, 4))) for _ in range(3)), key=lambda run: run[0])
    with use_backend("reference"):
        slow, theirs = timed(lambda: count_ngrams(some, n=(1, 4)))
    same = ours.to_dict() == theirs.to_dict()
    report.expect(same, "the n-gram table differs from its twin's")
    data["counting"] = {"megabytes": megabytes, "seconds": seconds, "n_grams": len(table), "ratio_to_twin": slow / fast}
    print(
        f"Counted character 1- to 4-grams of {megabytes:.1f} MB of verse: {len(table):,} distinct in {seconds:.2f} s, "
        f"{megabytes / seconds:.0f} MB/s;\n{slow / fast:.0f}x the twin on {len(some):,} verses, tables "
        f"{'equal' if same else 'DIFFERENT'}."
    )


def _words(report: Report, data: dict[str, object], verses: list[str]) -> Lexicon:
    finder = WordFinder(method="entropy").fit(verses)
    table = count_ngrams(verses, n=(1, 4))
    rows = {ngram: row for row, ngram in enumerate(table) if ngram in finder.words_}
    columns = {"pmi": table.pmi(), "left_entropy": table.left_entropy(), "right_entropy": table.right_entropy()}
    found: list[dict[str, Any]] = [
        {"word": word, "count": count, **{name: float(column[rows[word]]) for name, column in columns.items()}}
        for word, count in finder.words_.items()
        if len(word) >= 2 and word in rows
    ]
    found.sort(key=lambda row: -row["count"] * row["pmi"])
    print(f"\nFound {len(finder.words_):,} words without labels; fifteen of two characters and more:")
    print(f"  {pad('word', 10)}{'count':>7}{'pmi':>8}{'left entropy':>15}{'right entropy':>15}")
    for row in found[:15]:
        scores = f"{row['pmi']:>8.2f}{row['left_entropy']:>15.2f}{row['right_entropy']:>15.2f}"
        print(f"  {pad(row['word'], 10)}{row['count']:>7}{scores}")
    data["words"] = found[:15]
    report.expect(len(found) >= 15, "fewer than fifteen words were found")
    return finder.to_lexicon()


def _sentence(data: dict[str, object], lexicon: Lexicon, verses: list[str]) -> None:
    verse = max((verse for verse in verses if len(verse) <= 24), key=len)
    words = Tokenizer(lexicon).tokenize(verse)
    print(f"\nA verse, segmented with them: {' / '.join(words)}")
    data["sentence"] = words
    if HAVE_JIEBA:
        words = Tokenizer().tokenize("扫描二维码,关注公众号")
        print(f"A sentence, with jieba's dictionary: {' / '.join(words)}")
        data["sentence_jieba"] = words


def _gold(report: Report, data: dict[str, object]) -> None:
    train, gold = segmented("train"), segmented("test")[: report.size(500, 100)]
    raw = ["".join(words) for words in train][: report.size(10**9, 400)]
    texts = ["".join(words) for words in gold]
    scores = {"every character": span_f1(gold, [list(text) for text in texts])[2]}
    for method in ("adjacent", "ngram", "entropy"):
        tokenizer = Tokenizer(
            WordFinder(method=method, min_proba=1e-5 if method == "adjacent" else 1e-7).fit(raw).to_lexicon()
        )
        scores[f"{method} method"] = span_f1(gold, tokenizer.tokenize_many(texts))[2]
    if HAVE_JIEBA:
        scores["jieba's dictionary"] = span_f1(gold, Tokenizer().tokenize_many(texts))[2]
    print(
        f"\nSpan F1 on {len(gold)} sentences of UD Chinese GSD, lexicons found in {len(raw):,} others without labels:"
    )
    for name, score in scores.items():
        print(f"  {name:<22}{score:.3f}")
    data["f1_chinese"] = scores
    best = max(score for name, score in scores.items() if "method" in name)
    report.expect(report.small or best > scores["every character"] + 0.05, "no method beats one character a word")
    report.series["f1_chinese"] = scores


def _english(report: Report, data: dict[str, object]) -> None:
    verses = [verse.lower() for verse in english_verse()[: report.size(10**9, 300)]]
    gold = [["".join(c for c in word if c.isalpha()) for word in verse.split()] for verse in verses]
    gold = [[word for word in words if word] for words in gold]
    raw = ["".join(words) for words in gold]
    finder = WordFinder(method="entropy", keep="abcdefghijklmnopqrstuvwxyz", join_alnum=False, max_length=12)
    seconds, lexicon = timed(lambda: finder.fit(raw).to_lexicon())
    tokenizer = Tokenizer(lexicon, join_alnum=False)
    cut = tokenizer.tokenize_many(raw[:2000])
    score, baseline = (span_f1(gold[:2000], words)[2] for words in (cut, [list(text) for text in raw[:2000]]))
    print(f"\nEnglish verse with its spaces removed: {len(lexicon):,} words found in {seconds:.1f} s.")
    print(f"  before  {raw[0]}\n  after   {' '.join(cut[0])}")
    print(f"  span F1 {score:.3f} (every letter a word: {baseline:.3f})")
    data["english"] = {"f1": score, "f1_letters": baseline, "first": cut[0], "seconds": seconds}
    report.expect(report.small or score > baseline + 0.2, "the English words aren't found")
    report.expect(math.isfinite(score), "the English score isn't a number")
    report.series["f1_english"] = {"every letter": baseline, "entropy method": score}
