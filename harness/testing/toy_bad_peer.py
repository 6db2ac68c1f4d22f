"""Peers that break the worker protocol, or refuse samples as a throttled device does; the first argument says how."""

import array
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "run", "peer"))

import ashlar_peer  # noqa: E402

FAULT = sys.argv[1]


class Scale:
    def open(self, request, tensors):
        self._x = array.array("f", tensors["x"].data)

    def execute(self):
        pass

    def answer(self):
        y = array.array("f", [1.5 * x for x in self._x])
        if FAULT == "too-short":
            y = y[:3]
        return {"y": ashlar_peer.Tensor("F32", [len(y)], y.tobytes())}


class Faulty(ashlar_peer._Server):
    def handle(self, request):
        answer = super().handle(request)
        if request["do"] == "verify" and FAULT == "no-answer":
            return {"ok": True}
        if request["do"] == "verify" and FAULT == "null-error":
            return {"ok": False, "error": None}
        if request["do"] == "sample" and FAULT == "no-samples":
            return {"ok": True, "wall_ns": []}
        if request["do"] == "sample" and FAULT.startswith("refuses"):
            self.asked = getattr(self, "asked", 0) + 1
            answer["metrics"] = {"sm_clock_mhz": 900.0 + self.asked}
            if FAULT == "refuses" or self.asked > 20:
                lists = ["wall_ns", "cpu_ns", "page_faults", "involuntary_switches"]
                answer.update({name: [] for name in lists})
                answer.update({"refused": "no accepted samples: made up", "flags": ["throttled"]})
        return answer


def write(text):
    ashlar_peer._channel.write(text)
    ashlar_peer._channel.flush()


server = Faulty(Scale())
for line in sys.stdin:
    asked = json.loads(line)
    reply = server.handle(asked)
    if asked["do"] == "verify" and FAULT == "no-json":
        write("this is no JSON\n")
    elif asked["do"] == "verify" and FAULT == "floods":
        while True:
            write("x" * 65536)
    else:
        write(json.dumps(reply) + "\n")
