"""What the workers of this folder share (docs/worker-protocol.md): the problem's tensors, the measured gap, and the
search for the setting that is timed.

Every solver stops by a rule of its own. All are timed at one measured gap, so before timing calibrate() looks for the
loosest setting whose answer is that close to the optimum; execute() then runs it from a cold start. Where no setting
is enough, the peer is unsupported with the best gap that it reached.

Tensors of a problem, as the suite sends them:

    optimum    F64 [1]   f* with the penalty
    target     F64 [1]   the gap to reach, relative: (f(x) - f*) / |f*|
    features.starts, features.indices, features.values   I64 [p + 1], I32, F64: A by columns
    targets    F64 [n]   y
    lambda     F64 [1]
    nonnegative  F64 [1] 1 where x >= 0 is required, else 0
  or
    matrix.starts, matrix.indices, matrix.values         I64 [p + 1], I32, F64: all of M by rows
    linear     F64 [p]   c

The answer is x, F64 [p].

Which Python: the first "python3" in PATH, so the virtual environment that has a peer's packages must be active.
Debian's packages (ci/setup --with-peers) are for Debian's interpreter: where the first one lacks a package,
that is tried before the peer gives up.
"""

import importlib.util
import math
import os
import sys

DEBIAN_PYTHON = "/usr/bin/python3"
_TRIED = "ASHLAR_PEER_DEBIAN_PYTHON"


def start_with(modules):
    """Goes on in Debian's interpreter where this one lacks one of `modules`. Before standard input is touched."""
    if all(importlib.util.find_spec(module) for module in modules):
        return
    # -S asks for an interpreter without anybody's packages.
    if sys.flags.no_site or os.environ.get(_TRIED) or not os.access(DEBIAN_PYTHON, os.X_OK):
        return
    os.execve(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv], dict(os.environ, **{_TRIED: "1"}))


sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "harness", "run", "peer"))


def protocol():
    import ashlar_peer  # takes standard output for itself, so not before start_with()
    return ashlar_peer


def require(modules, how):
    """Raises Unsupported where a module is missing; looks without importing."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise protocol().Unsupported("not installed: %s (%s)" % (", ".join(missing), how))


def array(tensors, name):
    import numpy
    types = {"F64": numpy.float64, "I64": numpy.int64, "I32": numpy.int32}
    tensor = tensors[name]
    return numpy.frombuffer(tensor.data, dtype=types[tensor.dtype])


def answer(x):
    import numpy
    x = numpy.ascontiguousarray(x, dtype=numpy.float64)
    return {"x": protocol().Tensor("F64", [x.size], x.tobytes())}


class Lasso:
    """0.5 ||A x - y||^2 + lambda sum |x_i|."""

    def __init__(self, tensors):
        import scipy.sparse
        starts, indices = array(tensors, "features.starts"), array(tensors, "features.indices")
        self.targets = array(tensors, "targets").copy()
        self.rows, self.columns = self.targets.size, starts.size - 1
        # Libraries insist on 32-bit indices throughout, and on arrays that they may write to.
        self.features = scipy.sparse.csc_matrix(
            (array(tensors, "features.values").copy(), indices.copy(), starts.astype("int32")),
            shape=(self.rows, self.columns))
        self.penalty = float(array(tensors, "lambda")[0])
        self.nonnegative = bool(array(tensors, "nonnegative")[0])
        self.optimum = float(array(tensors, "optimum")[0])
        self.goal = float(array(tensors, "target")[0])

    def gap(self, x):
        """Relative; infinite for an x that is not allowed."""
        import numpy
        if not numpy.all(numpy.isfinite(x)) or (self.nonnegative and x.min(initial=0) < 0):
            return math.inf
        residual = self.features @ x - self.targets
        value = 0.5 * (residual @ residual) + self.penalty * numpy.abs(x).sum()
        return (value - self.optimum) / abs(self.optimum)


class Quadratic:
    """0.5 x'M x - c'x."""

    def __init__(self, tensors):
        import scipy.sparse
        self.linear = array(tensors, "linear").copy()
        size = self.linear.size
        self.matrix = scipy.sparse.csr_matrix(
            (array(tensors, "matrix.values").copy(), array(tensors, "matrix.indices").copy(),
             array(tensors, "matrix.starts").astype("int32")), shape=(size, size))
        self.optimum = float(array(tensors, "optimum")[0])
        self.goal = float(array(tensors, "target")[0])

    def gap(self, x):
        import numpy
        if not numpy.all(numpy.isfinite(x)):
            return math.inf
        return (0.5 * (x @ (self.matrix @ x)) - self.linear @ x - self.optimum) / abs(self.optimum)


def tolerances(loosest, tightest):
    """Half decades."""
    steps = round(2 * math.log10(loosest / tightest))
    return [loosest * 10 ** (-step / 2) for step in range(steps + 1)]


def calibrate(problem, solve, grid):
    """The first setting of `grid` at which solve(setting) is close enough: (setting, gap there). A gap far below 0
    is no success: the optimum, or f, is then not what the peer minimises."""
    best = (math.inf, None)
    for setting in grid:
        gap = problem.gap(solve(setting))
        if gap < -problem.goal:
            raise RuntimeError("a gap of %.3g below 0: the optimum that came with the problem is wrong" % gap)
        if gap <= problem.goal:
            return setting, gap
        best = min(best, (gap, setting))
    raise protocol().Unsupported("did not reach a relative gap of %.3g: best gap %.3g at tolerance %.1g"
                                 % (problem.goal, *best) if best[1] is not None else
                                 "gave no usable answer at any tolerance")


class Peer:
    """A solver bound to one problem. Derived classes have load(), bind() and solve(setting), which
    returns x; `grid` from the loosest setting to the tightest."""

    problem = Lasso
    grid = tolerances(1e-1, 1e-14)

    def open(self, request, tensors):
        self.load()
        self._problem = self.problem(tensors)
        self.bind(self._problem)
        self._setting, self._gap = calibrate(self._problem, self.solve, self.grid)

    def execute(self):
        self._x = self.solve(self._setting)

    def answer(self):
        return answer(self._x)

    def software(self):
        return dict(self.versions(), tolerance="%.3g" % self._setting, relative_gap="%.3g" % self._gap)

    def close(self):
        self._problem = self._x = None
