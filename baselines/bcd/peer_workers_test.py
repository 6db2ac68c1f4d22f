"""The workers of this folder over their pipes.

    peer_workers_test.py missing    without their packages: a reason, quickly, and no stack trace
    peer_workers_test.py PACKAGE    with it: answers against the optimum, found in plain Python; exit code 77 where it
                                    is missing. PACKAGE: sklearn, celer, skglm, adelie, glmnet, petsc, pyamg;
                                    logistic-sklearn, logistic-celer, logistic-skglm
"""

import array
import json
import math
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "harness", "run", "peer"))
SKIPPED = 77
GOAL = 1e-8
LASSO = {"sklearn": ("sklearn-cyclic", "sklearn-random"), "celer": ("celer",), "skglm": ("skglm",),
         "adelie": ("adelie",), "glmnet": ("glmnet",)}
LOGISTIC = {"logistic-sklearn": ("sklearn-liblinear", "sklearn-saga"), "logistic-celer": ("celer",),
            "logistic-skglm": ("skglm",)}
LATTICE = {"petsc": ("petsc-gamg", "petsc-sor", "petsc-icc", "petsc-jacobi"), "pyamg": ("pyamg",)}
PEERS = {**LASSO, **LOGISTIC, **LATTICE}


def check(condition, what):
    if not condition:
        sys.stderr.write("failed: %s\n" % (what,))
        sys.exit(1)


def peer():
    import ashlar_peer  # takes standard output for itself, so not before the tests need it
    return ashlar_peer


class Worker:
    def __init__(self, script, name, python=(), **environment):
        self._process = subprocess.Popen(
            [sys.executable, *python, os.path.join(HERE, script), name], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, OMP_NUM_THREADS="1", **environment))

    def ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def open(self, path):
        return self.ask(do="open", suite="bcd", experiment="any", mode="full", point={}, seed=1, tensors=path)

    def end(self):
        _, errors = self._process.communicate(timeout=60)
        return errors


def tensor(kind, values):
    code = {"F64": "d", "I64": "q", "I32": "i"}[kind]
    return peer().Tensor(kind, [len(values)], array.array(code, values).tobytes())


def lines(dense):
    """(starts, indices, values) of the rows of a dense matrix."""
    starts, indices, values = [0], [], []
    for row in dense:
        for column, value in enumerate(row):
            if value != 0:
                indices.append(column)
                values.append(value)
        starts.append(len(indices))
    return starts, indices, values


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


class Lasso:
    """Coordinate descent until nothing changes, and a duality gap that proves the result."""

    script = "lasso_peers.py"

    def __init__(self, rows, columns, nonnegative):
        generator = random.Random(11)
        gauss = lambda: generator.gauss(0, 1)
        self.columns = [[(gauss() + 1) * scale if generator.random() < 0.4 or row == column % rows else 0.0
                         for row in range(rows)]
                        for column, scale in enumerate(10 * gauss() for _ in range(columns))]
        self.targets = [30 * gauss() + 10 for _ in range(rows)]
        self.nonnegative = nonnegative
        self.penalty = 0.1 * max(abs(dot(column, self.targets)) for column in self.columns)
        self.exact = self._minimise()
        self.optimum = self.value(self.exact)

    def residual(self, x):
        return [sum(column[row] * element for column, element in zip(self.columns, x)) - target
                for row, target in enumerate(self.targets)]

    def value(self, x):
        residual = self.residual(x)
        return 0.5 * dot(residual, residual) + self.penalty * sum(map(abs, x))

    def _minimise(self):
        x = [0.0] * len(self.columns)
        residual = self.residual(x)
        for _ in range(100000):
            change = 0.0
            for i, column in enumerate(self.columns):
                curvature = dot(column, column)
                point = x[i] - dot(column, residual) / curvature
                moved = max(0.0, abs(point) - self.penalty / curvature) * (1 if point > 0 else -1)
                if self.nonnegative:
                    moved = max(0.0, moved)
                if moved != x[i]:
                    residual = [r + (moved - x[i]) * a for r, a in zip(residual, column)]
                    change = max(change, abs(moved - x[i]))
                    x[i] = moved
            if change < 1e-14:
                break
        slopes = [dot(column, self.residual(x)) for column in self.columns]
        for element, slope in zip(x, slopes):
            off = abs(slope + self.penalty * (1 if element > 0 else -1)) if element else max(
                0.0, (-slope if self.nonnegative else abs(slope)) - self.penalty)
            check(off < 1e-9 * self.penalty, "the test's own minimiser is off by %g" % off)
        return x

    def tensors(self, optimum):
        starts, indices, values = lines(self.columns)
        return {"features.starts": tensor("I64", starts), "features.indices": tensor("I32", indices),
                "features.values": tensor("F64", values), "targets": tensor("F64", self.targets),
                "lambda": tensor("F64", [self.penalty]), "nonnegative": tensor("F64", [float(self.nonnegative)]),
                "optimum": tensor("F64", [optimum]), "target": tensor("F64", [GOAL])}


