"""Runs the given program's `evaluate` on the files of a fold."""

import json
import subprocess
from dataclasses import dataclass

import numpy as np
import pandas as pd

import cases
import metrics

FIT_ROUNDS = 3


class Failed(Exception):
    """What the program said, or what is wrong with its answer."""


@dataclass
class Recotem:
    binary: str
    threads: int

    def version(self):
        return subprocess.run([self.binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()

    def evaluate(self, files, algorithm, params, *more):
        """Returns the JSON that the program prints for one algorithm on one fold."""
        arguments = [part for name in ("train", "test", "items") for part in (f"--{name}", files / f"{name}.csv")]
        arguments += ["--item-features", files / "spec.json", "--algorithm", algorithm, "--params", json.dumps(params)]
        arguments += ["--cutoff", str(cases.CUTOFF), "--threads", str(self.threads), "--json", *more]
        done = subprocess.run([self.binary, "evaluate", *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"recotem evaluate --algorithm {algorithm} --params '{json.dumps(params)}' failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def ndcg(self, files, algorithm, params):
        return self.evaluate(files, algorithm, params)["cold"]["metrics"]["ndcg"]

    def offers(self, files, candidate):
        """Says whether the algorithm takes the parameter that the candidate needs."""
        if not candidate.needs:
            return True
        try:
            self.evaluate(files, candidate.algorithm, candidate.settings[0])
        except Failed as failure:
            if f'has no parameter "{candidate.needs}"' in str(failure):
                return False
            raise
        return True

    def outcome(self, fold, files, candidate, params, chosen_by):
        """Fits and judges once, and checks that recotem judged the same users as the peers are judged on."""
        values = files / "per-user.csv"
        answer = self.evaluate(files, candidate.algorithm, params, "--per-user", values)
        ndcg = pd.read_csv(values, dtype={"user_id": str}, keep_default_na=False).set_index("user_id").cold_ndcg.astype(float)
        cold = answer["cold"]["metrics"]
        expected = {fold.users[user] for user in np.flatnonzero(np.diff(fold.test.indptr))}
        if set(ndcg.index) != expected:
            raise Failed(f"{candidate.name} was judged on {len(ndcg)} users; {len(expected)} have new items to find")
        if abs(ndcg.mean() - cold["ndcg"]) > 1e-6:
            raise Failed(f"{candidate.name}: the mean of {values.name} is {ndcg.mean()}, cold.metrics.ndcg is {cold['ndcg']}")
        return metrics.Outcome(ndcg, cold["recall"], answer["fit_seconds"], params, chosen_by)

    def fit_seconds(self, files, algorithm, params):
        return float(np.median([self.evaluate(files, algorithm, params)["fit_seconds"] for _ in range(FIT_ROUNDS)]))
