"""Data sets, and folds of them in which some items have no interaction in training."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

import cases


@dataclass
class Fold:
    """Interactions of known items to learn from, and those of new items to find. Ids are in byte order, as in recotem."""

    seed: int
    users: list
    train_rows: pd.DataFrame
    test_rows: pd.DataFrame
    known: pd.DataFrame
    new: pd.DataFrame
    train: sp.csr_matrix
    """Users x known items."""
    test: sp.csr_matrix
    """Users x new items."""

    def within(self):
        """Returns a fold of the known items only, for choosing settings."""
        return split(self.train_rows, self.known, self.seed)

    def write(self, folder, spec):
        """Writes the files that recotem reads."""
        folder = Path(folder)
        folder.mkdir(parents=True)
        self.train_rows.to_csv(folder / "train.csv", index=False)
        self.test_rows.to_csv(folder / "test.csv", index=False)
        pd.concat([self.known, self.new]).to_csv(folder / "items.csv", index=False)
        (folder / "spec.json").write_text(json.dumps(spec))
        return folder


def load(data_set, folder):
    """Returns interactions (user_id, item_id) and items with at least one of them."""
    rows = pd.read_csv(folder / "interactions.csv.gz", dtype={"user_id": str, "item_id": str}, keep_default_na=False)
    items = pd.read_csv(folder / "items.csv.gz", dtype=str, keep_default_na=False)
    items["item_id"] = items[data_set.id_column]
    items = items.drop_duplicates("item_id")[["item_id", *data_set.columns]]
    rows = rows[rows.rating >= data_set.least_rating][["user_id", "item_id"]].drop_duplicates()
    users_of = rows.item_id.value_counts()
    rows = rows[rows.item_id.isin(users_of[users_of >= data_set.least_users].index) & rows.item_id.isin(items.item_id)]
    return rows, items[items.item_id.isin(rows.item_id)]


def matrix(rows, users, items):
    user, item = (column.map({name: index for index, name in enumerate(names)}) for column, names in ((rows.user_id, users), (rows.item_id, items)))
    return sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (user, item)), shape=(len(users), len(items)))


def split(rows, items, seed):
    """Makes a share of the items new. New items that no user of the training data has are left out."""
    order = np.random.RandomState(seed).permutation(len(items))
    chosen = set(items.item_id.iloc[order[: int(len(items) * cases.COLD_SHARE)]])
    is_new = rows.item_id.isin(chosen)
    train, test = rows[~is_new], rows[is_new]
    test = test[test.user_id.isin(train.user_id)]
    users = sorted(train.user_id.unique())
    known, new = (items[items.item_id.isin(part.item_id)].sort_values("item_id") for part in (train, test))
    return Fold(seed, users, train, test, known, new, matrix(train, users, known.item_id), matrix(test, users, new.item_id))
