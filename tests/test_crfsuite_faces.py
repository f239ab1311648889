"""The faces of python-crfsuite and sklearn-crfsuite; `peer_pycrfsuite.py` compares them with what they stand in for."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import pickle
import re
from contextlib import redirect_stdout
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from fastcore import NotFittedError, crf
from fastcore.compat import pycrfsuite, sklearn_crfsuite
from fastcore.compat.pycrfsuite._logparser import LabelScore, TrainLogParser
from fastcore.compat.sklearn_crfsuite import metrics, scorers
from fastcore.compat.sklearn_crfsuite._fileresource import CONTENT, FileResource
from fastcore.compat.sklearn_crfsuite.trainer import LinePerIterationTrainer

from .crfsuite.write import MODELS
from .test_threads import all_well

FOLDER = Path(__file__).parent / "crfsuite"
ANSWERS = json.loads((FOLDER / "answers.json").read_text(encoding="utf-8"))
ALGORITHMS = ["lbfgs", "l2sgd", "ap", "pa", "arow"]
X, Y = MODELS["weather"][0]
WEATHER = FOLDER / "weather.crfsuite"
# How often an algorithm's iterations are enough to know the few sequences by heart.
LEARNT = {"lbfgs": {"c2": 1e-3}, "l2sgd": {"c2": 1e-3}}


def trained(path, algorithm="lbfgs", **params):
    trainer = pycrfsuite.Trainer(algorithm, LEARNT.get(algorithm, {}) | params, verbose=False)
    trainer.append(X, Y)
    trainer.train(str(path))
    return trainer


class TestTagger:
    @pytest.mark.parametrize("name", ANSWERS)
    def test_a_model_of_crfsuite(self, backend, name):
        (x, y), answers = MODELS[name][0], ANSWERS[name]
        with pycrfsuite.Tagger().open(str(FOLDER / f"{name}.crfsuite")) as tagger:
            assert tagger.labels() == answers["labels"]
            assert tagger.tag(x) == answers["tags"]
            assert tagger.tag() == answers["tags"]
            assert tagger.tag(pycrfsuite.ItemSequence(x)) == tagger.tag(crf.ItemSequence(x)) == answers["tags"]
            assert tagger.probability(y) == pytest.approx(answers["probability"], rel=1e-12)
            found = [[tagger.marginal(label, t) for label in tagger.labels()] for t in range(len(x))]
            np.testing.assert_allclose(found, answers["marginals"], rtol=0, atol=1e-12)

    @pytest.mark.parametrize("name", ANSWERS)
    def test_dump(self, tmp_path, capsys, name):
        expected = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
        with pycrfsuite.Tagger().open(FOLDER / f"{name}.crfsuite") as tagger:
            tagger.dump(tmp_path / "dump")
            tagger.dump()
        assert (tmp_path / "dump").read_text(encoding="utf-8") == expected
        assert capsys.readouterr().out == expected

    def test_info(self):
        with pycrfsuite.Tagger().open(WEATHER) as tagger:
            info = tagger.info()
        answers = ANSWERS["weather"]
        assert info.labels == {"sunny": "0", "rainy": "1", "好": "2"}
        assert info.attributes == {"walk": "0", "shop": "1", "clean": "2", "солнце:не светит": "3", "world": "4"}
        assert info.transitions == {(a, b): weight for a, b, weight in answers["transitions"]}
        assert info.state_features == {(a, b): weight for a, b, weight in answers["state_features"]}
        assert (
            info.header["magic"] == "lCRF" and info.header["type"] == "FOMC" and info.header["off_features"] == "0x30"
        )
        assert info.header["size"] == str(WEATHER.stat().st_size) and info.header["num_attrs"] == "5"

    def test_what_is_closed(self):
        tagger = pycrfsuite.Tagger()
        for _ in range(2):
            for call in [
                tagger.labels,
                tagger.tag,
                lambda: tagger.tag(X),
                lambda: tagger.set(X),
                lambda: tagger.probability(Y),
                lambda: tagger.marginal("sunny", 0),
            ]:
                with pytest.raises(ValueError, match="The tagger is not opened"):
                    call()
            for call in (tagger.info, tagger.dump):
                with pytest.raises(RuntimeError, match="Tagger is closed"):
                    call()
            tagger.open(WEATHER)
            tagger.tag(X)
            tagger.close()

    def test_nothing_to_label(self, backend):
        with pycrfsuite.Tagger().open(WEATHER) as tagger:
            for _ in range(2):
                assert tagger.tag() == [] and tagger.probability([]) == 0.0 and tagger.marginal("sunny", 0) == 0.0
                assert tagger.tag([]) == []
            assert len(tagger.tag([[], {}, {"unknown": 1.0}])) == 3
            # A model that is opened anew has no sequence yet.
            tagger.open_inmemory(WEATHER.read_bytes())
            assert tagger.tag() == []

    def test_what_is_refused(self, tmp_path):
        tagger = pycrfsuite.Tagger()
        with pytest.raises(FileNotFoundError):
            tagger.open(str(tmp_path / "none"))
        with pytest.raises(ValueError, match=r"test_crfsuite_faces\.py is no CRFsuite model"):
            tagger.open(__file__)
        with pytest.raises(TypeError, match="value must be bytes, got str"):
            tagger.open_inmemory("lCRF")
        with pytest.raises(ValueError, match="value is no whole CRFsuite model"):
            tagger.open_inmemory(WEATHER.read_bytes()[:-1])
        tagger.open(WEATHER)
        tagger.set(X)
        with pytest.raises(ValueError, match=r"\|x\| = 8, \|y\| = 1"):
            tagger.probability(["sunny"])
        for call in (lambda: tagger.probability(["snow"] * 8), lambda: tagger.marginal("snow", 0)):
            with pytest.raises(RuntimeError, match="label identifier: snow"):
                call()
        for position in (-1, 8):
            with pytest.raises(ValueError, match=f"The position, {position} is out of range of 8"):
                tagger.marginal("sunny", position)
        for bad in (5, "ab", [5], ["ab"], [[5]], [{"a": None}], [{5: "a"}], {"a": 1}):
            with pytest.raises(TypeError):
                tagger.tag(bad)
        # What was refused left the sequence before in place.
        assert tagger.tag() == ANSWERS["weather"]["tags"]
        with pytest.raises(ValueError, match=r"is no CRFsuite model"):
            tagger.open(__file__)
        assert tagger.tag(X) == ANSWERS["weather"]["tags"]

    def test_a_path_of_bytes(self, tmp_path):
        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.append([["a"]], ["A"])
        trainer.train(os.fsencode(tmp_path / "model"))
        with pycrfsuite.Tagger().open(os.fsencode(tmp_path / "model")) as tagger:
            assert tagger.labels() == ["A"]

    def test_bytes(self):
        with pycrfsuite.Tagger().open(WEATHER) as tagger:
            tagger.set([{"солнце".encode(): "не светит".encode(), b"clean": True}])
            assert tagger.tag() == tagger.tag([{"солнце:не светит": 1, "clean": 1.0}]) == ["rainy"]
            assert tagger.marginal(b"rainy", 0) == tagger.marginal("rainy", 0)
            assert tagger.probability([b"rainy"]) == pytest.approx(tagger.marginal("rainy", 0))

    def test_scores_beyond_all_bounds(self, backend):
        with pycrfsuite.Tagger().open(WEATHER) as tagger:
            for items in [
                [{"walk": 1e308, "clean": 1e308}] * 9,  # the best path's sum
                [{"walk": 1e308, "": 1.0}, {"clean": 1e308}] * 9,
                [{f"a:{i}": 1e308 for i in range(3)} | {"clean": 1e308, "world": 1e308, "walk": 1e308}] * 9,
            ]:
                with pytest.raises(ValueError, match="X must hold smaller values"):
                    tagger.tag(items)
            with pytest.raises(ValueError, match="X must hold smaller values"):
                tagger.set([{"clean": 1e308}] * 9)
                tagger.marginal("sunny", 0)

    def test_a_score_beyond_all_bounds_that_no_best_path_has(self, backend, tmp_path):
        # Two attributes, whose weights of one label add up to minus infinity.
        model = crf.CRF().fit([[["a", "b"], ["c"]]], [["X", "Y"]])
        trained_ = model._fitted()
        trained_.weights[:] = np.where(trained_.weights > 0, -1e308, 0.0)
        model.save_crfsuite(tmp_path / "model")
        with pycrfsuite.Tagger().open(tmp_path / "model") as tagger:
            assert tagger.tag([["a"]]) == ["Y"]
            with pytest.raises(ValueError, match="X must hold smaller values"):
                tagger.tag([{"a": 1.5, "b": 1.5}])

    def test_threads(self):
        with pycrfsuite.Tagger().open(WEATHER) as tagger:
            inputs = [X[i:] for i in range(len(X))]
            expected = [tagger.tag(x) for x in inputs]
            for found in all_well(*4 * [lambda: [tagger.tag(x) for x in inputs * 20]]):
                assert found == expected * 20


class TestItemSequence:
    def test_it_is_read_once(self, backend):
        items = pycrfsuite.ItemSequence([{"foo": True, "bar": {"foo": -1, "baz": False}}, ["a", "b"], ("c",)])
        assert repr(items) == "<ItemSequence of size 3>" and len(items) == 3
        assert items.items() == [{"foo": 1.0, "bar:foo": -1.0, "bar:baz": 0.0}, {"a": 1.0, "b": 1.0}, {"c": 1.0}]
        assert pycrfsuite.ItemSequence(items).items() == items.items()
        again = pickle.loads(pickle.dumps(items))
        assert type(again) is pycrfsuite.ItemSequence and again.items() == items.items()
        model = crf.CRF().fit([items], [["A", "B", "A"]])
        assert model.predict([items]) == model.predict([items.items()])


class TestParameters:
    def test_defaults(self):
        defaults = {
            "feature.minfreq": 0.0,
            "feature.possible_states": False,
            "feature.possible_transitions": False,
            "c1": 0.0,
            "c2": 1.0,
            "max_iterations": 2147483647,
            "num_memories": 6,
            "epsilon": 1e-05,
            "period": 10,
            "delta": 1e-05,
            "linesearch": "MoreThuente",
            "max_linesearch": 20,
        }
        trainer = pycrfsuite.Trainer()
        assert trainer.get_params() == defaults
        assert trainer.params() == list(defaults)
        assert trainer.verbose is True and trainer.logparser is None

    @pytest.mark.parametrize("algorithm", [*ALGORITHMS, "LBFGS", "averaged-perceptron", "passive-aggressive"])
    def test_each_is_set_and_explained(self, algorithm):
        trainer = pycrfsuite.Trainer(algorithm)
        params = trainer.get_params()
        for name, value in params.items():
            assert trainer.help(name)
            trainer.set(name, str(int(value)) if isinstance(value, bool) else str(value))
            assert trainer.get(name) == value and type(trainer.get(name)) is type(value)
        trainer.set_params({"feature.minfreq": 2, "feature.possible_states": 1, "max_iterations": 7.0})
        assert trainer.get("feature.minfreq") == 2.0 and trainer.get("feature.possible_states") is True
        assert trainer.get("max_iterations") == 7 and isinstance(trainer.get("max_iterations"), int)
        trainer.select(algorithm)
        assert trainer.get_params() == params

    def test_what_is_refused(self):
        trainer = pycrfsuite.Trainer("l2sgd")
        for call in (lambda: trainer.set("c1", 1), lambda: trainer.get("c1"), lambda: trainer.help("c1")):
            with pytest.raises(ValueError, match="Parameter not found: c1"):
                call()
        with pytest.raises(ValueError, match="parameter c2 must be a number, got 'abc'"):
            trainer.set("c2", "abc")
        for bad in ({"algorithm": "foo"}, {"algorithm": "lbfgs", "type": "crf2d"}):
            with pytest.raises(ValueError, match="Bad arguments"):
                trainer.select(**bad)
        assert trainer.get("c2") == 1.0

    def test_their_meaning(self, tmp_path):
        """What is set arrives: the same model as the estimator's."""
        given = {
            "lbfgs": {"c1": 0.2, "c2": 0.3, "max_iterations": 9, "feature.possible_transitions": True},
            "l2sgd": {"c2": 0.1, "max_iterations": 4, "calibration.eta": 0.2, "calibration.samples": 3},
            "ap": {"max_iterations": 3, "feature.minfreq": 1},
            "pa": {"type": 2, "c": 0.5, "error_sensitive": False, "averaging": False, "max_iterations": 2},
            "arow": {"variance": 2.0, "gamma": 0.5, "max_iterations": 2, "feature.possible_states": True},
        }
        ours = {
            "feature.minfreq": "min_freq",
            "feature.possible_states": "all_possible_states",
            "feature.possible_transitions": "all_possible_transitions",
            "type": "pa_type",
        }
        for algorithm, params in given.items():
            trainer = pycrfsuite.Trainer(algorithm, params, verbose=False)
            trainer.append(X, Y)
            trainer.train(tmp_path / "model")
            options = {ours.get(name, name.replace(".", "_")): value for name, value in params.items()}
            model = crf.CRF(algorithm, **options).fit([X], [Y])
            again = crf.CRF.load_crfsuite(tmp_path / "model")
            assert again.state_features_ == model.state_features_
            assert again.transition_features_ == model.transition_features_


