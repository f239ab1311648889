"""Estimators as scikit-learn uses them: parameters, searches, pipelines, what isn't fitted."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError as TheirNotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

import fastcore
from fastcore.crf import CRF, Segmenter
from fastcore.discovery import WordFinder
from fastcore.embeddings import CBOW, SkipGram
from fastcore.hmm import CategoricalHMM, GaussianHMM, PoissonHMM
from fastcore.ngrams import NgramCounter
from fastcore.templates import TemplateFinder
from fastcore.vectorizer import NgramVectorizer

from .helpers import run_script

# Ragged, and as long as one another: either has its own way through NumPy.
X = [[["the"], ["dog"]], [["a"], ["dog"], ["barks"]], [["the"], ["cat"]], [["a"], ["cat"], ["sleeps"]]] * 3
Y = [["D", "N"], ["D", "N", "V"], ["D", "N"], ["D", "N", "V"]] * 3
LEVEL = [x[:2] for x in X], [y[:2] for y in Y]
WORDS = [["我们", "喜欢", "音乐"], ["他们", "喜欢", "电影"], ["我们", "看", "书"], ["他们", "听", "音乐"]] * 3
DOCUMENTS = ["the cat sat", "the dog barked", "a cat and a dog", "no pets at all"] * 3

ESTIMATORS = {
    CRF: lambda it: it.fit(X, Y),
    Segmenter: lambda it: it.fit(WORDS),
    NgramVectorizer: lambda it: it.fit(DOCUMENTS),
    WordFinder: lambda it: it.fit(["电影院", "看电影"]),
    TemplateFinder: lambda it: it.fit(WORDS),
    CategoricalHMM: lambda it: it.fit([0, 1, 0, 0, 1]),
    GaussianHMM: lambda it: it.fit([[0.0], [1.0], [0.5], [2.0]]),
    PoissonHMM: lambda it: it.fit([[0], [1], [0], [2]]),
    SkipGram: lambda it: it.fit(WORDS * 3),
    CBOW: lambda it: it.fit(WORDS * 3),
}
# One that no parameter would be.
OTHER = {CRF: "c2", Segmenter: "c2", NgramVectorizer: "max_df", WordFinder: "min_proba", TemplateFinder: "min_pmi"}
OTHER |= dict.fromkeys((CategoricalHMM, GaussianHMM, PoissonHMM), "tol")
OTHER |= dict.fromkeys((SkipGram, CBOW), "subsample")


class Itself(BaseEstimator):
    """A step before the labelling that changes nothing."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize("cls", ESTIMATORS)
class TestParameters:
    def test_get_set_and_repr(self, cls):
        estimator, name = cls(), OTHER[cls]
        assert repr(estimator) == f"{cls.__name__}()"
        assert estimator.set_params(**{name: 0.125}) is estimator
        assert estimator.get_params()[name] == 0.125
        assert repr(estimator) == f"{cls.__name__}({name}=0.125)"
        assert cls(**estimator.get_params()).get_params() == estimator.get_params()
        assert list(estimator.get_params()) == sorted(estimator.get_params())

    def test_a_wrong_name_sets_nothing(self, cls):
        estimator, name = cls(), OTHER[cls]
        before = estimator.get_params()
        with pytest.raises(ValueError, match=f"{cls.__name__} has no parameter 'nothing'; it has .*{name}"):
            estimator.set_params(**{name: 0.125, "nothing": 1})
        assert estimator.get_params() == before

    def test_values_are_kept_as_they_come_and_refused_in_fit(self, cls):
        estimator = cls(**{OTHER[cls]: "much"})
        assert getattr(estimator, OTHER[cls]) == "much"
        with pytest.raises((TypeError, ValueError), match=f"{OTHER[cls]} must be"):
            ESTIMATORS[cls](estimator)

    def test_clone(self, cls):
        estimator = ESTIMATORS[cls](cls(**{OTHER[cls]: 0.5}))
        copy = clone(estimator)
        assert copy.get_params() == estimator.get_params()
        with pytest.raises(TheirNotFittedError):
            check_is_fitted(copy)
        check_is_fitted(estimator)


class TestNested:
    def test_parameters_of_parameters(self):
        vectorizer = NgramVectorizer(analyzer="char")
        finder = WordFinder(exclude=vectorizer)
        assert finder.get_params()["exclude__analyzer"] == "char"
        assert "exclude__analyzer" not in finder.get_params(deep=False)
        finder.set_params(exclude__analyzer="word", min_count=3)
        assert (vectorizer.analyzer, finder.min_count) == ("word", 3)


