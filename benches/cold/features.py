"""Features of items by scikit-learn: TF-IDF per field, each of length one. Known items only decide which terms there are."""

import re
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

import cases

LEAST_ITEMS = 2
"""Terms of fewer items are left out."""

WORD = r"(?u)\b\w+\b"


@dataclass
class Features:
    known: sp.csr_matrix
    new: sp.csr_matrix

    def with_constant(self):
        """Returns the same with a column of ones, for models without an intercept."""
        constant = lambda block: sp.hstack([block, np.ones((block.shape[0], 1), dtype=np.float32)]).tocsr()
        return Features(constant(self.known), constant(self.new))


def categories(text):
    return [part for part in text.split("|") if part]


def period(title):
    year = re.search(cases.YEAR, title)
    return [str(int(year[1]) // cases.YEARS_AT_ONCE)] if year else []


def text_encoder():
    return TfidfVectorizer(sublinear_tf=True, min_df=LEAST_ITEMS, token_pattern=WORD, dtype=np.float32)


def category_encoder(analyzer=categories):
    return TfidfVectorizer(analyzer=analyzer, binary=True, min_df=LEAST_ITEMS, dtype=np.float32)


def encoder(field):
    if field == cases.PERIOD:
        return category_encoder(period)
    return text_encoder() if field["kind"] == "text" else category_encoder()


def encode(fold, fields):
    known, new = [], []
    for field in fields:
        fitted = encoder(field)
        known.append(fitted.fit_transform(fold.known[field["column"]]))
        new.append(fitted.transform(fold.new[field["column"]]))
    return Features(sp.hstack(known).tocsr(), sp.hstack(new).tocsr())