class TestTrainer:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_training_and_its_log(self, tmp_path, algorithm):
        with redirect_stdout(io.StringIO()) as out:
            trainer = pycrfsuite.Trainer(algorithm, {"max_iterations": 5})
            trainer.append(X, Y)
            trainer.append(pycrfsuite.ItemSequence(X[:3]), Y[:3], 1)
            trainer.train(str(tmp_path / "model"), holdout=1)
        log = trainer.logparser
        assert out.getvalue() == "".join(log.log)
        assert log.featgen_num_features == 13 and log.featgen_percent == 100
        assert [entry["num"] for entry in log.iterations] == list(range(1, len(log.iterations) + 1))
        last = log.last_iteration
        assert {
            "loss",
            "feature_norm",
            "time",
            "avg_f1",
            "item_accuracy",
            "scores",
        } <= last.keys() or algorithm == "l2sgd"
        if algorithm == "lbfgs":
            assert {"error_norm", "active_features", "linesearch_trials", "linesearch_step"} <= last.keys()
            assert last["active_features"] == 13
        assert list(last["scores"]) == ["sunny", "rainy", "好"]
        assert last["scores"]["好"] == LabelScore(0, last["scores"]["好"].model, 0, None, None, None)
        assert last["scores"]["sunny"].ref == 3 and last["item_accuracy"].denominator in (1, 3)
        with pycrfsuite.Tagger().open(str(tmp_path / "model")) as tagger:
            right = sum(a == b for a, b in zip(tagger.tag(X[:3]), Y[:3]))
            if algorithm != "l2sgd":  # whose best pass needn't be the last
                assert last["item_accuracy"] == Fraction(right, 3)
                assert last["item_accuracy_float"] == right / 3
                assert last["instance_accuracy"] == (right == 3)

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_it_learns(self, backend, tmp_path, algorithm):
        trained(tmp_path / "model", algorithm)
        with pycrfsuite.Tagger().open(tmp_path / "model") as tagger:
            right = sum(a == b for a, b in zip(tagger.tag(X), Y))
        assert right >= (5 if algorithm == "ap" else 7)

    def test_messages(self):
        found = []

        class Mine(pycrfsuite.Trainer):
            def __init__(self):
                # Without the constructor of what it derives from.
                self.kinds = []

            def message(self, message):
                found.append(message)
                super().message(message)

            def on_iteration(self, log, info):
                self.kinds.append((info["num"], log))

        trainer = Mine()
        trainer.select("lbfgs")
        trainer.append(X, Y)
        assert not found
        trainer.verbose = True
        with redirect_stdout(io.StringIO()) as out:
            trainer.train("")
        text = "".join(found)
        assert text.startswith(
            "Feature generation\ntype: CRF1d\nfeature.minfreq: 0.000000\nfeature.possible_states: 0\n"
        )
        assert "0....1....2....3....4....5....6....7....8....9....10\nNumber of features: 13\n" in text
        shown = "c1: 0.000000\nc2: 1.000000\nnum_memories: 6\nmax_iterations: 2147483647\nepsilon: 0.000010\nstop: 10\n"
        assert f"\nL-BFGS optimization\n{shown}delta: 0.000010\nlinesearch: MoreThuente\n" in text
        assert re.search(
            r"\n\nL-BFGS (resulted in convergence|terminated with the stopping criteria)\nTotal seconds", text
        )
        # No file was asked for, so none is spoken of.
        assert "Storing" not in text
        assert [number for number, _ in trainer.kinds] == list(range(1, len(trainer.kinds) + 1))
        assert trainer.kinds[0][1].startswith("***** Iteration #1 *****\nLoss: ")
        assert "Iteration" not in out.getvalue() and "L-BFGS optimization" in out.getvalue()

    def test_the_words_of_each_end(self):
        for params, words in [
            ({"max_iterations": 2}, "terminated with the maximum number of iterations"),
            ({"epsilon": 0.5}, "resulted in convergence"),
            ({"epsilon": 0, "period": 2, "delta": 0.5}, "terminated with the stopping criteria"),
        ]:
            trainer = pycrfsuite.Trainer("lbfgs", params, verbose=False)
            trainer.append(X, Y)
            trainer.train("")
            assert f"L-BFGS {words}\n" in trainer.logparser.log
        trainer = pycrfsuite.Trainer("arow", {"epsilon": 100.0}, verbose=False)
        trainer.append(X, Y)
        trainer.train("")
        assert "Terminated with the stopping criterion\n" in trainer.logparser.log
        assert len(trainer.logparser.iterations) == 1

    def test_an_error_in_a_message_ends_training(self, tmp_path):
        class Stop(Exception):
            pass

        class Bad(pycrfsuite.Trainer):
            def on_iteration(self, log, info):
                raise Stop

        trainer = Bad()
        trainer.append(X, Y)
        with redirect_stdout(io.StringIO()), pytest.raises(Stop):
            trainer.train(tmp_path / "model")
        assert not (tmp_path / "model").exists()

    def test_nothing_to_train_on(self, tmp_path):
        for prepare in (lambda it: None, lambda it: it.append([], []), lambda it: it.append(X, Y, 3)):
            trainer = pycrfsuite.Trainer(verbose=False)
            prepare(trainer)
            trainer.train(str(tmp_path / "model"), 3)
            assert (tmp_path / "model").read_bytes() == (FOLDER / "empty.crfsuite").read_bytes()
            assert "L-BFGS terminated with error code (-1020)\n" in trainer.logparser.log
            assert trainer.logparser.events[-1][0] == "end"
            assert pycrfsuite.Tagger().open(str(tmp_path / "model")).thing.labels() == []

    def test_clear(self, tmp_path):
        trainer = trained(tmp_path / "model")
        trainer.clear()
        trainer.append([["a"], ["b"]], ["A", "B"])
        trainer.train(tmp_path / "model")
        assert pycrfsuite.Tagger().open(tmp_path / "model").thing.labels() == ["A", "B"]

    def test_groups(self, tmp_path):
        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.append([["a"], ["b"]], ["A", "B"], 0)
        trainer.append([["a"], ["c"]], ["A", "C"], 2)
        for holdout, labels in ((-1, ["A", "B", "C"]), (0, ["A", "C"]), (1, ["A", "B", "C"]), (2, ["A", "B"])):
            trainer.train(tmp_path / "model", holdout)
            assert pycrfsuite.Tagger().open(tmp_path / "model").thing.labels() == labels
            assert ("Holdout group: 1\n" in trainer.logparser.log) == (holdout == 0)
            assert ("avg_f1" in trainer.logparser.last_iteration) == (holdout in (0, 2))
        trainer.append([["a"], ["d"]], ["A", "D"], -1)
        trainer.train(tmp_path / "model", -1)
        assert pycrfsuite.Tagger().open(tmp_path / "model").thing.labels() == ["A", "B", "C", "D"]

    def test_the_learning_rates_that_were_tried(self, tmp_path):
        log = "".join(trained(tmp_path / "model", "l2sgd", **{"calibration.max_trials": 4}).logparser.log)
        tried = re.findall(r"Trial #(\d) \(eta = ([\d.]+)\): ([\d.]+)( \(worse\))?\n", log)
        initial = float(re.search(r"calibration.max_trials: 4\nInitial loss: ([\d.]+)\n", log)[1])
        best = re.search(r"\nBest learning rate \(eta\): ([\d.]+)\nSeconds required: [\d.]+\n\n\*{5} Epoch", log)[1]
        assert [int(number) for number, *_ in tried] == [1, 2, 3] and tried[0][1] == "0.100000"
        assert all((float(loss) >= initial) == bool(worse) for _, _, loss, worse in tried)
        assert best == min(tried, key=lambda it: float(it[2]))[1]

    def test_what_is_refused(self, tmp_path):
        trainer = pycrfsuite.Trainer(verbose=False)
        with pytest.raises(ValueError, match=r"\|x\| = 1, \|y\| = 2"):
            trainer.append([["a"]], ["A", "B"])
        for labels, error in (([5], TypeError), ([None], TypeError), (["A\0"], ValueError)):
            with pytest.raises(error, match="labels must"):
                trainer.append([["a"]], labels)
        with pytest.raises(TypeError):
            trainer.append([["a"]], ["A"], "first")
        with pytest.raises(TypeError, match="an item must be"):
            trainer.append(["a"], ["A"])
        with pytest.raises(UnicodeEncodeError, match=r"labels must be UTF-8, got 'A\\ud800'"):
            trainer.append([["a"]], ["A\ud800"])
        trainer.append([["a\0b"], ["c"]], [b"A", "B"])
        with pytest.raises(ValueError, match=r"must not have a NUL.*'a\\x00b'"):
            trainer.train(tmp_path / "model")
        trainer.clear()
        trainer.append([["é"], ["b\ud800"]], [b"A", "B"])
        with pytest.raises(UnicodeEncodeError, match=r"attributes must be UTF-8, got 'b\\ud800'"):
            trainer.train(tmp_path / "model")
        assert not trainer.logparser.iterations  # before anything is trained
        trainer.clear()
        trainer.append([["a"], ["c"]], [b"A", "B"])
        with pytest.raises(FileNotFoundError):
            trainer.train(tmp_path / "none" / "model")
        trainer.set("c2", -1)
        with pytest.raises(ValueError, match="c2 must be"):
            trainer.train(tmp_path / "model")
        assert not list(tmp_path.iterdir())

    def test_the_error_class(self):
        error = pycrfsuite.CRFSuiteError(-(1 << 31) + 5)
        assert str(error) == "Overflow" and error.code == -(1 << 31) + 5
        assert str(pycrfsuite.CRFSuiteError(7)) == "Unexpected error"
        assert pickle.loads(pickle.dumps(error)).code == error.code
        assert pycrfsuite.CRFSUITE_VERSION


