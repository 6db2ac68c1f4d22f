"""L1-penalised least squares by libraries for Python and R (bcd_peer.py says how they are stopped).

    lasso_peers.py PEER    PEER: sklearn-cyclic, sklearn-random, celer, skglm, adelie, glmnet

All get A by columns in double precision with 32-bit indices, minimise 0.5 / n ||A x - y||^2 + lambda / n sum |x_i|
without an intercept and without scaling of columns, and start from x = 0 with nothing kept of earlier runs. They run
on one thread, whatever the others get, as none of them offers more for one penalty and one right side.

sklearn    coordinate descent over all coordinates, cyclic or random
celer      working sets and dual extrapolation
skglm      working sets and Anderson acceleration; compiled by numba during set-up, which is not timed
adelie     coordinate descent over groups, here of one coordinate each; x >= 0 is a constraint on every group
glmnet     coordinate descent with strong rules, for one lambda, through R's package: glmnet_worker.r keeps the problem
           in one R process for all executions, so R's start is not timed; what is, is one call of glmnet()
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings

import bcd_peer

VENV = "from PyPI, for the first python3 in PATH"
SET_UP = "ci/setup --with-peers"
_MANY = 10000  # passes; that many do not bring what a user would wait for


class PythonLasso(bcd_peer.Peer):
    MODULES = ()
    HOW = VENV

    def load(self):
        bcd_peer.require(("numpy", "scipy", *self.MODULES), self.HOW)
        warnings.simplefilter("ignore")  # of iterations that did not suffice: the gap is what is looked at
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")

    def bind(self, problem):
        self._features, self._targets = problem.features, problem.targets
        self._alpha = problem.penalty / problem.rows
        self._positive = problem.nonnegative

    def solve(self, tolerance):
        model = self.model(tolerance)
        model.fit(self._features, self._targets)
        self._iterations = getattr(model, "n_iter_", None)
        return model.coef_.ravel()

    def notes(self):
        count = self._iterations
        return ({} if count is None else {"iterations": float(sum(count) if hasattr(count, "__len__") else count)}), []


class Sklearn(PythonLasso):
    MODULES = ("sklearn",)
    HOW = SET_UP

    def __init__(self, selection):
        self._selection = selection

    def versions(self):
        import sklearn
        return {"scikit-learn": sklearn.__version__}

    def model(self, tolerance):
        from sklearn.linear_model import Lasso
        return Lasso(alpha=self._alpha, positive=self._positive, fit_intercept=False, tol=tolerance,
                     selection=self._selection, random_state=1, max_iter=_MANY)


class Celer(PythonLasso):
    MODULES = ("celer",)

    def versions(self):
        import celer
        return {"celer": celer.__version__}

    def model(self, tolerance):
        import celer
        return celer.Lasso(alpha=self._alpha, positive=self._positive, fit_intercept=False, tol=tolerance,
                           max_epochs=_MANY)


class Skglm(PythonLasso):
    MODULES = ("skglm",)
    grid = bcd_peer.tolerances(1e2, 1e-12)  # of the conditions of optimality, not relative

    def versions(self):
        import skglm
        return {"skglm": skglm.__version__}

    def model(self, tolerance):
        import skglm
        return skglm.Lasso(alpha=self._alpha, positive=self._positive, fit_intercept=False, tol=tolerance,
                           max_epochs=_MANY)


class Adelie(PythonLasso):
    MODULES = ("adelie",)

    def versions(self):
        import adelie
        return {"adelie": adelie.__version__}

    def bind(self, problem):
        import adelie
        import numpy
        super().bind(problem)
        self._constraints = None
        if problem.nonnegative:  # seconds of Python's time for 10000
            self._constraints = [adelie.constraint.lower(numpy.zeros(1)) for _ in range(problem.columns)]
        self._matrix = adelie.matrix.sparse(problem.features, method="naive", n_threads=1)

    def solve(self, tolerance):
        import adelie
        for constraint in self._constraints or ():
            constraint.clear()  # of what it keeps of the last run
        state = adelie.grpnet(self._matrix, adelie.glm.gaussian(self._targets), constraints=self._constraints,
                              intercept=False, tol=tolerance, lmda_path=[self._alpha], progress_bar=False,
                              early_exit=False, n_threads=1)
        self._iterations = None
        return state.betas.toarray()[-1]


class Glmnet(bcd_peer.Peer):
    """R computes; this process holds the pipes."""

    grid = bcd_peer.tolerances(1e-1, 1e-20)

    def load(self):
        bcd_peer.require(("numpy", "scipy"), SET_UP)
        self._process = None

    def versions(self):
        return {"glmnet": self._version}

    def bind(self, problem):
        self._folder = tempfile.TemporaryDirectory()
        features = problem.features
        for name, values in (("starts", features.indptr), ("indices", features.indices), ("values", features.data),
                             ("targets", problem.targets)):
            values.tofile(os.path.join(self._folder.name, name))
        command = ["Rscript", "--vanilla", os.path.join(os.path.dirname(os.path.abspath(__file__)), "glmnet_worker.r"),
                   self._folder.name, str(problem.rows), str(problem.columns),
                   "%.17g" % (problem.penalty / problem.rows), "0" if problem.nonnegative else "-Inf"]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError:
            self.missing("R")
        words = self._process.stdout.readline().split()
        if len(words) != 2:
            self.missing("R's package glmnet")
        self._version = words[1]

    def missing(self, what):
        raise bcd_peer.protocol().Unsupported("not installed: %s (%s)" % (what, SET_UP))

    def solve(self, threshold):
        self.run(threshold)
        return self.fetched()

    def ask(self, words):
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline().split()
        if not reply:
            raise RuntimeError("R ended; its last words are above")
        return reply

    def run(self, threshold):
        passes, cpu_s = self.ask("solve %.17g" % threshold)
        self._iterations = int(passes)
        return int(float(cpu_s) * 1e9)

    def fetched(self):
        import numpy
        self.ask("write")
        return numpy.fromfile(os.path.join(self._folder.name, "x"), dtype=numpy.float64)

    def execute(self):
        self.run(self._setting)

    def sample(self, batch):
        """The time is taken here, with some 50 us for the pipes; the CPU's time is R's."""
        start = time.perf_counter_ns()
        cpu = sum(self.run(self._setting) for _ in range(batch))
        return (time.perf_counter_ns() - start) // batch, cpu // batch

    def answer(self):
        return bcd_peer.answer(self.fetched())

    def notes(self):
        return {"iterations": float(self._iterations)}, []

    def close(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._folder.cleanup()
            self._process = None


PEERS = {
    "sklearn-cyclic": lambda: Sklearn("cyclic"),
    "sklearn-random": lambda: Sklearn("random"),
    "celer": Celer,
    "skglm": Skglm,
    "adelie": Adelie,
    "glmnet": Glmnet,
}


def main(words):
    if len(words) != 1 or words[0] not in PEERS:
        sys.exit("usage: lasso_peers.py %s" % "|".join(PEERS))
    peer = PEERS[words[0]]()
    bcd_peer.start_with(["numpy", "scipy", *getattr(peer, "MODULES", ())])
    bcd_peer.protocol().serve(peer)


if __name__ == "__main__":
    main(sys.argv[1:])
