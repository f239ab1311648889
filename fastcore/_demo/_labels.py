"""A trained segmenter, and the tree of a question."""

from __future__ import annotations

from .._data import segmented
from .._metrics import span_f1
from ..crf import Segmenter
from ..lexicon import Lexicon, Tokenizer
from ..templates import Parser, Template
from ._report import Report, timed

QUESTION = "雪梨和苹果和香蕉的颜色是什么呢"
WORDS = ("雪梨", "和", "苹果", "香蕉", "的", "颜色", "是", "什么", "呢")
TEMPLATES = ("[X] 和 [X]", "[X] 的 颜色", "[X] 是 什么 [X]", "[X] 呢")
# The templates of the question's tree and, in brackets' place, of what fills their slots.
READING = ["[X]是什么[X]", "[X]的颜色", "[X]和[X]", None, "[X]和[X]", None, None, None]


def run(report: Report) -> None:
    train = segmented("train")[: report.size(1500, 60)]
    gold = segmented("test")[: report.size(500, 40)]
    seconds, segmenter = timed(lambda: Segmenter().fit(train))
    texts = ["".join(words) for words in gold]
    cut_seconds, cut = timed(lambda: segmenter.segment_many(texts))
    precision, recall, f1 = span_f1(gold, cut)
    baseline = span_f1(gold, [list(text) for text in texts])[2]
    print(
        f"A linear-chain CRF over BMES labels, trained on {len(train):,} sentences of UD Chinese GSD "
        f"in {seconds:.1f} s;\n"
        f"held-out span F1 {f1:.3f} (precision {precision:.3f}, recall {recall:.3f}; every character {baseline:.3f}), "
        f"{sum(map(len, texts)) / cut_seconds:,.0f} characters/s.\n  {' / '.join(cut[0])}"
    )
    report.data["labels"] = {
        "f1": f1,
        "precision": precision,
        "recall": recall,
        "seconds": seconds,
        "baseline": baseline,
    }
    report.expect(f1 > baseline + 0.2, "the trained segmenter is no better than one character a word")
    report.series["f1_chinese"]["CRF, trained"] = f1
    _tree(report)


def _tree(report: Report) -> None:
    tokenize = Tokenizer(Lexicon(dict.fromkeys(WORDS, 1))).tokenize
    tree = Parser([Template.parse(text) for text in TEMPLATES], tokenize).parse(QUESTION)
    print(f"\n{QUESTION} read with the templates {', '.join(text.replace(' ', '') for text in TEMPLATES)}:\n{tree}")
    report.data["tree"] = tree.to_dict()
    nested = [None if part.template is None else str(part.template) for part in tree.walk()]
    report.expect(nested == READING, f"the question's tree is {nested}")