class TestLogParser:
    def test_an_optimiser_that_fails(self):
        parser = TrainLogParser()
        lines = ["Feature generation\n", "0", "Number of features: 3\n", "Seconds required: 0.5\n", "\n"]
        events = [parser.feed(line) for line in [*lines, "L-BFGS terminated with error code (-1)\n"]]
        assert events == ["start", "featgen_progress", None, "featgen_end", None, "prepare_error"]
        assert parser.feed("Total seconds required for training: 1.5\n") is None
        assert [parser.feed(line) for line in ("Storing the model\n", "Seconds required: 0.25\n", "\n")] == [
            "optimization_end",
            None,
            "end",
        ]
        assert (parser.featgen_seconds, parser.training_seconds, parser.storing_seconds) == (0.5, 1.5, 0.25)
        assert "".join(log for log in parser.log) == "".join("".join(parser.log[a:b]) for _, a, b in parser.events)

    def test_two_heads_without_a_gap(self):
        parser = TrainLogParser()
        for line in ["Feature generation\n", "Seconds required: 0.5\n", "***** Iteration #1 *****\n"]:
            parser.feed(line)
        parser.feed("***** Iteration #2 *****\n")
        parser.feed("Loss: -12.5\n")
        parser.feed("    a: b: (1, 2, 4) (0.5000, 0.2500, 0.3333)\n")
        parser.feed("Item accuracy: 0 / 0 (0.0000)\n")
        assert [entry["num"] for entry in parser.iterations] == [1, 2]
        assert parser.last_iteration["loss"] == -12.5
        assert parser.last_iteration["scores"] == {"a: b": LabelScore(1, 2, 4, 0.5, 0.25, 0.3333)}
        assert parser.last_iteration["item_accuracy"] == 0


