"""Metrics of each user's list of new items, as recotem defines them, and intervals of their means."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

import cases

RESAMPLES = 1000


def judge(scores, fold):
    """Returns ndcg and recall of every user with held-out items; equal scores go to the item that comes first."""
    users = np.flatnonzero(np.diff(fold.test.indptr))
    held_out = fold.test[users].toarray() > 0
    lists = np.argsort(-scores[users], axis=1, kind="stable")[:, : cases.CUTOFF]
    hits = np.take_along_axis(held_out, lists, axis=1)
    discounts = 1 / np.log2(np.arange(lists.shape[1]) + 2)
    n_held_out = held_out.sum(axis=1)
    ideal = np.cumsum(discounts)[np.minimum(n_held_out, lists.shape[1]) - 1]
    index = pd.Index([fold.users[user] for user in users], name="user_id")
    return pd.DataFrame({"ndcg": hits @ discounts / ideal, "recall": hits.sum(axis=1) / n_held_out}, index=index)


def interval(folds):
    """Returns the 95 % interval of the mean of means, from resampled users. Takes one series of values by user for each fold."""
    values = pd.concat(folds, axis=1)
    present, filled = values.notna().to_numpy(dtype=float), values.fillna(0.0).to_numpy()
    n_users = len(values)
    times = np.random.RandomState(0).multinomial(n_users, np.full(n_users, 1 / n_users), size=RESAMPLES).astype(float)
    means = ((times @ filled) / (times @ present)).mean(axis=1)
    return tuple(np.quantile(means, [0.025, 0.975]))


@dataclass
class Outcome:
    """One model on one fold."""

    ndcg: pd.Series
    """By user."""
    recall: float
    seconds: float
    setting: dict
    chosen_by: float
    """The ndcg within training for which the setting was chosen."""


@dataclass
class Row:
    """One model on all folds of a data set."""

    name: str
    outcomes: list

    def ndcg(self):
        return float(np.mean([outcome.ndcg.mean() for outcome in self.outcomes]))

    def recall(self):
        return float(np.mean([outcome.recall for outcome in self.outcomes]))

    def seconds(self):
        return float(np.mean([outcome.seconds for outcome in self.outcomes]))

    def interval(self):
        return interval([outcome.ndcg for outcome in self.outcomes])

    def difference(self, other):
        """Returns the mean difference to another model on the same folds, and its interval, user by user."""
        pairs = [mine.ndcg - theirs.ndcg for mine, theirs in zip(self.outcomes, other.outcomes)]
        return self.ndcg() - other.ndcg(), interval(pairs)
