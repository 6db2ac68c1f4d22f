"""L1-penalised logistic regression by libraries for Python (bcd_peer.py says how they are stopped).

    logistic_peers.py PEER    PEER: sklearn-liblinear, sklearn-saga, celer, skglm

All get A in double precision with 32-bit indices, minimise sum log(1 + exp(-y a'x)) + lambda sum |x_i| (some divided by
lambda or by n) without an intercept and without scaling of columns, and start from x = 0. They run on one thread.

sklearn-liblinear  LIBLINEAR's solver 6 through scikit-learn, which checks and copies A first
sklearn-saga       stochastic average gradients with proximal steps
celer              working sets, dual extrapolation and Newton steps
skglm              working sets and Newton steps; compiled by numba during set-up, which is not timed
"""

import math
import os
import sys
import warnings

import bcd_peer

VENV = "from PyPI, for the first python3 in PATH"
SET_UP = "ci/setup --with-peers"


class Logistic(bcd_peer.Lasso):
    """sum log(1 + exp(-y a'x)) + lambda sum |x_i|."""

    def gap(self, x):
        """Relative; infinite for an x that is none."""
        import numpy
        if not numpy.all(numpy.isfinite(x)):
            return math.inf
        value = numpy.logaddexp(0, -self.targets * (self.features @ x)).sum() + self.penalty * numpy.abs(x).sum()
        return (value - self.optimum) / abs(self.optimum)


class PythonLogistic(bcd_peer.Peer):
    problem = Logistic
    MODULES = ()
    HOW = VENV
    MANY = 1000  # of the peer's own iterations

    def load(self):
        bcd_peer.require(("numpy", "scipy", *self.MODULES), self.HOW)
        warnings.simplefilter("ignore")  # of iterations that did not suffice: the gap is what is looked at
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")

    def bind(self, problem):
        if problem.nonnegative:
            raise bcd_peer.protocol().Unsupported("x >= 0 is not offered")
        self._features, self._targets, self._rows = self.layout(problem.features), problem.targets, problem.rows
        self._penalty = problem.penalty

    def layout(self, features):
        return features

    def solve(self, tolerance):
        model = self.model(tolerance)
        model.fit(self._features, self._targets)
        count = getattr(model, "n_iter_", None)
        self._iterations = None if count is None else float(sum(count) if hasattr(count, "__len__") else count)
        x = model.coef_.ravel()
        if self._iterations is not None and self._iterations >= self.MANY and self._problem.gap(x) > self._problem.goal:
            raise bcd_peer.protocol().Unsupported("did not reach a relative gap of %.3g in %d iterations: %.3g"
                                                  % (self._problem.goal, self.MANY, self._problem.gap(x)))
        return x

    def notes(self):
        return ({} if self._iterations is None else {"iterations": self._iterations}), []


class Sklearn(PythonLogistic):
    MODULES = ("sklearn",)
    HOW = SET_UP

    def __init__(self, solver):
        self._solver = solver
        if solver == "saga":
            self.MANY = 200  # passes, each of which looks at every entry

    def layout(self, features):
        return features.tocsr()

    def versions(self):
        import sklearn
        return {"scikit-learn": sklearn.__version__}

    def model(self, tolerance):
        from sklearn.linear_model import LogisticRegression
        return LogisticRegression(penalty="l1", C=1 / self._penalty, fit_intercept=False, tol=tolerance,
                                  solver=self._solver, random_state=1, max_iter=self.MANY)


class Celer(PythonLogistic):
    MODULES = ("celer",)

    def versions(self):
        import celer
        return {"celer": celer.__version__}

    def model(self, tolerance):
        import celer
        return celer.LogisticRegression(C=1 / self._penalty, penalty="l1", fit_intercept=False, tol=tolerance,
                                        max_iter=self.MANY, max_epochs=50000)


class Skglm(PythonLogistic):
    MODULES = ("skglm",)
    grid = bcd_peer.tolerances(1e0, 1e-14)  # of the conditions of optimality, not relative

    def versions(self):
        import skglm
        return {"skglm": skglm.__version__}

    def model(self, tolerance):
        import skglm
        return skglm.SparseLogisticRegression(alpha=self._penalty / self._rows, fit_intercept=False, tol=tolerance,
                                              max_iter=self.MANY, max_epochs=50000)


PEERS = {
    "sklearn-liblinear": lambda: Sklearn("liblinear"),
    "sklearn-saga": lambda: Sklearn("saga"),
    "celer": Celer,
    "skglm": Skglm,
}


def main(words):
    if len(words) != 1 or words[0] not in PEERS:
        sys.exit("usage: logistic_peers.py %s" % "|".join(PEERS))
    peer = PEERS[words[0]]()
    bcd_peer.start_with(["numpy", "scipy", *peer.MODULES])
    bcd_peer.protocol().serve(peer)


if __name__ == "__main__":
    main(sys.argv[1:])
