"""Beside python-crfsuite, where that is: it isn't among the tests' requirements, so this is no test file by name."""

from __future__ import annotations

import random
import re

import numpy as np
import pycrfsuite
import pytest

from fastcore.compat import pycrfsuite as face
from fastcore.crf import CRF

ALGORITHMS = ["lbfgs", "l2sgd", "ap", "pa", "arow"]


def made(seed=1, count=60, labels=5):
    """Sequences whose labels follow from their attributes but for some noise."""
    pick = random.Random(seed)
    X, y = [], []
    for _ in range(count):
        length = pick.randint(0, 9)
        wanted = [f"L{pick.randrange(labels)}" for _ in range(length)]
        X.append(
            [
                {
                    "is": label if pick.random() < 0.8 else "?",
                    "noise": [f"{pick.randrange(30)}é"],
                    "size": pick.random(),
                }
                for label in wanted
            ]
        )
        y.append(wanted)
    return X, y


def trained(module, path, algorithm="lbfgs", holdout=-1, **params):
    trainer = module.Trainer(algorithm, params, verbose=False)
    for i, (x, labels) in enumerate(zip(*made())):
        trainer.append(x, labels, i % 5)
    trainer.train(str(path), holdout)
    return trainer


def opened(module, path):
    return module.Tagger().open(str(path)).thing


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_parameters(algorithm):
    theirs, ours = pycrfsuite.Trainer(algorithm), face.Trainer(algorithm)
    assert ours.params() == theirs.params()
    assert ours.get_params() == theirs.get_params()
    assert [type(it) for it in ours.get_params().values()] == [type(it) for it in theirs.get_params().values()]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_of_theirs(tmp_path, algorithm):
    trained(pycrfsuite, tmp_path / "model", algorithm)
    theirs, ours = opened(pycrfsuite, tmp_path / "model"), opened(face, tmp_path / "model")
    assert ours.labels() == theirs.labels()
    assert vars(ours.info()) == vars(theirs.info())
    for tagger, name in ((theirs, "theirs"), (ours, "ours")):
        tagger.dump(str(tmp_path / name))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    CRF.load_crfsuite(tmp_path / "model").save_crfsuite(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    for x, labels in zip(*made(2)):
        assert ours.tag(x) == theirs.tag(x)
        assert ours.probability(labels) == pytest.approx(theirs.probability(labels), rel=1e-9)
        for t, label in enumerate(labels):
            assert ours.marginal(label, t) == pytest.approx(theirs.marginal(label, t), abs=1e-12)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_of_ours(tmp_path, algorithm):
    trained(face, tmp_path / "model", algorithm)
    theirs, ours = opened(pycrfsuite, tmp_path / "model"), opened(face, tmp_path / "model")
    assert theirs.labels() == ours.labels()
    assert vars(theirs.info()) == vars(ours.info())
    for x in made(2)[0]:
        assert theirs.tag(x) == ours.tag(x)


@pytest.mark.parametrize("params", [{"c2": 0.5}, {"c1": 0.3, "c2": 0.1}, {"feature.possible_transitions": True}])
def test_the_same_optimum(tmp_path, params):
    found = []
    for module in (pycrfsuite, face):
        trained(module, tmp_path / "model", **params, epsilon=1e-7, delta=1e-12)
        crf = CRF.load_crfsuite(tmp_path / "model")
        found.append((crf.state_features_, crf.transition_features_))
    for theirs, ours in zip(*found):
        names = sorted({*theirs, *ours})
        np.testing.assert_allclose([ours.get(it, 0) for it in names], [theirs.get(it, 0) for it in names], atol=2e-4)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_the_log_says(tmp_path, algorithm):
    theirs = trained(pycrfsuite, tmp_path / "theirs", algorithm, holdout=2, max_iterations=4).logparser
    ours = trained(face, tmp_path / "ours", algorithm, holdout=2, max_iterations=4).logparser
    assert ours.featgen_num_features == theirs.featgen_num_features
    assert [event for event, _, _ in ours.events] == [event for event, _, _ in theirs.events]
    assert [list(it) for it in ours.iterations] == [list(it) for it in theirs.iterations]
    assert ours.last_iteration["scores"].keys() == theirs.last_iteration["scores"].keys()

    def words(log):
        return [re.sub(r"-?\d+(\.\d+)?", "0", line) for line in log if line not in "0123456789.10"]

    if algorithm != "l2sgd":  # whose calibration is told in full
        assert words(ours.log) == words(theirs.log)
    assert ours.feed("x") is None and vars(ours).keys() == vars(theirs).keys()


def test_both_parsers_read_alike(tmp_path):
    logs = [trained(module, tmp_path / "model", holdout=0).logparser.log for module in (pycrfsuite, face)]
    for log in logs:
        theirs, ours = pycrfsuite._logparser.TrainLogParser(), face._logparser.TrainLogParser()
        assert [ours.feed(line) for line in log] == [theirs.feed(line) for line in log]
        for name, value in vars(theirs).items():
            if not (name.endswith("_seconds") and value is None):
                assert getattr(ours, name) == value
