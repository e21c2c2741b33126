"""Fits, evaluates, reads and searches with recotem and with other packages, in turns, and prints medians and ratios."""

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time

import irspack

import cases
import peers

CUTOFF = 20
COLUMNS = ["--user-column", "user_id", "--item-column", "item_id"]


def run_json(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def recotem_run(binary, folder, algorithm, params):
    command = [binary, "evaluate", "--train", f"{folder}/train.csv.gz", "--test", f"{folder}/test.csv.gz", *COLUMNS]
    answer = run_json([*command, "--algorithm", algorithm, "--params", json.dumps(params), "--cutoff", str(CUTOFF), "--json"])
    return answer["fit_seconds"], answer["evaluate_seconds"], answer["metrics"]["ndcg"]


def medians(runs):
    return [statistics.median(values) for values in zip(*runs)]


def row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def verdict(ratio, target):
    return f"{ratio:.1f}x of {target:g}x" + ("" if ratio >= target else " **missed**")


def short(case):
    name = case.algorithm.removesuffix("Recommender")
    extra = [str(case.params[key]) for key in ("n_components", "solver_type") if key in case.params]
    return "-".join([name, *extra])


def compare_case(binary, folder, case, matrices, rounds):
    train, test = matrices
    ours, theirs, implicits = [], [], []
    for _ in range(case.rounds or rounds):
        ours.append(recotem_run(binary, folder, case.algorithm, case.params))
        theirs.append(peers.irspack_run(train, test, case.algorithm, case.params, CUTOFF))
        if case.implicit_factors:
            implicits.append(peers.implicit_run(train, test, case.implicit_factors, case.params["train_epochs"], CUTOFF))
    (fit, judge, ndcg), (their_fit, their_judge, their_ndcg) = medians(ours), medians(theirs)
    peer, peer_fit, peer_ndcg = "irspack", their_fit, their_ndcg
    if implicits and (other := medians(implicits))[0] < their_fit:
        peer, (peer_fit, peer_ndcg) = "implicit", other
    where = os.path.basename(folder)
    row(["fit", where, short(case), f"{fit:.2f} s", f"{peer} {peer_fit:.2f} s", verdict(peer_fit / fit, case.fit_target), f"{ndcg:.4f}", f"{peer_ndcg:.4f}"])
    row(["evaluate", where, short(case), f"{judge:.2f} s", f"irspack {their_judge:.2f} s", verdict(their_judge / judge, case.evaluate_target), f"{ndcg:.4f}", f"{their_ndcg:.4f}"])


def compare_cases(binary, folders, rows, rounds):
    for folder in folders:
        matrices = peers.load(folder)
        where = os.path.basename(folder)
        for case in cases.CASES:
            if (rows and case.row not in rows) or (case.sets and where not in case.sets):
                continue
            if where in case.why_not:
                fit, judge, ndcg = recotem_run(binary, folder, case.algorithm, case.params)
                row(["fit", where, short(case), f"{fit:.2f} s", case.why_not[where], "", f"{ndcg:.4f}", ""])
                continue
            compare_case(binary, folder, case, matrices, rounds)


def compare_reading(binary, folders, rounds):
    """Reads the largest training file, unpacked and packed."""
    largest = max(folders, key=lambda folder: os.path.getsize(f"{folder}/train.csv.gz"))
    with tempfile.TemporaryDirectory() as scratch:
        packed, plain = f"{largest}/train.csv.gz", f"{scratch}/train.csv"
        with gzip.open(packed) as source, open(plain, "wb") as target:
            shutil.copyfileobj(source, target)
        for path in (plain, packed):
            read = lambda: run_json([binary, "train", path, *COLUMNS, "--algorithm", "TopPop", "--output", f"{scratch}/model", "--json"])["read_seconds"]
            ours, theirs = zip(*((read(), peers.pandas_read(path)) for _ in range(rounds)))
            seconds, (their_seconds, rows) = statistics.median(ours), medians(theirs)
            name = os.path.basename(largest) + (" .csv.gz" if path == packed else " .csv")
            row(["read", name, f"{rows:,.0f} rows", f"{seconds:.3f} s", f"pandas {their_seconds:.3f} s", verdict(their_seconds / seconds, cases.READ_TARGET), "", ""])


def compare_search(binary, folders):
    """Searches with both on the training file; the same command evaluates the winners on the test file."""
    for folder in folders:
        command = [binary, "tune", f"{folder}/train.csv.gz", *COLUMNS, "--algorithms", ",".join(cases.SEARCHED), "--n-trials", str(cases.SEARCH_TRIALS)]
        start = time.perf_counter()
        best = run_json([*command, "--workers", "2", "--json"])["best"]
        seconds = time.perf_counter() - start
        their_seconds, their_best = peers.optuna_search(folder, cases.SEARCHED, cases.SEARCH_TRIALS)
        judged = [recotem_run(binary, folder, found["algorithm"], found[key])[2] for found, key in ((best, "parameters"), (their_best, "params"))]
        what = f"{cases.SEARCH_TRIALS} trials"
        row(["search", os.path.basename(folder), what, f"{seconds:.0f} s", f"irspack + Optuna {their_seconds:.0f} s", verdict(their_seconds / seconds, cases.SEARCH_TARGET), *(f"{ndcg:.4f}" for ndcg in judged)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("data")
    parser.add_argument("--rows", default="", help="which of: ials, ials-solvers, knn, walks, dense, slim, vae, read, search; all by default")
    parser.add_argument("--sets", default="", help="names of data sets; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows, sets = (set(filter(None, text.split(","))) for text in (args.rows, args.sets))
    folders = sorted(entry.path for entry in os.scandir(args.data) if os.path.exists(os.path.join(entry.path, "train.csv.gz")) and (not sets or entry.name in sets))
    if not folders:
        raise SystemExit(f"there is no folder with train.csv.gz and test.csv.gz in {args.data}")
    version = subprocess.run([args.binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"{version} on {os.cpu_count()} cores ({platform.machine()}), irspack {irspack.__version__}; medians of {args.rounds} rounds, turn about; the last two columns are ndcg@{CUTOFF}; OpenBLAS multiplies floats at {peers.multiplying_speed():.0f} GFLOP/s\n", flush=True)
    row(["work", "data", "what", "recotem", "peer", "ratio", "recotem", "peer"])
    row(["---"] * 8)
    compare_cases(args.binary, folders, rows, args.rounds)
    if not rows or "read" in rows:
        compare_reading(args.binary, folders, args.rounds)
    if not rows or "search" in rows:
        compare_search(args.binary, [folder for folder in folders if os.path.basename(folder) == "ml-1m"] or folders[:1])


main()
