"""Generates interactions of several sizes and prints seconds and peak memory of reading, fitting and evaluation."""

import json
import os
import platform
import subprocess
import sys

ALGORITHMS = [
    ("iALS-64, 16 epochs", "IALSRecommender", {"n_components": 64, "alpha0": 0.1, "reg": 0.003, "train_epochs": 16}),
    ("RP3beta, top 100", "RP3betaRecommender", {"top_k": 100, "beta": 0.3, "normalize_weight": True}),
]


def evaluate(binary, folder, algorithm, params):
    command = [binary, "evaluate", "--train", f"{folder}/train.csv", "--test", f"{folder}/test.csv", "--algorithm", algorithm, "--params", json.dumps(params), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    binary, folder, *sizes = sys.argv[1:]
    print(f"{os.cpu_count()} cores, {platform.machine()}; made-up interactions, a tenth of each user's held out; every user is judged\n")
    print("| interactions | users x items | algorithm | read | fit | judge | peak memory | ndcg@20 |\n|---:|---|---|---:|---:|---:|---:|---:|")
    for size in map(int, sizes):
        made = [binary, "synthesize", "--interactions", str(size), "--output", f"{folder}/train.csv", "--held-out", f"{folder}/test.csv"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        for name, algorithm, params in ALGORITHMS:
            found = evaluate(binary, folder, algorithm, params)
            shape = f"{found['n_users']:,} x {found['n_items']:,}"
            seconds = " | ".join(f"{found[part]:.1f} s" for part in ("read_seconds", "fit_seconds", "evaluate_seconds"))
            print(f"| {size:,} | {shape} | {name} | {seconds} | {found['peak_rss_bytes'] / 2**20:,.0f} MiB | {found['metrics']['ndcg']:.4f} |", flush=True)


main()
