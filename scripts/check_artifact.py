"""Computes recommendations from model files with numpy alone and compares them with the program's. See docs/artifact.md."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors import safe_open

CUTOFF = 10
USERS = 25
# Algorithms whose scores are products of factors, sums over a sparse and over a dense matrix, and one score for all users.
PARAMETERS = {
    "IALS": {"n_components": 13, "train_epochs": 4},
    "TruncatedSVD": {"n_components": 9},
    "BPRFM": {"n_components": 7},
    "RP3beta": {"top_k": 30},
    "CosineUserKNN": {"top_k": 20},
    "DenseSLIM": {},
    "TopPop": {},
}


class Model:
    def __init__(self, path):
        with safe_open(path, "np") as file:
            self.about = file.metadata()
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}
        self.users, self.items = self.ids("users"), self.ids("items")

    def ids(self, name):
        text, ends = self.tensors[f"{name}.bytes"].tobytes(), self.tensors[f"{name}.offsets"]
        return [text[start:end].decode() for start, end in zip(ends, ends[1:])]

    def row(self, name, number):
        """Returns a row of a sparse matrix as a dense one."""
        start, end = self.tensors[f"{name}.indptr"][number : number + 2]
        row = np.zeros(self.tensors[f"{name}.shape"][1], np.float32)
        values = self.tensors.get(f"{name}.values")
        row[self.tensors[f"{name}.indices"][start:end]] = 1 if values is None else values[start:end]
        return row

    def sum_of_rows(self, name, weights):
        return sum(weights[number] * self.row(name, number) for number in np.flatnonzero(weights))

    def scores(self, user):
        tensors, seen = self.tensors, self.row("seen", user)
        if self.about["algorithm"] == "BPRFMRecommender":
            return tensors["model.items"][:, :-1] @ tensors["model.users"][user] + tensors["model.items"][:, -1]
        if "model.users" in tensors:
            return tensors["model.items"] @ tensors["model.users"][user]
        if "model.weights" in tensors:
            return seen @ tensors["model.weights"]
        if "model.weights.indptr" in tensors:
            return self.sum_of_rows("model.weights", seen)
        if "model.neighbours.indptr" in tensors:
            return self.sum_of_rows("model.train", self.row("model.neighbours", user))
        return tensors["model.popularity"]

    def best(self, user):
        scores = np.where(self.row("seen", user) > 0, -np.inf, self.scores(user))
        order = np.argsort(-scores, kind="stable")[:CUTOFF]
        return [(self.items[item], float(scores[item])) for item in order]


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def check(binary, data, folder, algorithm):
    path = folder / f"{algorithm}.safetensors"
    columns = ["--user-column", "user_id", "--item-column", "item_id"]
    parameters = json.dumps(PARAMETERS[algorithm])
    run(binary, "train", data, *columns, "--algorithm", algorithm, "--params", parameters, "-o", path)
    model = Model(path)
    assert model.about["format"] == "recotem-model-v1", model.about
    assert model.users == sorted(model.users, key=str.encode), "ids are in the order of their bytes"
    for user in range(0, len(model.users), max(1, len(model.users) // USERS)):
        answer = run(binary, "recommend", "--model", path, "--user", model.users[user], "--cutoff", CUTOFF, "--json")
        theirs = [(entry["item_id"], entry["score"]) for entry in json.loads(answer)["recommendations"]]
        ours = model.best(user)
        np.testing.assert_allclose([score for _, score in ours], [score for _, score in theirs], rtol=2e-4, atol=1e-5)
        # Where rounding decides, adjacent items may be swapped.
        for (item, score), (other, _) in zip(theirs, ours):
            tied = any(name == item and abs(value - score) <= 1e-5 + 2e-4 * abs(score) for name, value in ours)
            assert item == other or tied, (algorithm, model.users[user], theirs, ours)
    print(f"{algorithm}: {len(model.users)} users, {len(model.items)} items, {path.stat().st_size} bytes: the same lists")


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data.csv"
        run(binary, "synthesize", "--interactions", 20_000, "--users", 300, "--items", 400, "-o", data)
        with data.open("a", encoding="utf-8") as file:
            file.write('Sigur Rós,"Ágætis byrjun, 1999"\n"Sigur Rós",007\n007,7\n')
        for algorithm in PARAMETERS:
            check(binary, data, folder, algorithm)


main()
