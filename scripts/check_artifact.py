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
# The same of models that are also asked for items they were not trained on, and one that learns from features alone.
WITH_FEATURES = {
    "IALS": {"n_components": 13, "train_epochs": 4},
    "BPRFM": {"n_components": 7, "train_epochs": 4},
    "RP3beta": {"top_k": 30},
    "DenseSLIM": {},
    "ContentKNN": {"top_k": 20},
}
# The same of models that learn what features add, or predict, together with the factors.
LEARNING_FEATURES = {
    "IALS": {"n_components": 13, "train_epochs": 4, "alpha0": 0.1, "lambda_item_feature": 10, "lambda_user_feature": 10},
    "BPRFM": {"n_components": 7, "train_epochs": 4, "item_feature_rate": 0.05, "user_feature_rate": 0.05},
}
N_ITEMS, N_NEW_ITEMS, N_USERS = 400, 30, 300
# Users that the models are asked about without their ids; the last one has nothing that a user of the training has.
PROFILES = [
    {"tribe": ["tribe 2", "clan 3"], "age": 41},
    {"tribe": ["clan 6"], "age": None},
    {"tribe": ["unknown"], "age": 200},
]
COLUMNS = ["--user-column", "user_id", "--item-column", "item_id"]


class Model:
    def __init__(self, path):
        with safe_open(path, "np") as file:
            self.about = file.metadata()
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}
        self.users, self.items = self.ids("users"), self.ids("items")

    def ids(self, name):
        text, ends = self.tensors[f"{name}.bytes"].tobytes(), self.tensors[f"{name}.offsets"]
        return [text[start:end].decode() for start, end in zip(ends, ends[1:])]

    def matrix(self, name):
        return np.array([self.row(name, number) for number in range(self.tensors[f"{name}.shape"][0])])

    def row(self, name, number):
        """Returns a row of a sparse matrix as a dense one."""
        start, end = self.tensors[f"{name}.indptr"][number : number + 2]
        row = np.zeros(self.tensors[f"{name}.shape"][1], np.float32)
        values = self.tensors.get(f"{name}.values")
        row[self.tensors[f"{name}.indices"][start:end]] = 1 if values is None else values[start:end]
        return row

    def sum_of_rows(self, name, weights):
        rows = (weights[number] * self.row(name, number) for number in np.flatnonzero(weights))
        return sum(rows, np.zeros(self.tensors[f"{name}.shape"][1], np.float32))

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
        return self.ranked(self.scores(user), self.row("seen", user) > 0)

    def ranked(self, scores, left_out):
        order = [item for item in np.argsort(-scores, kind="stable") if not left_out[item]]
        return [(self.items[item], float(scores[item])) for item in order]


