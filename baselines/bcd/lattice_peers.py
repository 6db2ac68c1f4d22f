"""Sparse symmetric positive definite systems M x = c by libraries for Python (bcd_peer.py says how they are stopped).

    lattice_peers.py PEER    PEER: petsc-gamg, petsc-sor, petsc-icc, petsc-jacobi, pyamg

petsc-...   PETSc's conjugate gradients, preconditioned by smoothed aggregation multigrid (GAMG), a symmetric
            Gauss-Seidel sweep (SOR), an incomplete Cholesky factorisation, or the diagonal; one process
pyamg       smoothed aggregation multigrid as a preconditioner of conjugate gradients

Timed is the way from M in the library's own format (compressed rows, 32-bit indices) to x: the preconditioner is made
anew in each execution.
"""

import glob
import importlib.util
import os
import sys
import warnings

import bcd_peer

_MANY = 100000


class LinearPeer(bcd_peer.Peer):
    problem = bcd_peer.Quadratic
    grid = bcd_peer.tolerances(1e-1, 1e-15)

    def notes(self):
        return {"iterations": float(self._iterations)}, []


def find_debians_petsc():
    """Debian's petsc4py is outside the search path until PETSc's headers are installed too, which nothing here
    needs. It is for Debian's interpreter and Debian's NumPy only."""
    if sys.prefix == "/usr" and importlib.util.find_spec("petsc4py") is None:
        sys.path += glob.glob("/usr/lib/petscdir/petsc*/*-real/lib/python3/dist-packages")


class Petsc(LinearPeer):
    MODULES = ("petsc4py",)

    def __init__(self, preconditioner):
        self._preconditioner = preconditioner

    def load(self):
        bcd_peer.require(("numpy", "scipy", *self.MODULES), "ci/setup --with-peers")
        # One process: nothing of MPI's transport between machines is of use.
        os.environ.setdefault("OMPI_MCA_btl", "self")
        os.environ.setdefault("OMPI_MCA_plm", "isolated")
        try:
            import petsc4py
            petsc4py.init([])
        except Exception as error:  # e.g. of another release of NumPy than the one it was built for
            raise bcd_peer.protocol().Unsupported("petsc4py cannot be imported: %s" % str(error).splitlines()[0])

    def versions(self):
        from petsc4py import PETSc
        return {"petsc": "%d.%d.%d" % PETSc.Sys.getVersion()}

    def bind(self, problem):
        from petsc4py import PETSc
        matrix = problem.matrix
        self._matrix = PETSc.Mat().createAIJ(size=matrix.shape, csr=(matrix.indptr, matrix.indices, matrix.data),
                                             comm=PETSc.COMM_SELF)
        self._matrix.setOption(PETSc.Mat.Option.SPD, True)
        self._matrix.assemble()
        self._right = PETSc.Vec().createWithArray(problem.linear, comm=PETSc.COMM_SELF)
        self._solution = self._right.duplicate()

    def run(self, tolerance):
        from petsc4py import PETSc
        method = PETSc.KSP().create(PETSc.COMM_SELF)
        method.setType("cg")
        method.getPC().setType(self._preconditioner)
        method.setOperators(self._matrix)
        method.setTolerances(rtol=tolerance, atol=0, max_it=_MANY)
        method.solve(self._right, self._solution)
        self._iterations = method.getIterationNumber()
        method.destroy()

    def solve(self, tolerance):
        self.run(tolerance)
        return self._solution.getArray().copy()

    def execute(self):
        self.run(self._setting)

    def answer(self):
        return bcd_peer.answer(self._solution.getArray())


class Pyamg(LinearPeer):
    MODULES = ("pyamg",)

    def load(self):
        bcd_peer.require(("numpy", "scipy", *self.MODULES), "from PyPI, for the first python3 in PATH")
        warnings.simplefilter("ignore")

    def versions(self):
        import pyamg
        return {"pyamg": pyamg.__version__}

    def bind(self, problem):
        self._matrix, self._right = problem.matrix, problem.linear

    def solve(self, tolerance):
        import numpy
        import pyamg
        numpy.random.seed(1)  # it estimates eigenvalues from a random start
        residuals = []
        hierarchy = pyamg.smoothed_aggregation_solver(self._matrix, symmetry="symmetric")
        x = hierarchy.solve(self._right, tol=tolerance, accel="cg", maxiter=1000, residuals=residuals)
        self._iterations = len(residuals) - 1
        return x


PEERS = {
    "petsc-gamg": lambda: Petsc("gamg"),
    "petsc-sor": lambda: Petsc("sor"),
    "petsc-icc": lambda: Petsc("icc"),
    "petsc-jacobi": lambda: Petsc("jacobi"),
    "pyamg": Pyamg,
}


def main(words):
    if len(words) != 1 or words[0] not in PEERS:
        sys.exit("usage: lattice_peers.py %s" % "|".join(PEERS))
    peer = PEERS[words[0]]()
    if not sys.flags.no_site:
        find_debians_petsc()
    bcd_peer.start_with(["numpy", "scipy", *peer.MODULES])
    bcd_peer.protocol().serve(peer)


if __name__ == "__main__":
    main(sys.argv[1:])