class Logistic(Lasso):
    """Coordinate descent by the quadratic bound, and conditions of optimality that prove the result. Features of one
    size, so that peers which know no curvature come to an end."""

    script = "logistic_peers.py"

    def __init__(self, rows, columns):
        generator = random.Random(3)
        self.columns = [[generator.gauss(0, 1) if generator.random() < 0.6 or row == column % rows else 0.0
                         for row in range(rows)] for column in range(columns)]
        self.targets = [1.0 if generator.random() < 0.5 else -1.0 for _ in range(rows)]
        self.nonnegative = False
        self.penalty = 0.2 * max(abs(slope) for slope in self.slopes([0.0] * columns))
        self.exact = self._minimise()
        self.optimum = self.value(self.exact)

    def margins(self, x):
        return [target * sum(column[row] * element for column, element in zip(self.columns, x))
                for row, target in enumerate(self.targets)]

    def slopes(self, x):
        by_row = [-target / (1 + math.exp(margin)) for target, margin in zip(self.targets, self.margins(x))]
        return [dot(column, by_row) for column in self.columns]

    def value(self, x):
        return sum(math.log1p(math.exp(-margin)) for margin in self.margins(x)) + self.penalty * sum(map(abs, x))

    def _minimise(self):
        x = [0.0] * len(self.columns)
        for _ in range(3000):
            before = list(x)
            for i, column in enumerate(self.columns):
                curvature = 0.25 * dot(column, column)
                by_row = [-target / (1 + math.exp(margin)) for target, margin in zip(self.targets, self.margins(x))]
                point = x[i] - dot(column, by_row) / curvature
                x[i] = max(0.0, abs(point) - self.penalty / curvature) * (1 if point > 0 else -1)
            if max(abs(a - b) for a, b in zip(x, before)) < 1e-13:
                break
        for element, slope in zip(x, self.slopes(x)):
            off = abs(slope + self.penalty * (1 if element > 0 else -1)) if element else abs(slope) - self.penalty
            check(off < 1e-9 * self.penalty, "the test's own minimiser is off by %g" % off)
        return x


class Lattice:
    """A grid with one node tied to a value; solved by elimination."""

    script = "lattice_peers.py"

    def __init__(self, rows, columns):
        generator = random.Random(5)
        size = rows * columns
        self.matrix = [[0.0] * size for _ in range(size)]
        self.matrix[0][0] = 1e5
        for node in range(size):
            for other in ([node + 1] if (node + 1) % rows else []) + ([node + rows] if node + rows < size else []):
                self.matrix[node][other] = self.matrix[other][node] = -1e5
                self.matrix[node][node] += 1e5
                self.matrix[other][other] += 1e5
        self.linear = [1e5 * generator.gauss(0, 1) for _ in range(size)]
        self.exact = self._minimise()
        self.optimum = self.value(self.exact)

    def value(self, x):
        return dot([0.5 * dot(row, x) for row in self.matrix], x) - dot(self.linear, x)

    def _minimise(self):
        rows = [row + [right] for row, right in zip(self.matrix, self.linear)]
        size = len(rows)
        for i in range(size):
            for j in range(i + 1, size):
                factor = rows[j][i] / rows[i][i]
                if factor:
                    rows[j] = [b - factor * a for a, b in zip(rows[i], rows[j])]
        x = [0.0] * size
        for i in reversed(range(size)):
            x[i] = (rows[i][size] - dot(rows[i][i + 1:size], x[i + 1:])) / rows[i][i]
        return x

    def tensors(self, optimum):
        starts, indices, values = lines(self.matrix)
        return {"matrix.starts": tensor("I64", starts), "matrix.indices": tensor("I32", indices),
                "matrix.values": tensor("F64", values), "linear": tensor("F64", self.linear),
                "optimum": tensor("F64", [optimum]), "target": tensor("F64", [GOAL])}


def accepted(problem, x):
    """The check of an answer: allowed, and at the gap that was asked for."""
    if len(x) != len(problem.exact) or (getattr(problem, "nonnegative", False) and min(x) < 0):
        return False
    return problem.value(x) - problem.optimum <= 1.001 * GOAL * abs(problem.optimum)


def test_check(problem):
    """The check rejects what is not the answer."""
    check(accepted(problem, problem.exact), "the minimiser is rejected")
    check(not accepted(problem, [0.0] * len(problem.exact)), "0 is accepted")
    check(not accepted(problem, problem.exact[:-1]), "a short answer is accepted")
    largest = max(range(len(problem.exact)), key=lambda i: abs(problem.exact[i]))
    wrong = list(problem.exact)
    wrong[largest] *= 1.01
    check(not accepted(problem, wrong), "an answer that is off by 1 % in one place is accepted")


