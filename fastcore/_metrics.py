"""How well predicted words or spans match the gold ones."""

from collections.abc import Collection, Iterable, Sequence


def spans(words: Iterable[str]) -> list[tuple[int, int]]:
    """Return each word's (start, end) in the text that the words make when joined."""
    found, start = [], 0
    for word in words:
        found.append((start, start + len(word)))
        start += len(word)
    return found


def _ratios(matched: int, predicted: int, gold: int) -> tuple[float, float, float]:
    precision = matched / predicted if predicted else 0.0
    recall = matched / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if matched else 0.0
    return precision, recall, f1


def _aligned(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
    """Raise unless both segment the same texts."""
    if len(gold) != len(predicted):
        raise ValueError(f"gold and predicted must have the same number of texts, got {len(gold)} and {len(predicted)}")
    for i, (a, b) in enumerate(zip(gold, predicted)):
        if "".join(a) != "".join(b):
            raise ValueError(f"gold and predicted must segment the same text, but text {i} differs")


def span_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of predicted words against gold ones.

    A predicted word counts as right if the gold segmentation of the same text has a word with the same start
    and end. Sums are over all texts (micro average); a ratio without a denominator is 0.

    Raises
    ------
    ValueError
        If the two aren't segmentations of the same texts.
    """
    _aligned(gold, predicted)
    matched = sum(len(set(spans(a)) & set(spans(b))) for a, b in zip(gold, predicted))
    return _ratios(matched, sum(map(len, predicted)), sum(map(len, gold)))


def oov_recall(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], vocabulary: Collection[str]) -> float:
    """Return which share of the gold words outside `vocabulary` was found; 0 if there is none.

    Raises
    ------
    ValueError
        If the two aren't segmentations of the same texts.
    """
    _aligned(gold, predicted)
    matched = total = 0
    for a, b in zip(gold, predicted):
        found = set(spans(b))
        for word, span in zip(a, spans(a)):
            if word not in vocabulary:
                total += 1
                matched += span in found
    return matched / total if total else 0.0