class ModelWithFeatures(Model):
    """A model with the items that it was not trained on behind those that it was."""

    def __init__(self, path):
        super().__init__(path)
        self.n_trained = len(self.items)
        self.items += self.ids("new_items")
        features = self.matrix("new_items.features")
        if self.about["algorithm"] == "ContentKNNRecommender":
            trained, top_k = self.matrix("model.features"), int(self.about["model.top_k"])
            self.weights = content_weights(np.vstack([trained, features]), self.n_trained, top_k)
            stored = self.matrix("model.weights")
            np.testing.assert_allclose(self.weights[: self.n_trained, : self.n_trained], stored, rtol=1e-5, atol=1e-6)
            return
        predicted = features @ self.tensors["cold.weights"][:-1] + self.tensors["cold.weights"][-1]
        if "cold.known" in self.tensors:
            known, scored = np.hsplit(predicted, 2)
            self.known = np.vstack([self.tensors["cold.known"], known])
            self.scored = np.vstack([self.tensors["cold.scored"], scored])
        else:
            items = self.tensors["model.items"]
            self.tensors["model.items"] = np.vstack([items, predicted[:, : items.shape[1]]])

    def row(self, name, number):
        row = super().row(name, number)
        return np.pad(row, (0, len(self.items) - len(row))) if name == "seen" else row

    def scores(self, user):
        seen = self.row("seen", user)
        if self.about["algorithm"] == "ContentKNNRecommender":
            return seen @ self.weights
        if "cold.known" not in self.tensors:
            return super().scores(user)
        seen = seen[: self.n_trained]
        dense = self.tensors.get("model.weights")
        own = seen @ dense if dense is not None else self.sum_of_rows("model.weights", seen)
        return np.concatenate([own, self.scored[self.n_trained :] @ (seen @ self.known[: self.n_trained])])

    def similar_to_new(self, item):
        """Returns the items most similar to one that the model was not trained on."""
        if self.about["algorithm"] == "ContentKNNRecommender":
            scores = self.weights[item]
        elif "cold.known" in self.tensors:
            scores = self.scored @ self.known[item]
        else:
            items = self.tensors["model.items"]
            scores = items @ items[item] / np.linalg.norm(items, axis=1) / np.linalg.norm(items[item])
        return self.ranked(scores, np.arange(len(self.items)) == item)

    def by_profile(self, values):
        """Returns the list of a user known by features alone."""
        features = self.encode(values, "user_features")
        vector = features @ self.tensors["profile.weights"][:-1] + self.tensors["profile.weights"][-1]
        if "model.items" in self.tensors:
            items = self.tensors["model.items"]
            scores = items @ vector[: items.shape[1]]
        elif "cold.known" in self.tensors:
            scores = self.scored @ vector
        else:
            new = self.weights[: self.n_trained, self.n_trained :].T @ self.tensors["profile.known"]
            scores = np.vstack([self.tensors["profile.scored"], new]) @ vector
        return self.ranked(scores, np.zeros(len(self.items), bool))

    def encode(self, values, prefix="features"):
        """Encodes an item or user that is given by column: terms of texts and categories, numbers and vectors."""
        spec, blocks = json.loads(self.about[f"{prefix}.spec"]), []
        for at, field in enumerate(spec["fields"]):
            value, name = values[field["column"]], f"{prefix}.{at}"
            if field["kind"] == "number":
                block = self.between_knots(name, value)
            elif field["kind"] == "vector":
                block = np.array(value)
            else:
                block = self.weighted_terms(name, value, field["kind"] == "text")
            length = np.linalg.norm(block)
            blocks.append(block * field["weight"] / length if length > 0 else block)
        return np.concatenate(blocks)

    def weighted_terms(self, name, terms, is_counted):
        idf = self.tensors[f"{name}.terms.idf"]
        block = np.zeros(len(idf))
        for number, term in enumerate(self.ids(f"{name}.terms")):
            if times := terms.count(term):
                block[number] = idf[number] * (1 + np.log(times) if is_counted else 1)
        return block

    def between_knots(self, name, value):
        knots, (is_log, has_missing) = self.tensors[f"{name}.knots"], self.tensors[f"{name}.flags"]
        block = np.zeros(len(knots) + has_missing)
        if value is None:
            block[len(knots) :] = 1
            return block
        value = np.log1p(max(value, 0)) if is_log else value
        block[: len(knots)] = [np.interp(value, knots, one) for one in np.eye(len(knots))]
        return block


def content_weights(features, n_trained, top_k):
    """Returns the weights between items by the cosine of their features; row: the item known, column: the item scored."""
    features = features.astype(np.float64)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(float).tiny)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0)
    weights = np.zeros_like(cosines)
    for scored, row in enumerate(cosines):
        nearest = np.argsort(-row[:n_trained], kind="stable")[:top_k]
        weights[nearest, scored] = row[nearest]
        if scored >= n_trained:
            weights[scored, nearest] = row[nearest]
    return weights


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def assert_same(ours, theirs, what):
    """Compares a list with the beginning of one of all items."""
    assert theirs, what
    np.testing.assert_allclose([score for _, score in ours[: len(theirs)]], [score for _, score in theirs], rtol=2e-4, atol=1e-5)
    # Where rounding decides, adjacent items may be swapped.
    for (item, score), (other, _) in zip(theirs, ours):
        tied = any(name == item and abs(value - score) <= 1e-5 + 2e-4 * abs(score) for name, value in ours)
        assert item == other or tied, (what, theirs, ours)


def list_of(binary, path, user, cutoff):
    answer = run(binary, "recommend", "--model", path, "--user", user, "--cutoff", cutoff, "--json")
    return [(entry["item_id"], entry["score"]) for entry in json.loads(answer)["recommendations"]]


