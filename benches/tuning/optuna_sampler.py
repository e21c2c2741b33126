"""Optuna's TPE, controlled by lines of JSON.

{"seed", "spaces"} begins a study, {"past"} is a trial of another sampler, {"ask"} is answered, {"tell", "score"} is not.
"""

import json
import sys
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def suggest(trial, algorithm, name, domain):
    name = f"{algorithm}.{name}"  # the conditional space: parameters of different algorithms are different parameters
    if "choices" in domain:
        return trial.suggest_categorical(name, domain["choices"])
    kind = "int" if "int" in domain else "float"
    return getattr(trial, f"suggest_{kind}")(name, *domain[kind], log=domain["log"])


def distribution(domain):
    if "choices" in domain:
        return CategoricalDistribution(domain["choices"])
    return IntDistribution(*domain["int"], log=domain["log"]) if "int" in domain else FloatDistribution(*domain["float"], log=domain["log"])


def past_trial(past, spaces):
    algorithm = past["algorithm"]
    distributions = {f"{algorithm}.{name}": distribution(domain) for name, domain in spaces[algorithm].items()}
    params = {f"{algorithm}.{name}": value for name, value in past["params"].items()}
    distributions["algorithm"], params["algorithm"] = CategoricalDistribution(sorted(spaces)), algorithm
    return optuna.trial.create_trial(params=params, distributions=distributions, value=past["score"])


study, spaces = None, {}
for line in sys.stdin:
    message = json.loads(line)
    if "spaces" in message:
        spaces = message["spaces"]
        sampler = optuna.samplers.TPESampler(seed=message["seed"], multivariate=True, group=True, constant_liar=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
    elif "past" in message:
        study.add_trial(past_trial(message["past"], spaces))
    elif "ask" in message:
        trial = study.ask()
        algorithm = trial.suggest_categorical("algorithm", sorted(spaces))
        params = {name: suggest(trial, algorithm, name, domain) for name, domain in spaces[algorithm].items()}
        print(json.dumps({"number": trial.number, "algorithm": algorithm, "params": params}), flush=True)
    else:
        study.tell(message["tell"], message["score"])
