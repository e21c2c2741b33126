"""One process of a search with irspack and Optuna over several algorithms: python search_worker.py FOLDER JOURNAL TRIALS A,B NUMBER"""

import contextlib
import json
import sys

import irspack
import optuna
from irspack.split import rowwise_train_test_split
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

import peers

CUTOFF = 20
HELD_OUT = 0.1


class Named:
    """Puts the algorithm before the names of its parameters, since algorithms share names but not ranges."""

    def __init__(self, trial, prefix):
        self.trial, self.prefix = trial, prefix

    def __getattr__(self, name):
        attribute = getattr(self.trial, name)
        return (lambda parameter, *a, **k: attribute(f"{self.prefix}.{parameter}", *a, **k)) if name.startswith("suggest_") else attribute


def objective(trial, algorithms, train, evaluator):
    name = trial.suggest_categorical("algorithm", algorithms)
    algorithm = getattr(irspack, name)
    params = algorithm.default_suggest_parameter(Named(trial, name), {})
    model = algorithm(train, **params)
    # Early stopping with the patience that recotem's trials have.
    model.learn_with_optimizer(evaluator, trial, max_epoch=128, validate_epoch=5, score_degradation_max=5)
    learnt = model.learnt_config if hasattr(model, "learnt_config") else {}
    trial.set_user_attr("params", json.dumps({**params, **learnt}, default=float))
    return evaluator.get_score(model)["ndcg"]


def main():
    folder, journal, n_trials, algorithms, number = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    train, _ = peers.load(folder)
    train, held_out = rowwise_train_test_split(train, test_ratio=HELD_OUT, random_state=42)
    evaluator = irspack.Evaluator(held_out, cutoff=CUTOFF, n_threads=1)
    sampler = optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=42 + int(number))
    study = optuna.create_study(study_name="peer", storage=JournalStorage(JournalFileBackend(journal)), direction="maximize", sampler=sampler, pruner=optuna.pruners.MedianPruner(), load_if_exists=True)
    stop = MaxTrialsCallback(int(n_trials), states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))
    names = algorithms.split(",")
    with contextlib.redirect_stdout(sys.stderr):  # irspack's progress bars
        study.optimize(lambda trial: objective(trial, names, train, evaluator), callbacks=[stop])
    best = study.best_trial
    print(json.dumps({"score": best.value, "algorithm": best.params["algorithm"], "params": json.loads(best.user_attrs["params"])}))


main()
