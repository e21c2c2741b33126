"""What is compared: data sets, fields, algorithms with the settings that each may choose from, and goals."""

from dataclasses import dataclass, field
from itertools import product

CUTOFF = 20
COLD_SHARE = 0.2
"""Share of the items without any interaction in training."""

NEIGHBOURS = 50
"""Most similar known items of a new item, for the cosine of contents."""

YEAR = r"\((\d{4})\)"
YEARS_AT_ONCE = 5
GENRES = {"column": "genres", "kind": "category"}
TITLE = {"column": "title", "kind": "text"}
PERIOD = {"column": "title", "kind": "category", "derive": [{"extract": {"pattern": YEAR}}, {"bucket": {"width": YEARS_AT_ONCE}}]}


@dataclass(frozen=True)
class DataSet:
    """One data set below DATA, and how it is read."""

    name: str
    folds: int
    fields: tuple
    columns: tuple
    """Columns of the items file beside item_id."""
    least_rating: float = 0.0
    least_users: int = 1
    """Items with fewer users are left out."""
    id_column: str = "item_id"
    """The column of the items file that interactions name."""

    def spec(self):
        """Returns the feature spec, as recotem reads it."""
        return {"version": 1, "fields": list(self.fields)}


MOVIES = (GENRES, TITLE, PERIOD)
DATA_SETS = [
    DataSet("ml-100k", 5, MOVIES, ("title", "genres", "release_date"), least_rating=4.0),
    DataSet("ml-1m", 2, MOVIES, ("title", "genres"), least_rating=4.0),
    DataSet("lastfm", 2, (GENRES,), ("title", "genres"), least_users=5, id_column="title"),
]


def grid(fixed, **choices):
    """Returns every combination of the choices, each with the fixed parameters."""
    return [{**fixed, **dict(zip(choices, values))} for values in product(*choices.values())]


IALS = {"n_components": 32, "train_epochs": 16, "solver_type": "CG"}
IALS_GRID = grid(IALS, alpha0=[0.03, 0.1, 0.3], reg=[0.001, 0.003, 0.01, 0.03])
"""Twelve settings, as many as feature-aware iALS has."""

FEATURE_IALS_GRID = grid(IALS, alpha0=[0.1, 0.3], reg=[0.03, 0.06], lambda_item_feature=[10.0, 100.0, 300.0])
RIDGES = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0]
"""Penalties of a map from features, chosen on items held out within training."""

BPR_GRID = [
    {"n_components": 32, "loss": "bpr", "train_epochs": 30},
    {"n_components": 32, "loss": "bpr", "train_epochs": 100},
    {"n_components": 32, "loss": "warp", "train_epochs": 10},
    {"n_components": 32, "loss": "warp", "train_epochs": 30},
    {"n_components": 64, "loss": "warp", "train_epochs": 30},
]
FEATURE_BPR_GRID = grid({"n_components": 64, "loss": "warp"}, train_epochs=[15, 30], item_feature_rate=[0.02, 0.05])

LIGHTFM = {"no_components": 32, "loss": "warp", "learning_rate": 0.05, "item_alpha": 1e-6}
LIGHTFM_EPOCHS = 30


@dataclass(frozen=True)
class Candidate:
    """An algorithm of recotem with the settings that it may choose from."""

    name: str
    algorithm: str
    settings: list = field(hash=False)
    needs: str = ""
    """A parameter without which the candidate is left out."""


CANDIDATES = [
    Candidate("iALS-32, mapped", "IALSRecommender", IALS_GRID),
    Candidate("DenseSLIM, mapped", "DenseSLIMRecommender", grid({}, reg=[10.0, 30.0, 100.0, 200.0, 300.0, 500.0, 1000.0, 3000.0])),
    Candidate("EDLAE, mapped", "EDLAERecommender", grid({}, reg=[30.0, 100.0, 300.0, 1000.0], dropout_p=[0.1, 0.3, 0.5])),
    Candidate("ContentKNN", "ContentKNNRecommender", grid({}, top_k=[10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500])),
    Candidate("feature-aware iALS-32", "IALSRecommender", FEATURE_IALS_GRID, needs="lambda_item_feature"),
    Candidate("BPR, mapped", "BPRFMRecommender", BPR_GRID),
    Candidate("feature-aware BPR", "BPRFMRecommender", FEATURE_BPR_GRID, needs="item_feature_rate"),
]

LEAST_NDCG = {"ml-100k": 0.22, "ml-1m": 0.23}
TIMES_FEATURE_IALS = 1.15
"""How often the ndcg of irspack's feature-aware iALS, on the sets of LEAST_NDCG, with as many settings each."""

LEVEL_WITH_CONTENT = ("lastfm",)
SPEED_SET = "ml-1m"
TIMES_AS_FAST = 2.0
EQUAL_NDCG = 0.98
"""The share of the other's ndcg from which on two models count as equal when their speeds are compared."""