class TestEstimator:
    @pytest.mark.parametrize("keep", [False, True])
    def test_a_fit_that_fails_changes_nothing(self, tmp_path, monkeypatch, keep):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        new = sklearn_crfsuite.CRF(c2=-1.0, keep_tempfiles=keep)
        with pytest.raises(ValueError, match="c2 must be"):
            new.fit([X], [Y])
        with pytest.raises(NotFittedError):
            new.predict([X])
        assert not list(tmp_path.iterdir())
        crf_ = sklearn_crfsuite.CRF(c2=1e-3, keep_tempfiles=keep).fit([X], [Y])
        name, log = crf_.modelfile.name, crf_.training_log_
        crf_.c2 = -1.0
        for fresh in (False, True):
            if fresh:
                crf_._tagger = None
            with pytest.raises(ValueError, match="c2 must be"):
                crf_.fit([X], [Y])
            assert crf_.predict([X]) == [Y] and crf_.modelfile.name == name and crf_.training_log_ is log
        crf_.c2 = 1e-3
        assert crf_.fit([X], [Y]).modelfile.name != name and os.path.exists(name) == keep

    def fitted(self, **options):
        return sklearn_crfsuite.CRF(c2=1e-3, **options).fit([X], [Y])

    def test_before_and_after(self, backend):
        names = ["tagger_", "size_", "classes_", "num_attributes_", "attributes_", "state_features_"]
        names += ["transition_features_", "training_log_"]
        crf_ = sklearn_crfsuite.CRF("lbfgs", c2=1e-3)
        assert all(getattr(crf_, name) is None for name in names)
        for call in (crf_.predict, crf_.predict_single, crf_.predict_marginals, crf_.predict_marginals_single):
            with pytest.raises(NotFittedError):
                call([X])
        assert crf_.fit([X], [Y]) is crf_
        assert crf_.predict([X]) == [Y] == [crf_.predict_single(X)]
        assert crf_.score([X], [Y]) == 1.0
        rows = crf_.predict_marginals([X])[0]
        assert rows == crf_.predict_marginals_single(X) and len(rows) == len(X)
        assert all(set(row) == set(Y) and sum(row.values()) == pytest.approx(1) for row in rows)
        assert crf_.classes_ == crf_.tagger_.labels() == ["sunny", "rainy", "好"]
        assert crf_.size_ == os.path.getsize(crf_.modelfile.name) > 1000
        assert crf_.num_attributes_ == len(crf_.attributes_) == 5 and "clean" in crf_.attributes_
        info = crf_.tagger_.info()
        assert crf_.state_features_ == info.state_features and crf_.transition_features_ == info.transitions
        assert crf_.training_log_.featgen_num_features == 13

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_algorithms(self, algorithm):
        crf_ = sklearn_crfsuite.CRF(algorithm, max_iterations=8).fit([X], [Y])
        assert crf_.score([X], [Y]) > 0.5
        with pytest.raises(ValueError, match="Parameter not found: linesearch"):
            sklearn_crfsuite.CRF("arow", linesearch="Backtracking").fit([X], [Y])

    def test_the_order_and_defaults_of_parameters(self):
        names = [
            "algorithm", "min_freq", "all_possible_states", "all_possible_transitions", "c1", "c2",
            "max_iterations", "num_memories", "epsilon", "period", "delta", "linesearch", "max_linesearch",
            "calibration_eta", "calibration_rate", "calibration_samples", "calibration_candidates",
            "calibration_max_trials", "pa_type", "c", "error_sensitive", "averaging", "variance", "gamma",
            "verbose", "model_filename", "keep_tempfiles", "trainer_cls",
        ]  # fmt: skip
        crf_ = sklearn_crfsuite.CRF(*range(len(names)))
        assert [getattr(crf_, name) for name in names] == list(range(len(names)))
        defaults = sklearn_crfsuite.CRF().get_params()
        assert sorted(defaults) == sorted(names)
        assert {name for name, value in defaults.items() if value is not None} == {"verbose", "keep_tempfiles"}

    def test_what_reaches_the_trainer(self):
        seen = []

        class Mine(pycrfsuite.Trainer):
            def __init__(self, algorithm, params, verbose):
                super().__init__(algorithm, params, verbose)
                seen.append((algorithm, params, verbose))

        given = {"min_freq": 1, "all_possible_states": True, "c1": 0.1, "max_iterations": 3, "delta": 0.5}
        sklearn_crfsuite.CRF("lbfgs", **given, trainer_cls=Mine).fit([X], [Y])
        params = {"feature.minfreq": 1, "feature.possible_states": True, "c1": 0.1, "max_iterations": 3, "delta": 0.5}
        assert seen == [("lbfgs", params, False)]

    def test_files(self, tmp_path):
        path = str(tmp_path / "model.crfsuite")
        crf_ = self.fitted(model_filename=path)
        assert os.path.exists(path) and crf_.modelfile.name == path
        assert sklearn_crfsuite.CRF(model_filename=path).score([X], [Y]) == 1.0
        for again in (pickle.loads(pickle.dumps(crf_)), copy.deepcopy(crf_)):
            assert again.modelfile.name == path and again.predict([X]) == [Y]
        del crf_, again
        assert os.path.exists(path)
        with pytest.raises(FileNotFoundError):
            sklearn_crfsuite.CRF(model_filename=str(tmp_path / "none")).predict([X])

    def test_temporary_files(self):
        crf_ = self.fitted()
        first = crf_.modelfile.name
        again = pickle.loads(pickle.dumps(crf_))
        assert again.modelfile.name != first and again.predict([X]) == [Y]
        crf_.fit([X], [Y])
        second = crf_.modelfile.name
        assert crf_.predict([X]) == [Y] and crf_.classes_[0] == "sunny"
        assert crf_.fit([X], [[f"very {label}" for label in Y]]).classes_[0] == "very sunny"
        assert crf_.size_ == os.path.getsize(crf_.modelfile.name)
        first, second = second, crf_.modelfile.name
        assert not os.path.exists(first) and os.path.exists(second)
        third = again.modelfile.name
        del crf_, again
        assert not os.path.exists(second) and not os.path.exists(third)
        kept = self.fitted(keep_tempfiles=True)
        name = kept.modelfile.name
        del kept
        assert os.path.exists(name)
        os.unlink(name)

    def test_a_file_goes_with_the_process_that_made_it(self):
        resource = FileResource()
        resource.ensure_name()
        resource._process += 1
        resource.cleanup()
        assert os.path.exists(resource.name)
        resource._process -= 1
        # What lies under this name in a pickle of sklearn-crfsuite's is taken for the content.
        state = {"name": None, "auto": True, "keep_tempfiles": False, "suffix": "", "prefix": "", CONTENT: b"abc"}
        other = FileResource.__new__(FileResource)
        other.__setstate__(state)
        assert Path(other.name).read_bytes() == b"abc"

    def test_what_is_refused(self):
        crf_ = self.fitted()
        for arguments in ((X, None), (None, Y)):
            with pytest.raises(ValueError, match="X_dev and y_dev must be given together"):
                crf_.fit([X], [Y], *([it] if it else None for it in arguments))
        for bad in (([X, X], [Y]), ([X], [Y, Y])):
            with pytest.raises(ValueError, match="X and y must have the same number of sequences"):
                crf_.fit(*bad)
        with pytest.raises(ValueError, match="X_dev and y_dev must have the same number"):
            crf_.fit([X], [Y], [X], [])
        # A fit that failed changed nothing.
        assert crf_.predict([X]) == [Y]

    def test_what_is_printed(self, capsys):
        sklearn_crfsuite.CRF("lbfgs", max_iterations=2, verbose=True).fit([X], [Y], [X[:3]], [Y[:3]])
        out = capsys.readouterr().out
        assert re.search(
            r"\nIter 1   time=\d\.\d\d  loss=\d+\.\d\d +active=13 +precision=0.333  recall=0.333  F1=0.333", out
        )
        assert "Acc(item/seq)=1.000 1.000  feature_norm=" in out
        table = out[out.index("=" * 20) :].splitlines()
        assert table[1] == "Label      Precision    Recall     F1    Support"
        assert table[2] == "-------  -----------  --------  -----  ---------"
        assert table[3] == "rainy                           0.000          0"
        assert table[4] == "sunny          1.000     1.000  1.000          3"
        assert set(table[0]) == {"="} and set(table[6]) == {"-"} and len(table[0]) == len(table[6]) == len(table[1])
        assert issubclass(LinePerIterationTrainer, pycrfsuite.Trainer)

    def test_in_scikit_learn(self):
        assert cross_val_score(sklearn_crfsuite.CRF(c2=1e-3), [X] * 4, [Y] * 4, cv=2).tolist() == [1.0, 1.0]
        search = GridSearchCV(
            sklearn_crfsuite.CRF(max_iterations=20), {"c2": [1e-3, 100.0]}, cv=2, scoring=scorers.flat_accuracy
        ).fit([X] * 4, [Y] * 4)
        assert search.best_params_ == {"c2": 1e-3}
        assert clone(search.best_estimator_).get_params()["c2"] == 1e-3
        assert scorers.sequence_accuracy(search.best_estimator_, [X], [Y]) == 1.0

    def test_metrics(self):
        y1, y2 = [["x", "z", "y"], ["x", "x"]], [["y", "z", "y"], ["x", "y"]]
        assert metrics.flat_accuracy_score(y1, y2) == 3 / 5
        assert metrics.flat_precision_score(y1, y2, average="micro") == 3 / 5
        assert metrics.flat_recall_score(y1, y2, average="micro") == 3 / 5
        assert metrics.flat_f1_score(y1, y2, average="macro") == pytest.approx(2 / 3)
        assert metrics.flat_fbeta_score(y1, y2, beta=1, average="macro") == pytest.approx(2 / 3)
        report = metrics.flat_classification_report(y1, y2, labels=["x", "z"], output_dict=True)
        assert report["z"]["support"] == 1.0 and "y" not in report
        assert metrics.sequence_accuracy_score([[1, 2], [3], [4]], [[1, 2], [4], [4]]) == 2 / 3
        assert metrics.sequence_accuracy_score([], []) == 0 and not math.isnan(
            metrics.sequence_accuracy_score([[1]], [[1]])
        )
