"""The PyTorch worker over its pipes.

    torch_attention_test.py missing    without PyTorch: a reason, quickly, and no stack trace
    torch_attention_test.py present    with PyTorch: answers against plain Python; exit code 77 where it is missing
"""

import array
import importlib.util
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


class Worker:
    def __init__(self, *words, python=()):
        self._process = subprocess.Popen(
            [sys.executable, *python, os.path.join(HERE, "torch_attention.py"), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self):
        _, errors = self._process.communicate(timeout=60)
        return errors


def peer():
    import ashlar_peer  # takes standard output for itself, so not before the tests need it
    return ashlar_peer


def make_tensors(path, shape_q, shape_k, names=("q", "k", "v", "dout")):
    generator = random.Random(7)
    tensors = {}
    for name in names:
        shape = shape_k if name in ("k", "v") else shape_q
        values = array.array("f", [generator.gauss(0, 1) for _ in range(math.prod(shape))])
        tensors[name] = peer().Tensor("F32", shape, values.tobytes())
    peer().write_tensors(path, tensors)
    return {name: array.array("f", tensor.data) for name, tensor in tensors.items()}


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def expected(values, shape_q, shape_k, causal):
    """The definitions of impls/flashattention2/attention.hpp for one batch entry, in Python's double precision."""
    _, rows, heads, depth = shape_q
    _, columns, heads_kv, _ = shape_k
    row = lambda name, count, r, h: values[name][(r * count + h) * depth:(r * count + h + 1) * depth]
    scale = depth ** -0.5
    answer = {name: [0.0] * math.prod(shape_q) for name in ("out", "dq")}
    answer.update({name: [0.0] * math.prod(shape_k) for name in ("dk", "dv")})
    answer["lse"] = []
    for h in range(heads):
        g = h // (heads // heads_kv)
        for r in range(rows):
            seen = range(r + 1) if causal else range(columns)
            q, dout = row("q", heads, r, h), row("dout", heads, r, h)
            scores = [scale * dot(q, row("k", heads_kv, c, g)) for c in seen]
            largest = max(scores)
            lse = largest + math.log(sum(math.exp(s - largest) for s in scores))
            answer["lse"].append(lse)
            weights = [math.exp(s - lse) for s in scores]
            slopes = [dot(dout, row("v", heads_kv, c, g)) for c in seen]
            delta = dot(weights, slopes)
            for c, weight, slope in zip(seen, weights, slopes):
                k, v = row("k", heads_kv, c, g), row("v", heads_kv, c, g)
                ds = scale * weight * (slope - delta)
                for i in range(depth):
                    at_q, at_k = (r * heads + h) * depth + i, (c * heads_kv + g) * depth + i
                    answer["out"][at_q] += weight * v[i]
                    answer["dq"][at_q] += ds * k[i]
                    answer["dk"][at_k] += ds * q[i]
                    answer["dv"][at_k] += weight * dout[i]
    return answer


def check(condition, what):
    if not condition:
        sys.stderr.write("failed: %s\n" % what)
        sys.exit(1)


def open_point(worker, path, point):
    return worker.ask(do="open", suite="flashattention2", experiment="any", mode="full", point=point, seed=1, tensors=path)


def test_missing(folder):
    path = os.path.join(folder, "problem.safetensors")
    make_tensors(path, [1, 4, 1, 8], [1, 4, 1, 8])
    worker = Worker("flash", "forward", python=("-S",))  # without site-packages there is no PyTorch
    check(worker.ask(do="hello", protocol=1)["ok"], "hello")
    answer = open_point(worker, path, {"causal": False})
    check(not answer["ok"] and answer["error"].startswith("PyTorch is not installed"), answer)
    again = open_point(worker, path, {"causal": False})
    check(again == answer, again)  # the worker lives on
    check(worker.end() == "", "something was printed")


def test_broken(folder):
    """An installation that cannot be imported, or is too old, is a reason as well."""
    path = os.path.join(folder, "problem.safetensors")
    os.makedirs(os.path.join(folder, "torch", "nn"))
    for name in ("torch/nn/__init__.py", "torch/nn/attention.py"):
        open(os.path.join(folder, name), "w").close()
    for text, reason in (("raise ImportError('libsomething.so: cannot open\\nsecond line')", "PyTorch  cannot be imported: libsomething.so: cannot open"),
                         ("__version__ = '1.13.1+cpu'", "PyTorch 1.13.1+cpu is older than 2.5")):
        with open(os.path.join(folder, "torch", "__init__.py"), "w") as file:
            file.write(text + "\n")
        os.environ["PYTHONPATH"] = folder
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        worker = Worker("math", "both", python=("-S",))
        answer = open_point(worker, path, {"causal": False})
        check(answer == {"ok": False, "error": reason}, answer)
        check(worker.end() == "", "something was printed")
        del os.environ["PYTHONPATH"]


def test_no_device(folder):
    """Without a device PyTorch is not even imported; the one in the folder could not be."""
    import ashlar_peer_cuda
    path = os.path.join(folder, "problem.safetensors")
    make_tensors(path, [1, 4, 1, 8], [1, 4, 1, 8])
    missing = Worker("cudnn", "backward", "cuda", python=("-S",))
    answer = open_point(missing, path, {"causal": False})
    check(not answer["ok"] and answer["error"].startswith("PyTorch is not installed"), answer)
    check(missing.end() == "", "something was printed")
    try:
        ashlar_peer_cuda.require_device()
        return
    except peer().Unsupported as reason:
        expected_reason = str(reason)
    os.makedirs(os.path.join(folder, "absent", "torch"))
    with open(os.path.join(folder, "absent", "torch", "__init__.py"), "w") as file:
        file.write("raise ImportError('imported')\n")
    os.environ["PYTHONPATH"] = os.path.join(folder, "absent")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    worker = Worker("flash", "forward", "cuda", python=("-S",))
    answer = open_point(worker, path, {"causal": False})
    check(answer == {"ok": False, "error": expected_reason}, answer)
    check(expected_reason.startswith("no device"), expected_reason)
    check(worker.end() == "", "something was printed")
    del os.environ["PYTHONPATH"]


def test_usage():
    for words in (["flash"], ["efficient", "forward"], ["cudnn", "both", "cpu"], ["flash", "forwards", "cuda"],
                  ["flash", "forward", "rocm"], ["flash", "forward", "cuda", "again"]):
        ended = subprocess.run([sys.executable, os.path.join(HERE, "torch_attention.py"), *words],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        check(ended.returncode == 1 and ended.stderr.startswith("usage: torch_attention.py"), words)


def compare(answer, passes, wanted, controls, shape_q, shape_k):
    names = {"forward": {"out", "lse"}, "backward": {"dq", "dk", "dv"}}
    check(set(answer) == names.get(passes, names["forward"] | names["backward"]), set(answer))
    for name, tensor in answer.items():
        shape = {"lse": [1, shape_q[2], shape_q[1]], "dk": shape_k, "dv": shape_k}.get(name, shape_q)
        check(tensor.shape == shape, "%s has shape %s" % (name, tensor.shape))
        actual = array.array("f", tensor.data)
        worst = max(abs(a - b) for a, b in zip(actual, wanted[name]))
        check(worst < 2e-5, "%s: %s is off by %g" % (passes, name, worst))
        # Negative control: a mask that is forgotten, or made up, would be seen.
        other = max(abs(a - b) for a, b in zip(actual, controls[name]))
        check(other > 1e-2, "%s: %s agrees with another mask" % (passes, name))


def test_answers(folder, shape_q, shape_k, causal):
    """In this process: importing PyTorch takes seconds."""
    import torch_attention
    path = os.path.join(folder, "problem.safetensors")
    values = make_tensors(path, shape_q, shape_k)
    wanted = expected(values, shape_q, shape_k, causal)
    controls = expected(values, shape_q, shape_k, not causal)
    for backend in ("flash", "math"):
        for passes in ("forward", "backward", "both"):
            worker = torch_attention.Attention(backend, passes)
            worker.open({"point": {"causal": causal}}, peer().read_tensors(path))
            worker.execute()
            worker.execute()
            compare(worker.answer(), passes, wanted, controls, shape_q, shape_k)


def made_without_device(backend, passes):
    """What runs on a GPU, on a CPU: the same calls of PyTorch, but for the copies and the clock."""
    import torch
    import torch_attention

    class Stand(torch_attention.CudaAttention):
        def _library(self):
            return torch

        def _tensor(self, tensor):
            return torch_attention.Attention._tensor(self, tensor)

        def _steps(self):
            return None

    return Stand(backend, passes)


def test_device_calls(folder, shape_q, shape_k, causal):
    path = os.path.join(folder, "problem.safetensors")
    values = make_tensors(path, shape_q, shape_k)
    wanted = expected(values, shape_q, shape_k, causal)
    controls = expected(values, shape_q, shape_k, not causal)
    for backend in ("flash", "math"):
        for passes in ("forward", "backward", "both"):
            worker = made_without_device(backend, passes)
            for _ in range(2):  # a process on a device stays for the next point
                worker.open({"point": {"causal": causal}}, peer().read_tensors(path))
                worker.execute()
                worker.execute()
                compare(worker.answer(), passes, wanted, controls, shape_q, shape_k)
                own_lse = worker._lse is not None
                worker.close()
            # The fused kernel's logsumexp is its own.
            check(own_lse == (backend == "flash"), "where the logsumexp is from")


def test_device_refusals(folder):
    import torch
    import torch_attention
    path = os.path.join(folder, "problem.safetensors")
    make_tensors(path, [1, 3, 1, 8], [1, 3, 1, 8])
    for backend in ("cudnn", "efficient"):  # no kernel of a CPU; nothing stands in for it
        try:
            made_without_device(backend, "forward").open({"point": {"causal": False}}, peer().read_tensors(path))
            check(False, backend + " ran on a CPU")
        except peer().Unsupported as reason:
            check("backend" in str(reason) and "\n" not in str(reason), reason)

    class Warned:
        def __init__(self, message):
            self.message = message

    warned = [Warned("Flash attention kernel not used because: (Triggered internally at x.cpp:1.)"),
              Warned("Expected head_dim of at most 256 (Triggered internally at x.cpp:2.)\n  return f()")]
    reason = torch_attention._refusal(RuntimeError("No available kernel. Aborting execution.\nmore"), warned)
    check(reason == "No available kernel. Aborting execution.; Expected head_dim of at most 256", reason)

    short = made_without_device("math", "forward")
    short.open({"point": {"causal": False}}, peer().read_tensors(path))

    def exhausted():
        raise torch.OutOfMemoryError("CUDA out of memory")

    short._forward = exhausted
    try:
        short.execute()
        check(False, "memory that is short")
    except MemoryError:
        pass


def test_pipes(folder):
    path = os.path.join(folder, "problem.safetensors")
    shape = [1, 6, 1, 8]
    values = make_tensors(path, shape, shape)
    worker = Worker("flash", "both")
    opened = open_point(worker, path, {"causal": True})
    check(opened["ok"] and opened["software"]["threads"] == "1", opened)
    worker.ask(do="verify", implementation="x", again=False)
    check(len(worker.ask(do="sample", implementation="x", n=3, batch=2)["wall_ns"]) == 3, "samples")
    answer = peer().read_tensors(worker.ask(do="verify", implementation="x", again=True)["answer"])
    compare(answer, "both", expected(values, shape, shape, True), expected(values, shape, shape, False), shape, shape)
    check(worker.end() == "", "something was printed")


def refusal(path, point):
    import torch_attention
    try:
        torch_attention.Attention("flash", "forward").open({"point": point}, peer().read_tensors(path))
    except peer().Unsupported as reason:
        return str(reason)
    return ""


def test_refusals(folder):
    path = os.path.join(folder, "problem.safetensors")
    make_tensors(path, [1, 3, 1, 8], [1, 5, 1, 8])
    check("top left" in refusal(path, {"causal": True}), "unequal lengths")
    check("softcap" in refusal(path, {"causal": False, "softcap": 3.0}), "softcap")
    check(refusal(path, {"causal": False, "softcap": 0}) == "", "what is asked for by default")


def main():
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1] == "missing":
            test_missing(folder)
            test_broken(folder)
            test_no_device(folder)
            test_usage()
            return
        if importlib.util.find_spec("torch") is None:
            sys.stderr.write("skipped: no PyTorch for %s\n" % sys.executable)
            sys.exit(SKIPPED)
        os.environ["OMP_NUM_THREADS"] = "1"
        sys.path.insert(0, HERE)
        test_pipes(folder)
        test_refusals(folder)
        test_answers(folder, [1, 13, 4, 8], [1, 13, 2, 8], True)
        test_answers(folder, [1, 11, 2, 8], [1, 11, 2, 8], False)
        test_device_calls(folder, [1, 13, 4, 8], [1, 13, 2, 8], True)
        test_device_calls(folder, [1, 11, 2, 8], [1, 11, 2, 8], False)
        test_device_refusals(folder)


if __name__ == "__main__":
    main()
