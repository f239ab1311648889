"""Write the models that `test_crf_files.py` reads, with python-crfsuite 0.9.12: ``python -m tests.crfsuite.write``."""

from __future__ import annotations

import json
from pathlib import Path

WEATHER = (
    [
        {"walk": 1, "shop": 0.5},
        {"walk": 1},
        {"walk": 1, "clean": 0.5},
        {"shop": 0.5, "clean": 0.5},
        {"walk": 0.5, "clean": 1},
        {},
        {"солнце": "не светит", "clean": 1},
        {"world": 2},
    ],
    ["sunny", "sunny", "sunny", "rainy", "rainy", "sunny", "rainy", "好"],
)
# Names of all lengths, up to some blocks of the hash; a few of more than one byte a character.
NAMES = (
    [["x" * i, "é" * (i // 2) + "字", f"{i}|{'ab' * (i % 7)}"] for i in range(40)],
    ["ABC"[i * i % 3] + "é" * (i % 2) for i in range(40)],
)
MODELS = {"weather": [WEATHER], "names": [NAMES, WEATHER], "empty": []}


def main() -> None:
    import pycrfsuite

    folder, answers = Path(__file__).parent, {}
    for name, data in MODELS.items():
        trainer = pycrfsuite.Trainer("lbfgs", {"c1": 0.01, "max_iterations": 20}, verbose=False)
        for x, y in data:
            trainer.append(x, y)
        path = folder / f"{name}.crfsuite"
        trainer.train(str(path))
        if not data:
            continue
        with pycrfsuite.Tagger().open(str(path)) as tagger:
            tagger.set(data[0][0])
            dump = folder / f"{name}.txt"
            tagger.dump(str(dump))
            dump.chmod(0o644)
            answers[name] = {
                "labels": tagger.labels(),
                "tags": tagger.tag(),
                "probability": tagger.probability(data[0][1]),
                "marginals": [[tagger.marginal(label, t) for label in tagger.labels()] for t in range(len(data[0][1]))],
            }
            # python-crfsuite can't read its own dump of a name that is empty.
            if name == "weather":
                info = tagger.info()
                answers[name]["transitions"] = [[*pair, weight] for pair, weight in info.transitions.items()]
                answers[name]["state_features"] = [[*pair, weight] for pair, weight in info.state_features.items()]
    (folder / "answers.json").write_text(json.dumps(answers, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