def write(folder, problem, optimum):
    path = os.path.join(folder, "problem.safetensors")
    peer().write_tensors(path, problem.tensors(optimum))
    return path


def read_answer(answer):
    check(answer["ok"], answer)
    tensors = peer().read_tensors(answer["answer"])
    check(list(tensors) == ["x"] and tensors["x"].dtype == "F64", tensors)
    return list(array.array("d", tensors["x"].data))


def test_open(worker, folder, problem):
    opened = worker.open(write(folder, problem, problem.optimum))
    if not opened["ok"] and opened["error"].startswith("not installed: "):
        sys.stderr.write("skipped: %s\n" % opened["error"])
        sys.exit(SKIPPED)
    check(opened["ok"], opened)
    check(float(opened["software"]["relative_gap"]) <= GOAL and len(opened["software"]) == 3, opened)


def test_refusals(worker, folder, problem):
    """A gap that cannot be reached, and an optimum that is none, end in a line that says so."""
    unreachable = worker.open(write(folder, problem, problem.optimum - 1e-6 * abs(problem.optimum)))
    check(not unreachable["ok"] and unreachable["error"].startswith("did not reach a relative gap of 1e-08"),
          unreachable)
    wrong = worker.open(write(folder, problem, problem.optimum + 1e-3 * abs(problem.optimum)))
    check(not wrong["ok"] and "below 0: the optimum" in wrong["error"], wrong)


def test_answers(folder, name, problems, refusals):
    """One process for all, as what the peers import takes seconds."""
    worker = Worker(problems[0].script, name)
    check(worker.ask(do="hello", protocol=1)["ok"], "hello")
    for problem in problems:
        test_open(worker, folder, problem)
        first = read_answer(worker.ask(do="verify", implementation=name))
        check(accepted(problem, first), (name, first))
        sampled = worker.ask(do="sample", implementation=name, n=3, batch=2)
        check(sampled["ok"] and len(sampled["wall_ns"]) == 3 and min(sampled["wall_ns"]) > 0, sampled)
        again = read_answer(worker.ask(do="verify", implementation=name, again=True))
        check(again == first, "another answer after samples: executions are not from a cold start")
        check(worker.ask(do="close")["ok"], "close")
    if refusals:
        test_refusals(worker, folder, problems[0])
    worker.end()


def small_problem(package):
    return Lasso(4, 3, True) if package in LASSO else Lattice(2, 2) if package in LATTICE else Logistic(6, 3)


def problems_of(package):
    if package in LASSO:
        return [Lasso(15, 24, True), Lasso(15, 24, False)]
    return [Lattice(9, 7)] if package in LATTICE else [Logistic(24, 10)]


def test_missing(folder):
    for package, names in PEERS.items():
        problem = small_problem(package)
        path = write(folder, problem, problem.optimum)
        for name in names:
            worker = Worker(problem.script, name, python=("-S",))  # without site-packages there is nothing
            check(worker.ask(do="hello", protocol=1)["ok"], "hello")
            answer = worker.open(path)
            check(not answer["ok"] and answer["error"].startswith("not installed: numpy, scipy"), answer)
            debian = ("sklearn", "logistic-sklearn", "glmnet", "petsc")
            how = "ci/setup --with-peers" if package in debian else "from PyPI"
            check(how in answer["error"] and "\n" not in answer["error"], answer)
            check(worker.open(path) == answer, "the worker lives on")
            check(worker.end() == "", "something was printed")
    for script in ("lasso_peers.py", "logistic_peers.py", "lattice_peers.py"):
        ended = subprocess.run([sys.executable, os.path.join(HERE, script), "no-such-peer"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        check(ended.returncode == 1 and ended.stderr.startswith("usage: " + script), ended)


def test_no_r(folder):
    problem = Lasso(4, 3, True)
    rscript = os.path.join(folder, "Rscript")
    for what, script in (("R", None), ("R's package glmnet", "#!/bin/sh\nexit 1\n")):
        if script:  # an R without the package ends like that
            with open(rscript, "w") as file:
                file.write(script)
            os.chmod(rscript, 0o755)
        worker = Worker("lasso_peers.py", "glmnet", PATH=folder)
        answer = worker.open(write(folder, problem, problem.optimum))
        check(answer == {"ok": False, "error": "not installed: %s (ci/setup --with-peers)" % what}, answer)
        check(worker.end() == "", "something was printed")


def main():
    package = sys.argv[1] if len(sys.argv) == 2 else ""
    with tempfile.TemporaryDirectory() as folder:
        if package == "missing":
            test_missing(folder)
        elif package in PEERS:
            problems = problems_of(package)
            for problem in problems:
                test_check(problem)
            names = PEERS[package]
            for name in names:
                test_answers(folder, name, problems, refusals=name == names[0])
            if package == "glmnet":
                test_no_r(folder)
        else:
            sys.exit("usage: peer_workers_test.py missing|%s" % "|".join(PEERS))


if __name__ == "__main__":
    main()