class TestNotFitted:
    ASKED = (
        lambda: CRF().predict(X),
        lambda: CRF().classes_,
        lambda: Segmenter().segment("a"),
        lambda: Segmenter().loss_,
        lambda: NgramVectorizer().transform(["a"]),
        lambda: NgramVectorizer().vocabulary_,
        lambda: WordFinder().words_,
        lambda: TemplateFinder().to_trie(),
        lambda: GaussianHMM().predict([[0.0]]),
        lambda: SkipGram().vectors,
        lambda: GaussianHMM().covars_,
    )

    @pytest.mark.parametrize("ask", ASKED)
    def test_one_error_for_all(self, ask):
        for error in (fastcore.NotFittedError, TheirNotFittedError, ValueError, AttributeError):
            with pytest.raises(error):
                ask()

    def test_pickles(self):
        with pytest.raises(fastcore.NotFittedError) as caught:
            CRF().predict(X)
        again = pickle.loads(pickle.dumps(caught.value))
        assert isinstance(again, TheirNotFittedError)
        assert isinstance(again, fastcore.NotFittedError)
        assert str(again) == str(caught.value)

    def test_scikit_learn_is_never_imported(self):
        script = """
import sys
from fastcore import NotFittedError
from fastcore.crf import CRF, Segmenter
from fastcore.templates import TemplateFinder
from fastcore.vectorizer import NgramVectorizer
for ask in (lambda: CRF().predict([]), lambda: NgramVectorizer().transform([]), lambda: TemplateFinder().to_trie()):
    try:
        ask()
    except NotFittedError as error:
        assert type(error) is NotFittedError
        repr(CRF().set_params(c2=1))
assert "sklearn" not in sys.modules
print("good")
"""
        result = run_script(script)
        assert result.stdout.strip() == "good", result.stderr


class TestCRF:
    @pytest.mark.parametrize("data", [(X, Y), LEVEL])
    def test_cross_validation(self, backend, data):
        assert cross_val_score(CRF(c2=0.1), *data, cv=3, error_score="raise").tolist() == [1.0, 1.0, 1.0]
        found = cross_validate(CRF(c2=0.1), *data, cv=3, return_estimator=True, error_score="raise")
        assert found["estimator"][0].predict(data[0]) == data[1]

    @pytest.mark.parametrize("data", [(X, Y), LEVEL])
    def test_cross_val_predict(self, backend, data):
        predicted = cross_val_predict(CRF(c2=0.1), *data, cv=3)
        assert predicted.shape == (len(X),)
        assert list(predicted) == data[1]

    def test_searches(self, backend):
        grid = GridSearchCV(CRF(max_iterations=20), {"c2": [0.1, 1e4]}, cv=2, error_score="raise").fit(X, Y)
        assert grid.best_params_ == {"c2": 0.1}
        assert grid.predict(X) == Y
        drawn = RandomizedSearchCV(CRF(), {"c2": [0.1, 0.2]}, n_iter=2, cv=2, random_state=0, error_score="raise")
        assert drawn.fit(X, Y).score(X, Y) == 1.0

    def test_pipeline(self, backend):
        pipeline = Pipeline([("itself", Itself()), ("crf", CRF())])
        assert pipeline.set_params(crf__c2=0.1).fit(X, Y).predict(X) == Y
        check_is_fitted(pipeline)
        grid = GridSearchCV(pipeline, {"crf__c2": [0.1, 1e4]}, cv=2, error_score="raise").fit(X, Y)
        assert grid.best_params_ == {"crf__c2": 0.1}

    def test_a_prediction_is_a_list_and_a_column(self):
        predicted = CRF(c2=0.1).fit(*LEVEL).predict(LEVEL[0])
        assert isinstance(predicted, list)
        assert predicted == LEVEL[1]
        assert np.asarray(predicted).shape == (len(X),)
        assert pickle.loads(pickle.dumps(predicted)) == predicted


class TestSegmenter:
    def test_cross_validation(self, backend):
        assert cross_val_score(Segmenter(min_freq=1), WORDS, cv=3, error_score="raise").mean() > 0.9
        predicted = cross_val_predict(Segmenter(min_freq=1), WORDS, cv=3)
        assert ["".join(words) for words in predicted] == ["".join(words) for words in WORDS]

    def test_search_and_pipeline(self, backend):
        grid = GridSearchCV(Segmenter(), {"min_freq": [1, 100]}, cv=2, error_score="raise").fit(WORDS)
        assert grid.best_params_ == {"min_freq": 1}
        assert grid.predict(["我们喜欢电影"]) == [["我们", "喜欢", "电影"]]
        pipeline = make_pipeline(Itself(), Segmenter(min_freq=1)).fit(WORDS)
        assert pipeline.predict(WORDS[:1]) == WORDS[:1]


class TestVectorizer:
    def test_searched_in_a_pipeline(self, backend):
        from sklearn.naive_bayes import MultinomialNB

        labels = ["cat" in document for document in DOCUMENTS]
        pipeline = Pipeline([("counts", NgramVectorizer()), ("model", MultinomialNB())])
        grid = GridSearchCV(pipeline, {"counts__analyzer": ["word", "char"]}, cv=2, error_score="raise")
        assert grid.fit(DOCUMENTS, labels).score(DOCUMENTS, labels) == 1.0
        check_is_fitted(grid.best_estimator_["counts"])

    def test_given_vocabulary_needs_no_fit(self):
        check_is_fitted(NgramVectorizer(vocabulary=["a"]))
        with pytest.raises(TheirNotFittedError):
            check_is_fitted(NgramVectorizer())


def test_counters_have_no_parameters_to_search():
    assert not hasattr(NgramCounter(1), "get_params")
