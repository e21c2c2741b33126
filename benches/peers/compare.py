"""Fits and evaluates the same models with recotem and with irspack, turn about, and prints medians and their ratio."""

import contextlib
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import irspack
import numpy as np
import pandas as pd
import scipy.sparse as sp

ROUNDS = 3
CUTOFF = 20
CASES = [
    ("IALSRecommender", {"n_components": 64, "alpha0": 0.1, "reg": 0.003, "train_epochs": 16}),
    ("IALSRecommender", {"n_components": 256, "alpha0": 0.1, "reg": 0.003, "train_epochs": 16}),
    ("CosineKNNRecommender", {"top_k": 100, "normalize": True}),
    ("RP3betaRecommender", {"top_k": 300, "beta": 0.3, "normalize_weight": True}),
    ("DenseSLIMRecommender", {"reg": 200.0}),
]


def load(folder):
    """Train and test matrices over the union of users and items, numbered in byte order as recotem does."""
    parts = [pd.read_csv(os.path.join(folder, f"{part}.csv.gz"), usecols=["user_id", "item_id"], dtype=str).drop_duplicates() for part in ("train", "test")]
    number = lambda column: {name: index for index, name in enumerate(sorted(set(parts[0][column]) | set(parts[1][column])))}
    users, items = number("user_id"), number("item_id")
    matrix = lambda part: sp.csr_matrix((np.ones(len(part)), (part.user_id.map(users), part.item_id.map(items))), shape=(len(users), len(items)))
    return matrix(parts[0]), matrix(parts[1])


def with_irspack(train, test, algorithm, params):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        model = getattr(irspack, algorithm)(train, **params).learn()
    fitted = time.perf_counter()
    score = irspack.Evaluator(test, cutoff=CUTOFF).get_score(model)
    return fitted - start, time.perf_counter() - fitted, score["ndcg"]


def with_recotem(binary, folder, algorithm, params):
    command = [binary, "evaluate", "--train", f"{folder}/train.csv.gz", "--test", f"{folder}/test.csv.gz", "--user-column", "user_id", "--item-column", "item_id"]
    command += ["--algorithm", algorithm, "--params", json.dumps(params), "--cutoff", str(CUTOFF), "--json"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer["fit_seconds"], answer["evaluate_seconds"], answer["metrics"]["ndcg"]


def main():
    binary, root = sys.argv[1:]
    folders = sorted(entry.path for entry in os.scandir(root) if os.path.exists(os.path.join(entry.path, "train.csv.gz")))
    print(f"{os.cpu_count()} cores, {platform.machine()}, irspack {irspack.__version__}, medians of {ROUNDS}; seconds, and how many times sooner recotem is\n")
    print("| data | algorithm | fit | irspack | ratio | evaluate | irspack | ratio | ndcg@20 | irspack |\n|---|---|---|---|---|---|---|---|---|---|")
    for folder in folders:
        train, test = load(folder)
        for algorithm, params in CASES:
            if algorithm == "DenseSLIMRecommender" and train.shape[1] > 20_000:
                continue  # irspack needs a dense matrix of 64-bit floats several times over
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(with_recotem(binary, folder, algorithm, params))
                theirs.append(with_irspack(train, test, algorithm, params))
            (fit, judge, ndcg), (their_fit, their_judge, their_ndcg) = [[statistics.median(values) for values in zip(*runs)] for runs in (ours, theirs)]
            name = algorithm.removesuffix("Recommender") + (f"-{params['n_components']}" if "n_components" in params else "")
            print(f"| {os.path.basename(folder)} | {name} | {fit:.2f} | {their_fit:.2f} | {their_fit / fit:.1f} | {judge:.2f} | {their_judge:.2f} | {their_judge / judge:.1f} | {ndcg:.4f} | {their_ndcg:.4f} |", flush=True)


main()
