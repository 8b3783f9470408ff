"""One thread of BLAS for regressions, and the number before after the last of them."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from fewshot.scoring import heads
from fewshot.scoring.blas import one_blas_thread


def n_threads() -> set[int]:
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def test_the_number_comes_back_after_the_last_of_those_that_overlap():
    first, second = one_blas_thread(), one_blas_thread()
    with threadpool_limits(2, "blas"):
        first.__enter__()
        second.__enter__()
        during = [n_threads()]
        first.__exit__(None, None, None)
        during.append(n_threads())
        second.__exit__(None, None, None)

        assert during == [{1}, {1}]
        assert n_threads() == {2}


def test_regressions_use_one_thread(monkeypatch):
    seen = []

    def watched(function):
        def call(*args, **kwargs):
            seen.append(n_threads())
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(heads, "minimize", watched(heads.minimize))
    monkeypatch.setattr(LogisticRegression, "fit", watched(LogisticRegression.fit))
    X, targets, weights = np.eye(4), np.eye(2)[[0, 1, 0, 1]], np.ones(4)
    with threadpool_limits(2, "blas"):
        heads.fit_state_head(X, targets, weights, C=1.0)
        heads.fit_linear_head(X, targets, weights, C=1.0)

    assert seen == [{1}, {1}]
