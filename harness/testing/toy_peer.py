"""The toy suite's implementation in another language: scales a vector with the standard library alone."""

import array
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "run", "peer"))

import ashlar_peer  # noqa: E402


class Scale:
    def open(self, request, tensors):
        if request["point"]["length"] > 4096:
            raise ashlar_peer.Unsupported("more than 4096 elements take too long in plain Python")
        self._x = array.array("f", tensors["x"].data)
        self._factor = array.array("f", tensors["factor"].data)[0]
        self._y = array.array("f")

    def execute(self):
        factor = self._factor
        self._y = array.array("f", [factor * x for x in self._x])

    def software(self):
        return {"python": "%d.%d" % sys.version_info[:2]}

    def answer(self):
        return {"y": ashlar_peer.Tensor("F32", [len(self._y)], self._y.tobytes())}


if __name__ == "__main__":
    print("this line must not disturb the protocol")
    ashlar_peer.serve(Scale())
