"""The other side: what irspack, LightFM, scikit-learn and numpy do with the same features."""

import contextlib
import io
import time
from dataclasses import dataclass, field
from typing import Callable

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from irspack import IALSRecommender
from lightfm import LightFM
from sklearn.metrics.pairwise import cosine_similarity

import cases

HELD_OUT_SHARE = 0.1
"""Share of the known items on which the penalty of a map is chosen."""


@dataclass
class Peer:
    """A way to score new items: `scores(fold, features, setting, threads)` returns users x new items."""

    name: str
    scores: Callable
    settings: list = field(default_factory=lambda: [{}])

    def run(self, fold, features, setting, threads):
        """Returns scores and the seconds that they took, fitting included."""
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # progress bars
            scores = self.scores(fold, features, setting, threads)
        return scores, time.perf_counter() - start


def ridge(features, targets, penalty):
    """Returns weights and an intercept without a penalty."""
    centre, middle = features.mean(axis=0), targets.mean(axis=0)
    centred = features - centre
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += penalty
    weights = scipy.linalg.solve(gram, centred.T @ (targets - middle), assume_a="pos", overwrite_a=True)
    return weights, middle - centre @ weights


def mapped(features, targets, seed):
    """Predicts targets of new items from those of known ones; the penalty is the best on a tenth of the known items."""
    known, new = features.known.toarray().astype(np.float64), features.new.toarray().astype(np.float64)
    held_out = np.random.RandomState(seed).rand(len(known)) < HELD_OUT_SHARE

    def error(penalty):
        weights, intercept = ridge(known[~held_out], targets[~held_out], penalty)
        return np.square(known[held_out] @ weights + intercept - targets[held_out]).mean()

    weights, intercept = ridge(known, targets, min(cases.RIDGES, key=error))
    return new @ weights + intercept


def random_scores(fold, _features, _setting, _threads):
    return np.random.RandomState(fold.seed).rand(*fold.test.shape)


def predicted_popularity(fold, features, _setting, _threads):
    """Scores alike for every user: what features say of the number of interactions."""
    popularity = np.log1p(np.asarray(fold.train.sum(axis=0), dtype=np.float64)).T
    return np.tile(mapped(features, popularity, fold.seed).T, (fold.test.shape[0], 1))


def content_knn(fold, features, _setting, _threads):
    similarity = cosine_similarity(features.new, features.known)
    distant = np.argsort(-similarity, axis=1, kind="stable")[:, cases.NEIGHBOURS :]
    np.put_along_axis(similarity, distant, 0.0, axis=1)
    return fold.train @ similarity.T


def fit_ials(fold, setting, threads, **features):
    return IALSRecommender(fold.train, **setting, **features, random_seed=fold.seed, n_threads=threads).learn()


def feature_ials(fold, features, setting, threads):
    features = features.with_constant()
    model = fit_ials(fold, setting, threads, item_features=features.known)
    return model.get_user_embedding() @ model.compute_item_embedding_from_features(features.new).T


def seconds_of_feature_ials(fold, features, setting, threads):
    """Returns the seconds of fitting alone."""
    fit = lambda fold, features, setting, threads: fit_ials(fold, setting, threads, item_features=features.with_constant().known)
    return Peer("", fit).run(fold, features, setting, threads)[1]


def mapped_ials(fold, features, setting, threads):
    model = fit_ials(fold, setting, threads)
    return model.get_user_embedding() @ mapped(features, model.get_item_embedding(), fold.seed).T


def lightfm(fold, features, _setting, threads):
    n_known, n_new = features.known.shape[0], features.new.shape[0]
    model = LightFM(**cases.LIGHTFM, random_state=fold.seed)
    identified = sp.hstack([sp.identity(n_known), features.known]).tocsr()
    model.fit(fold.train, item_features=identified, epochs=cases.LIGHTFM_EPOCHS, num_threads=threads)
    biases, vectors = model.get_item_representations(sp.hstack([sp.csr_matrix((n_new, n_known)), features.new]).tocsr())
    return model.get_user_representations()[1] @ vectors.T + biases


RANDOM = Peer("random", random_scores)
POPULARITY = Peer("popularity predicted from features", predicted_popularity)
CONTENT = Peer(f"content cosine, {cases.NEIGHBOURS} neighbours (scikit-learn)", content_knn)
FEATURE_IALS = Peer("feature-aware iALS-32 (irspack)", feature_ials, cases.FEATURE_IALS_GRID)
MAPPED_IALS = Peer("iALS-32 (irspack), mapped (numpy)", mapped_ials, cases.IALS_GRID)
LIGHTFM = Peer("LightFM, identity and features", lightfm)
PEERS = [RANDOM, POPULARITY, CONTENT, LIGHTFM, FEATURE_IALS, MAPPED_IALS]
