"""Prints what scikit-learn makes of a small table, for the tests of ContentKNNRecommender:
python benches/cold/content_golden.py > crates/ml/tests/golden/content_knn.json
"""

import json

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

DIGITS = 7
SETTINGS = {
    "title": "sublinear_tf, min_df 2, smooth_idf, l2, words of one letter or more, lower case",
    "categories": "binary, min_df 2, smooth_idf, l2, separated by |",
    "weights": [1, 1],
    "encoded": "[column, value], first the columns of title_terms, then those of category_terms",
    "cosine": "0 where a row is empty",
}
# Words that repeat, words of one letter and digits, words of one item only, items alike, and items without a category or a
# frequent word.
ITEMS = [
    ("The Old Harbour by Night", "drama|sea"),
    ("The Old Harbour in Winter", "drama|sea|winter"),
    ("A Letter from the Harbour", "drama|romance"),
    ("Night Train to the Coast", "thriller|trains"),
    ("Night Train to the Coast 2", "thriller|trains"),
    ("The Last Night Train", "thriller|trains|drama"),
    ("Gardens of the Northern Coast", "nature|sea"),
    ("Gardens of a Small Town", "nature"),
    ("A Small Town in Winter", "drama|winter"),
    ("A Winter in the Garden", "nature|winter"),
    ("Night Night Little Town", "children"),
    ("The Little Train", "children|trains"),
    ("The Little Train and the Little Bear", "children|trains"),
    ("Bear and Fox by the Sea", "children|sea"),
    ("Fox in the Winter Garden", "children|winter|nature"),
    ("Plan B from the Old Town", "comedy"),
    ("Plan B for Two Sailors", "comedy|sea"),
    ("Two Sailors and a Letter", "comedy|romance|sea"),
    ("Letter to a Young Sailor", "romance|sea"),
    ("The Young Sailor of Harbour 7", "drama|sea"),
    ("Seven Letters for Winter", "romance|winter"),
    ("Track 7 by Night", "thriller|trains"),
    ("Track 7 and the Fox", "thriller|comedy"),
    ("Quantum Accordion Manifesto", "essay|music"),
    ("Songs of the Old Sailors", "music|sea"),
    ("Songs for a Small Garden", "music|nature"),
    ("Songs for a Small Garden", "music|nature"),
    ("Unlabelled Yellow Parcel", ""),
    ("The Coast by Train", ""),
    ("Obscure Zither Anthology", "zither"),
]


def rounded(value):
    return float(f"{value:.{DIGITS}g}")


def terms(encoder):
    """Returns the terms in the order of their columns, with their idf."""
    return [{"term": str(term), "idf": rounded(idf)} for term, idf in zip(encoder.get_feature_names_out(), encoder.idf_)]


def sparse_rows(matrix):
    rows = [matrix[row] for row in range(matrix.shape[0])]
    return [[[int(column), rounded(value)] for column, value in sorted(zip(row.indices, row.data))] for row in rows]


def lines(values, indent=2):
    """Returns a JSON array with one element a line."""
    space = "\n" + " " * indent
    return "[" + ",".join(space + json.dumps(value) for value in values) + "\n" + " " * (indent - 1) + "]"


def main():
    titles, categories = zip(*ITEMS)
    settings = {"min_df": 2, "smooth_idf": True, "norm": "l2", "dtype": np.float64}
    text = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", lowercase=True, **settings)
    category = TfidfVectorizer(binary=True, analyzer=lambda cell: [part for part in cell.split("|") if part], **settings)
    encoded = sp.hstack([text.fit_transform(titles), category.fit_transform(categories)]).tocsr()
    parts = {
        "generator": json.dumps(f"scikit-learn {sklearn.__version__}"),
        "settings": json.dumps(SETTINGS),
        "items": lines([{"item_id": f"item-{number:02}", "title": title, "categories": cell} for number, (title, cell) in enumerate(ITEMS, 1)]),
        "title_terms": lines(terms(text)),
        "category_terms": lines(terms(category)),
        "encoded": lines(sparse_rows(encoded)),
        "cosine": lines([[rounded(value) for value in row] for row in cosine_similarity(encoded)]),
    }
    print("{\n" + ",\n".join(f' "{name}": {value}' for name, value in parts.items()) + "\n}")


main()
