"""Plant a bug in every kernel and every twin, one at a time, and watch the tests go red.

``python tests/planted_bugs.py [domain ...]`` works in a copy of the sources under ``build/``. A bug that no test sees
is a failure of the tests. ``PLANTED`` is the list: (domain, file, what stands there, what is put in its place); the
old text must stand in the file exactly once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PLANTED = [
    ("recurrence", "pyx/recurrence/recurrence.pyx", "before = row + 1 if reverse else row - 1", "before = row"),
    ("recurrence", "fastcore/reference/recurrence.py", "last = y0[j]", "last = y0[0]"),
    ("chain", "pyx/chain/chain.pyx", "score += transitions[paths[t - 1], paths[t]]", "score += transitions[paths[t], paths[t - 1]]"),
    ("chain", "pyx/chain/lanes.h", "if (t == group->length[k] - 1) {", "if (t == group->length[k] - 2) {"),
    ("chain", "fastcore/reference/chain.py", "step = alpha[t - 1][i] + matrix[i][j]", "step = alpha[t - 1][i] + matrix[j][i]"),
    ("crf", "pyx/crf/crf.pyx", "row[feature_labels[k]] += value * weights[k]", "row[feature_labels[first]] += value * weights[k]"),
    ("crf", "fastcore/reference/crf.py", "for i in range(bounds[p], bounds[p + 1]):", "for i in range(bounds[p] + 1, bounds[p + 1]):"),
    ("reactions", "pyx/reactions/reactions.pyx", "    for j in range(n):\n        total += rates[j]", "    for j in range(1, n):\n        total += rates[j]"),
    ("reactions", "fastcore/reference/reactions.py", "                if waiting < best:", "                if waiting > best:"),
    ("ode", "pyx/ode/ode.pyx", "matrix[s.changed[i] * n + s.factor[f]] -= ", "matrix[s.factor[f] * n + s.changed[i]] -= "),
    ("ode", "fastcore/reference/ode.py", "self.spread(j, flux, out, (p + 1) * n)", "self.spread(j, flux, out, p * n)"),
    ("nce", "pyx/nce/nce.pyx", "g = offset[i] + theta[k]", "g = offset[i] + theta[k - 1]"),
    ("nce", "fastcore/reference/nce.py", "            residual = data - 1.0", "            residual = data"),
    ("ngrams", "fastcore/reference/ngrams/rows.py", "window = stream[i : i + order]", "window = stream[i : i + order - 1]"),
    ("skipgrams", "pyx/skipgrams/skipgrams.pyx", "for i in range(at + 1, at + 1 + window):", "for i in range(at + 1, at + window):"),
    ("skipgrams", "fastcore/reference/skipgrams.py", "text[i + 1 : i + 1 + window]", "text[i + 1 : i + window]"),
    ("vectorizer", "pyx/vectorizer/features.pyx", "cdef const int32_t *last = stream + n - 1", "cdef const int32_t *last = stream + n - 2"),
    ("vectorizer", "fastcore/reference/vectorizer/features.py", "for start in range(begin, end - n + 1):", "for start in range(begin, end - n):"),
    ("lexicon", "fastcore/reference/lexicon.py", "found.append((j + 1, node[IDS]))", "found.append((j, node[IDS]))"),
    ("discovery", "fastcore/reference/discovery.py", "self._pairs.get((before, number), 0) + 1", "self._pairs.get((before, number), 0) + 2"),
    ("templates", "fastcore/reference/templates.py", "for start in range(len(words) - length + 1):", "for start in range(len(words) - length):"),
    ("templates", "pyx/templates/templates.pyx", "score, pick = null_score * (end - start - 1), -1", "score, pick = null_score * (end - start), -1"),
    ("ngrams", "pyx/ngrams/ngrams.h", "scan->counts[k][scan->size[k] - 1] += counts[i];", "scan->counts[k][scan->size[k] - 1] += 1;"),
    ("lexicon", "pyx/lexicon/_lattice.pxd", "better = candidate > score[j]\n            score[j]", "better = candidate >= score[j]\n            score[j]"),
    ("discovery", "pyx/discovery/discovery.pyx", "                    self.chars[number + 1] += 1\n                    before = number", "                    self.chars[number + 1] += 1\n                    before = number if number >= 0 else before"),
    ("discovery", "pyx/discovery/discovery.pyx", "best = max(best, max(begin, before + self.most - self.log_total) + end)", "best = max(best, begin + end)"),
    ("discovery", "pyx/discovery/discovery.pyx", "self.most = max(self.most, entry.log_count)", "pass"),
    ("discovery", "pyx/discovery/discovery.pyx", "while 2 * begin < length:", "while begin < length:"),
    ("discovery", "pyx/discovery/discovery.pyx", "b = b if b < size else 0", "b = b if b < size + 64 else 0"),
    ("discovery", "pyx/discovery/discovery.pyx", "key |= <uint64_t>((word + 2 if word + 1 < last else last)[0] + 1)", "key |= <uint64_t>((word + 2 if word + 1 < last else last)[0])"),
]  # fmt: skip

COPY = Path("build/planted")
# Seconds that a domain's tests may take.
PATIENCE = 900


def copy_sources() -> None:
    """Copy what git knows, and files it would take, to a folder of its own."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, target)


def build() -> None:
    """Compile what changed, for this machine only: variants would treble the time."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=COPY,
        check=True,
        capture_output=True,
        env={**os.environ, "FASTCORE_NATIVE": "1"},
    )


def tests_pass(domain: str) -> bool:
    """Run the domain's tests in the copy; a crash is red too, and so is what doesn't end."""
    files = sorted(str(path.relative_to(COPY)) for path in COPY.glob(f"tests/test_{domain}*.py"))
    if not files:
        raise SystemExit(f"there are no tests of {domain}")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
    try:
        result = subprocess.run(command, cwd=COPY, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    if result.returncode > 1:
        raise SystemExit(f"the tests of {domain} did not run:\n{result.stdout}{result.stderr}")
    return result.returncode == 0


def main(domains: list[str]) -> int:
    chosen = [bug for bug in PLANTED if not domains or bug[0] in domains]
    copy_sources()
    build()
    unseen = []
    for domain, name, old, new in chosen:
        file = COPY / name
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise SystemExit(f"{name}: {old!r} must stand there once, not {text.count(old)} times")
        file.write_text(text.replace(old, new), encoding="utf-8")
        if name.endswith((".pyx", ".pxd", ".h")):
            build()
        seen = not tests_pass(domain)
        print(f"{'seen' if seen else 'NOT SEEN':<9} {name}: {old.strip()!r} -> {new.strip()!r}", flush=True)
        if not seen:
            unseen.append(name)
        file.write_text(text, encoding="utf-8")
    print(f"{len(chosen) - len(unseen)} of {len(chosen)} planted bugs seen")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
