"""Recommends new items with recotem and with other packages, and prints a table for each data set and the goals."""

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import cases
import features
import folds
import goals
import metrics
import peers
import recotem


@dataclass
class Board:
    """All that was measured on one data set."""

    data_set: cases.DataSet
    rows: dict = field(default_factory=dict)
    speed: tuple = ()
    """Seconds and ndcg of feature-aware iALS, of recotem and of irspack."""

    def add(self, row, tried):
        self.rows[row.name] = row
        low, high = row.interval()
        cells = [row.name, f"{row.ndcg():.4f}", f"{low:.4f} to {high:.4f}", f"{row.recall():.4f}", f"{row.seconds():.2f} s", tried]
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
        for outcome in row.outcomes:
            print(f"{self.data_set.name}: {row.name}: {outcome.ndcg.mean():.4f} with {outcome.setting}", file=sys.stderr)

    def best(self):
        """Returns recotem's model of each fold with the best ndcg within training, as one row."""
        ours = [row for name, row in self.rows.items() if name.startswith("recotem: ")]
        chosen = [max(outcomes, key=lambda outcome: outcome.chosen_by) for outcomes in zip(*(row.outcomes for row in ours))]
        return metrics.Row("best within training", chosen)


def judge_peer(peer, parts, threads):
    """Chooses the peer's setting on known items only, then fits and judges it once, on every fold."""
    outcomes = []
    for part in parts:
        setting, within = peer.settings[0], float("nan")
        if len(peer.settings) > 1:
            judged = [(metrics.judge(peer.run(part.inner, part.inner_features, setting, threads)[0], part.inner).ndcg.mean(), setting) for setting in peer.settings]
            within, setting = max(judged, key=lambda pair: pair[0])
        scores, seconds = peer.run(part.fold, part.features, setting, threads)
        values = metrics.judge(scores, part.fold)
        outcomes.append(metrics.Outcome(values.ndcg, values.recall.mean(), seconds, setting, within))
    return metrics.Row(peer.name, outcomes)


def judge_candidate(program, candidate, parts):
    """Does the same with an algorithm of recotem."""
    outcomes = []
    for part in parts:
        judged = [(program.ndcg(part.inner_files, candidate.algorithm, setting), setting) for setting in candidate.settings]
        within, setting = max(judged, key=lambda pair: pair[0])
        outcomes.append(program.outcome(part.fold, part.files, candidate, setting, within))
    return metrics.Row("recotem: " + candidate.name, outcomes)


class Part:
    """One fold with the one inside its training data, and the features and files of both."""

    def __init__(self, data_set, rows, items, seed, folder):
        self.fold = folds.split(rows, items, seed)
        self.inner = self.fold.within()
        self.features, self.inner_features = (features.encode(fold, data_set.fields) for fold in (self.fold, self.inner))
        self.files = self.fold.write(folder / "whole", data_set.spec())
        self.inner_files = self.inner.write(folder / "within", data_set.spec())


def measure_speed(program, part, candidate, row):
    """Fits feature-aware iALS of both with the setting that irspack chose, in turn."""
    setting = row.outcomes[0].setting
    ours = program.fit_seconds(part.files, candidate.algorithm, setting), program.ndcg(part.files, candidate.algorithm, setting)
    seconds = sorted(peers.seconds_of_feature_ials(part.fold, part.features, setting, program.threads) for _ in range(recotem.FIT_ROUNDS))
    return ours, (seconds[len(seconds) // 2], row.outcomes[0].ndcg.mean())


def compare(data_set, folder, program, threads, failures):
    rows, items = folds.load(data_set, folder / data_set.name)
    board = Board(data_set)
    print(f"\n## {data_set.name}: {rows.user_id.nunique():,} users, {len(items):,} items, {len(rows):,} interactions, {data_set.folds} folds\n")
    print(f"| model | ndcg@{cases.CUTOFF} | 95 % interval | recall@{cases.CUTOFF} | fit | settings tried |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        parts = [Part(data_set, rows, items, seed, Path(scratch) / str(seed)) for seed in range(data_set.folds)]
        for peer in peers.PEERS:
            board.add(judge_peer(peer, parts, threads), len(peer.settings))
        for candidate in cases.CANDIDATES if program else []:
            try:
                if not program.offers(parts[0].inner_files, candidate):
                    continue
                board.add(judge_candidate(program, candidate, parts), len(candidate.settings))
                if candidate.needs and data_set.name == cases.SPEED_SET:
                    board.speed = measure_speed(program, parts[0], candidate, board.rows[peers.FEATURE_IALS.name])
            except recotem.Failed as failure:
                failures.append(str(failure))
        if program and not failures:
            board.add(board.best(), "")
    return board


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--binary", help="recotem")
    side.add_argument("--peers-only", action="store_true", help="leave recotem out")
    parser.add_argument("--sets", default="", help="names of data sets; all by default")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    wanted = set(filter(None, args.sets.split(",")))
    program = None if args.peers_only else recotem.Recotem(args.binary, args.threads)
    data_sets = [data_set for data_set in cases.DATA_SETS if not wanted or data_set.name in wanted]
    missing = [data_set.name for data_set in data_sets if not (args.data / data_set.name / "items.csv.gz").exists()]
    if missing or not data_sets:
        names = ", ".join(data_set.name for data_set in cases.DATA_SETS)
        raise SystemExit(f"{args.data} has no {', '.join(missing)}" if missing else f"--sets knows {names}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("irspack", "lightfm-next", "scikit-learn", "numpy"))
    print(f"{program.version() if program else 'peers only'} on {os.cpu_count()} cores ({platform.machine()}), threads: {args.threads}; {versions}", flush=True)
    failures = []
    boards = {data_set.name: compare(data_set, args.data, program, args.threads, failures) for data_set in data_sets}
    if failures:
        raise SystemExit("\n".join(["", "Failed:", *failures]))
    if program:
        goals.print_goals(boards)


main()
