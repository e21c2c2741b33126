"""The cases to compare, and the speed-up that each requires of the engine."""

from dataclasses import dataclass, field

IALS = {"alpha0": 0.1, "reg": 0.003, "train_epochs": 16}


@dataclass
class Case:
    """One algorithm with its parameters."""

    row: str
    algorithm: str
    params: dict
    fit_target: float
    evaluate_target: float = 4.0
    sets: tuple = ()
    """Data sets of the case; all when empty."""
    rounds: int = 0
    """Number of rounds, where it differs from the others."""
    implicit_factors: int = 0
    """Factors of implicit's ALS, where that is compared too."""
    why_not: dict = field(default_factory=dict)
    """Data sets on which the peer cannot run, and why."""


DENSE = {"gowalla": "irspack holds several 41k x 41k matrices of 64-bit floats: more memory than the machine has"}
SMALL = ("ml-100k", "ml-1m")

CASES = [
    Case("ials", "IALSRecommender", {"n_components": 64, **IALS}, 2.0, implicit_factors=64),
    Case("ials", "IALSRecommender", {"n_components": 256, **IALS}, 2.0, implicit_factors=256),
    Case("ials-solvers", "IALSRecommender", {"n_components": 64, **IALS, "solver_type": "CHOLESKY"}, 1.0),
    Case("ials-solvers", "IALSRecommender", {"n_components": 64, **IALS, "solver_type": "IALSPP"}, 1.0),
    Case("knn", "CosineKNNRecommender", {"top_k": 100, "normalize": True}, 2.0),
    Case("knn", "AsymmetricCosineKNNRecommender", {"top_k": 100, "alpha": 0.3}, 2.0),
    Case("knn", "CosineUserKNNRecommender", {"top_k": 100, "normalize": True}, 2.0),
    Case("walks", "P3alphaRecommender", {"top_k": 300, "normalize_weight": True}, 2.0),
    Case("walks", "RP3betaRecommender", {"top_k": 300, "beta": 0.3, "normalize_weight": True}, 2.0),
    Case("dense", "DenseSLIMRecommender", {"reg": 200.0}, 1.5, sets=SMALL),
    Case("dense", "EDLAERecommender", {"reg": 200.0, "dropout_p": 0.3}, 1.5, sets=SMALL),
    Case("dense", "DenseSLIMRecommender", {"reg": 80.0}, 1.5, sets=("gowalla",), why_not=DENSE),
    Case("slim", "SLIMRecommender", {"alpha": 0.01, "l1_ratio": 0.01}, 3.0, sets=SMALL),
    Case("vae", "MultVAERecommender", {"dim_z": 64, "enc_hidden_dims": 256, "kl_anneal_goal": 0.2}, 3.0, sets=("ml-1m",), rounds=1),
]

SEARCHED = ["IALSRecommender", "CosineKNNRecommender", "RP3betaRecommender"]
SEARCH_TRIALS = 40
SEARCH_TARGET = 3.0
READ_TARGET = 3.0