def some(sequence, number):
    return range(0, len(sequence), max(1, len(sequence) // number))


def check(binary, data, folder, algorithm):
    path = folder / f"{algorithm}.safetensors"
    parameters = json.dumps(PARAMETERS[algorithm])
    run(binary, "train", data, *COLUMNS, "--algorithm", algorithm, "--params", parameters, "-o", path)
    model = Model(path)
    assert model.about["format"] == "recotem-model-v1", model.about
    assert model.users == sorted(model.users, key=str.encode), "ids are in the order of their bytes"
    for user in some(model.users, USERS):
        theirs = list_of(binary, path, model.users[user], CUTOFF)
        assert_same(model.best(user), theirs, (algorithm, model.users[user]))
    print(f"{algorithm}: {len(model.users)} users, {len(model.items)} items, {path.stat().st_size} bytes: the same lists")


def check_own_maps(tensors):
    """Checks that predictions are those of the maps that the model learnt itself, of items times a number."""
    items, users = tensors["model.item_feature_map"], tensors["model.user_feature_map"]
    cold = tensors["cold.weights"][:, : items.shape[1]]
    np.testing.assert_allclose(cold, items * np.vdot(cold, items) / np.vdot(items, items), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tensors["profile.weights"][:, : users.shape[1]], users, rtol=1e-6)


def check_with_features(binary, data, folder, algorithm, parameters, catalogue):
    path = folder / f"{algorithm}-features.safetensors"
    parameters = json.dumps(parameters)
    files = [data, "--items", folder / "items.jsonl", "--item-features", folder / "spec.json"]
    files += ["--users", folder / "users.jsonl", "--user-features", folder / "user_spec.json"]
    run(binary, "train", *files, *COLUMNS, "--algorithm", algorithm, "--params", parameters, "-o", path)
    model = ModelWithFeatures(path)
    assert model.about["format"] == "recotem-model-v2", model.about
    if "model.item_feature_map" in model.tensors:
        check_own_maps(model.tensors)
    new = model.items[model.n_trained :]
    assert len(new) >= N_NEW_ITEMS, new
    for number, item in enumerate(new):
        stored = model.row("new_items.features", number)
        np.testing.assert_allclose(model.encode(catalogue[item]), stored, rtol=1e-5, atol=1e-7, err_msg=item)
    for user in some(model.users, USERS):
        theirs = list_of(binary, path, model.users[user], len(model.items))
        assert {item for item, _ in theirs}.issuperset(new), "new items are in the list of all items"
        assert_same(model.best(user), theirs, (algorithm, model.users[user]))
    for number in some(new, 5):
        answer = run(binary, "similar", "--model", path, "--item", new[number], "--cutoff", CUTOFF, "--json")
        theirs = [(entry["item_id"], entry["score"]) for entry in json.loads(answer)["similar"]]
        assert_same(model.similar_to_new(model.n_trained + number), theirs, (algorithm, new[number]))
    for values in PROFILES:
        profile = json.dumps({"tribe": "|".join(values["tribe"]), "age": values["age"]})
        words = ["--profile", profile, "--cutoff", len(model.items), "--json"]
        answer = json.loads(run(binary, "recommend", "--model", path, *words))
        theirs = [(entry["item_id"], entry["score"]) for entry in answer["recommendations"]]
        assert len(theirs) == len(model.items), "all items are in the list"
        assert_same(model.by_profile(values), theirs, (algorithm, profile))
    print(f"{algorithm}: {len(new)} new items beside {model.n_trained}: the same features, lists, similar items, lists by profile")


def write_items(folder):
    """Writes an item file and the meaning of its columns; returns what each item has, by column."""
    catalogue, random = {}, np.random.default_rng(7)
    with (folder / "items.jsonl").open("w", encoding="utf-8") as file:
        for number in range(N_ITEMS + N_NEW_ITEMS):
            shelves = [f"shelf {number % 64}", f"Wand {number % 5}"]
            words = ["thing", f"no{number % 50}", *["again"] * (number % 3), f"only{number}"]
            # Few are large, so that their logarithm counts.
            price = None if number % 9 == 0 else 1.07 ** (number * 37 % 101)
            # Without numbers of their own, many items would be equally alike.
            values = {"price": price, "look": [round(value, 3) for value in random.random(3)]}
            item = {"item_id": f"i{number}", "shelf": "|".join(shelves), "title": " ".join(words).title(), **values}
            file.write(json.dumps(item) + "\n")
            catalogue[item["item_id"]] = {"shelf": shelves, "title": words, **values}
    fields = [
        {"column": "shelf", "kind": "category", "weight": 2},
        {"column": "title", "kind": "text"},
        {"column": "price", "kind": "number", "weight": 0.5},
        {"column": "look", "kind": "vector", "weight": 0.3},
    ]
    (folder / "spec.json").write_text(json.dumps({"version": 1, "fields": fields}))
    return catalogue


def write_users(folder):
    with (folder / "users.jsonl").open("w", encoding="utf-8") as file:
        for number in range(N_USERS):
            tribe = [f"tribe {number % 6}", f"clan {number % 7}"]
            age = None if number % 8 == 0 else 20 + number * 31 % 50
            file.write(json.dumps({"user_id": f"u{number}", "tribe": "|".join(tribe), "age": age}) + "\n")
    fields = [{"column": "tribe", "kind": "category"}, {"column": "age", "kind": "number", "weight": 0.5}]
    (folder / "user_spec.json").write_text(json.dumps({"version": 1, "fields": fields}))


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data.csv"
        run(binary, "synthesize", "--interactions", 20_000, "--users", N_USERS, "--items", N_ITEMS, "-o", data)
        with data.open("a", encoding="utf-8") as file:
            file.write('Sigur Rós,"Ágætis byrjun, 1999"\n"Sigur Rós",007\n007,7\n')
        for algorithm in PARAMETERS:
            check(binary, data, folder, algorithm)
        catalogue = write_items(folder)
        write_users(folder)
        for algorithm, parameters in [*WITH_FEATURES.items(), *LEARNING_FEATURES.items()]:
            check_with_features(binary, data, folder, algorithm, parameters, catalogue)


main()
