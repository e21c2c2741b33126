"""The other side: irspack, implicit and pandas."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time

import numpy
import pandas as pd
import scipy.sparse as sp


def multiplying_speed():
    """Measures OpenBLAS on this machine: billions of floating-point operations a second in a product of matrices of 32-bit floats."""
    size = 4096
    matrix = numpy.ones((size, size), dtype=numpy.float32)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def load(folder):
    """Returns train and test matrices over the union of users and items, numbered in byte order as recotem does."""
    parts = [pd.read_csv(os.path.join(folder, f"{part}.csv.gz"), usecols=["user_id", "item_id"], dtype=str).drop_duplicates() for part in ("train", "test")]
    number = lambda column: {name: index for index, name in enumerate(sorted(set(parts[0][column]) | set(parts[1][column])))}
    users, items = number("user_id"), number("item_id")
    matrix = lambda part: sp.csr_matrix(([1.0] * len(part), (part.user_id.map(users), part.item_id.map(items))), shape=(len(users), len(items)))
    return matrix(parts[0]), matrix(parts[1])


def irspack_run(train, test, algorithm, params, cutoff):
    """Returns seconds of fitting, seconds of evaluation, and ndcg."""
    import irspack

    # implicit's import sets this for itself; irspack's dense algebra needs all cores.
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # its progress bars
        model = getattr(irspack, algorithm)(train, **params).learn()
    fitted = time.perf_counter()
    score = irspack.Evaluator(test, cutoff=cutoff).get_score(model)
    return fitted - start, time.perf_counter() - fitted, score["ndcg"]


def implicit_run(train, test, factors, epochs, cutoff):
    """Runs as irspack_run does, evaluated by irspack's evaluator, which accepts any pair of factors."""
    from threadpoolctl import threadpool_limits

    import irspack
    from implicit.als import AlternatingLeastSquares

    with threadpool_limits(1, "blas"):  # implicit runs threads of its own and asks for this
        model = AlternatingLeastSquares(factors=factors, iterations=epochs, regularization=0.01, alpha=10.0, use_gpu=False, random_state=1)
        start = time.perf_counter()
        model.fit(train, show_progress=False)
        seconds = time.perf_counter() - start
    fitted = irspack.TruncatedSVDRecommender(train, n_components=4).learn()
    fitted.get_score_block = lambda begin, end: model.user_factors[begin:end] @ model.item_factors.T
    fitted.get_score = lambda users: model.user_factors[users] @ model.item_factors.T
    return seconds, irspack.Evaluator(test, cutoff=cutoff).get_score(fitted)["ndcg"]


def pandas_read(path):
    """Reads a CSV into a matrix of ones."""
    start = time.perf_counter()
    frame = pd.read_csv(path, usecols=["user_id", "item_id"], dtype={"user_id": str, "item_id": str})
    users, items = (pd.factorize(frame[column], sort=True) for column in ("user_id", "item_id"))
    matrix = sp.csr_matrix(([1.0] * len(frame), (users[0], items[0])), shape=(len(users[1]), len(items[1])))
    matrix.sum_duplicates()
    return time.perf_counter() - start, matrix.nnz


def optuna_search(folder, algorithms, n_trials):
    """Runs a study with two processes of one thread; returns seconds and the best configuration."""
    worker = os.path.join(os.path.dirname(__file__), "search_worker.py")
    journal = os.path.join("/tmp", f"recotem-peer-study-{os.getpid()}.log")
    start = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "IRSPACK_NUM_THREADS_DEFAULT": "1"}
    command = [sys.executable, worker, folder, journal, str(n_trials), ",".join(algorithms)]
    try:
        processes = [subprocess.Popen(command + [str(number)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for number in range(2)]
        answers = [process.communicate() for process in processes]
        failed = [error for process, (_, error) in zip(processes, answers) if process.returncode != 0]
        if failed:
            raise RuntimeError(failed[0])
        seconds = time.perf_counter() - start
        return seconds, max((json.loads(out.splitlines()[-1]) for out, _ in answers), key=lambda best: best["score"])
    finally:
        if os.path.exists(journal):
            os.remove(journal)
