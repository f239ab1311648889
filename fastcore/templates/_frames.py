"""Which templates are others with a frequent value in a slot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeAlias

from ._template import Template

# Words and slots, which a slot of another template stands for.
Filler: TypeAlias = tuple[str | None, ...]

# A slot is a choice where the templates that spell it make up so much of what it holds, and it has few values.
_WHOLE, _MANY = 0.9, 10
# Fillers with slots of their own that others are compared with at most.
_COMPARED = 100


def frames_of(counts: Mapping[Template, int]) -> dict[Template, Template]:
    """For each template that spells a value of another's slot, that other one, which spells no such value itself.

    A template and the same with a frequent word in a slot explain a sentence equally well: what the word costs within
    the slot, the longer template costs too. Only the other things in the slot tell. A parameter takes many values, most
    of them rare: then the frequent one is no more than that. A choice between few words makes a template each.
    """
    chosen: dict[Template, Template] = {}
    for template, by_slot in _fillers(counts).items():
        for fillers in by_slot.values():
            if not _is_parameter(counts, template, fillers):
                continue
            for filler, longer in fillers.items():
                # A value is short: what is around it tells more.
                short = len(filler) == 1 or len(filler) < template.n_words
                if short and None not in filler and _rank(counts, template) > _rank(counts, chosen.get(longer)):
                    chosen[longer] = template
    # Frames before what they are frames of: each step leaves words out.
    for longer in sorted(chosen, key=lambda template: template.n_words):
        chosen[longer] = chosen.get(chosen[longer], chosen[longer])
    return chosen


def _rank(counts: Mapping[Template, int], template: Template | None) -> tuple[int, int]:
    return (template.n_words, counts[template]) if template is not None else (0, 0)


def _fillers(counts: Mapping[Template, int]) -> dict[Template, dict[int, dict[Filler, Template]]]:
    """For each slot of a template the templates that differ from it in that slot only, by what they have there."""
    # What stands before and behind each slot.
    before, behind = set[Filler](), set[Filler]()
    around: dict[tuple[Filler, Filler], Template] = {}
    for template in counts:
        words = template.words
        for i, word in enumerate(words):
            if word is None:
                before.add(words[:i])
                behind.add(words[i + 1 :])
                around[words[:i], words[i + 1 :]] = template
    found: dict[Template, dict[int, dict[Filler, Template]]] = defaultdict(lambda: defaultdict(dict))
    for longer in counts:
        words = longer.words
        ends = [j for j in range(1, len(words) + 1) if words[j:] in behind]
        for i in range(len(words)):
            if words[:i] in before:
                for j in ends:
                    shorter = around.get((words[:i], words[j:])) if j > i else None
                    if shorter is not None and shorter is not longer:
                        found[shorter][i][words[i:j]] = longer
    return found


def _is_parameter(counts: Mapping[Template, int], template: Template, fillers: Mapping[Filler, Template]) -> bool:
    """Whether a slot takes so many values that the frequent ones make no templates of their own."""
    if sum(None not in filler for filler in fillers) >= _MANY:
        return True
    # Each sentence once, as far as can be: under the most general of the templates that read it.
    general = sorted((filler for filler in fillers if None in filler), key=lambda filler: -counts[fillers[filler]])
    patterns = [(filler, Template(filler)) for filler in general[:_COMPARED]]
    spelled = 0
    for filler, longer in fillers.items():
        if all(other == filler or pattern._match(filler) is None for other, pattern in patterns):  # type: ignore[arg-type]
            spelled += counts[longer]
    return spelled < _WHOLE * counts[template]
