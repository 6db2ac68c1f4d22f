"""PyTorch's scaled_dot_product_attention on a CPU as a peer (docs/worker-protocol.md).

    torch_attention.py BACKEND PASSES      BACKEND: flash, math; PASSES: forward, backward, both

flash is the fused kernel that PyTorch has for CPUs since 2.1, called as the operators that scaled_dot_product_attention
and autograd resolve to: they also give the logsumexp. math is the unfused method, with autograd for its backward pass,
under sdpa_kernel; it tells nobody its logsumexp, so the one in the answer is computed outside of what is timed. For the
backward pass alone the forward pass has run before, also outside of timing.

Tensors come as (batch, seqlen, heads, head_dim); PyTorch's (batch, heads, seqlen, head_dim) is a view of the same memory.
Any interpreter "python3" that PATH finds first serves: activate the virtual environment that has PyTorch.
"""

import ctypes
import importlib.util
import os
import re
import sys

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "harness", "run", "peer"))

import ashlar_peer  # noqa: E402

_OLDEST = (2, 5)
_TYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def _import_torch():
    """PyTorch, or Unsupported with the reason. Looks before it imports: the import takes seconds."""
    if importlib.util.find_spec("torch") is None:
        raise ashlar_peer.Unsupported("PyTorch is not installed for the first python3 in PATH")
    try:
        import torch
        import torch.nn.attention
    except Exception as error:  # a broken installation raises what it likes
        version = getattr(sys.modules.get("torch"), "__version__", "")
        first_line = (str(error).splitlines() or [""])[0]
        raise ashlar_peer.Unsupported("PyTorch %s cannot be imported: %s" % (version, first_line))
    version = tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])
    if version < _OLDEST:
        raise ashlar_peer.Unsupported("PyTorch %s is older than %d.%d" % (torch.__version__, *_OLDEST))
    return torch


def _refuse_features(point):
    """What the point asks for beyond causal masks is not what PyTorch's kernels compute."""
    for name in ("window", "window_left", "window_right", "softcap", "dropout", "packed", "varlen"):
        value = point.get(name)
        if value not in (None, False, 0, 0.0, -1, "", "none", "full"):
            raise ashlar_peer.Unsupported("scaled_dot_product_attention has no %s here" % name)


class Attention:
    def __init__(self, backend, passes):
        self._backend = backend
        self._passes = passes

    def open(self, request, tensors):
        self._torch = torch = _import_torch()
        point = request["point"]
        _refuse_features(point)
        self._set_threads()
        self._causal = bool(point.get("causal", False))
        self._q, self._k, self._v = (self._view(tensors[name]) for name in ("q", "k", "v"))
        if self._causal and self._q.shape[2] != self._k.shape[2]:
            raise ashlar_peer.Unsupported("PyTorch aligns causal masks of unequal lengths to the top left")
        scale = tensors.get("scale")
        self._scale = float(self._tensor(scale)) if scale else self._q.shape[3] ** -0.5
        self._grouped = self._q.shape[1] != self._k.shape[1]
        self._out = self._lse = self._gradients = None
        if self._passes != "forward":
            self._dout = self._view(tensors["dout"])
            if self._backend == "math":
                for tensor in (self._q, self._k, self._v):
                    tensor.requires_grad_()
        self._forward, self._backward = {
            "flash": (self._flash_forward, self._flash_backward),
            "math": (self._math_forward, self._math_backward),
        }[self._backend]
        if self._passes == "backward":
            self._forward()

    def software(self):
        config = self._torch.__config__.show()

        def found(pattern):
            match = re.search(pattern, config)
            return match.group(1) if match else "none"

        return {
            "torch": self._torch.__version__,
            "mkl": found(r"Math Kernel Library Version (\S+)"),
            "onednn": found(r"MKL-DNN v(\S+)"),
            "isa": self._torch.backends.cpu.get_cpu_capability(),
            "threads": str(self._torch.get_num_threads()),
        }

    def execute(self):
        if self._passes != "backward":
            self._forward()
        if self._passes != "forward":
            self._backward()

    def answer(self):
        torch, answer = self._torch, {}
        if self._passes != "backward":
            lse = self._lse if self._lse is not None else self._computed_lse()
            answer["out"] = self._packed(self._out.detach().transpose(1, 2))
            answer["lse"] = self._packed(lse.to(torch.float32))
        if self._passes != "forward":
            for name, gradient in zip(("dq", "dk", "dv"), self._gradients):
                answer[name] = self._packed(gradient.transpose(1, 2))
        return answer

    def _flash_forward(self):
        self._out, self._lse = self._torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            self._q, self._k, self._v, 0.0, self._causal, scale=self._scale)

    def _flash_backward(self):
        self._gradients = self._torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            self._dout, self._q, self._k, self._v, self._out, self._lse, 0.0, self._causal, scale=self._scale)

    def _math_forward(self):
        attention = self._torch.nn.attention
        with attention.sdpa_kernel(attention.SDPBackend.MATH):
            self._out = self._torch.nn.functional.scaled_dot_product_attention(
                self._q, self._k, self._v, is_causal=self._causal, scale=self._scale, enable_gqa=self._grouped)

    def _math_backward(self):
        # The backward pass alone walks the graph of one forward pass again and again.
        self._gradients = self._torch.autograd.grad(
            self._out, (self._q, self._k, self._v), self._dout, retain_graph=self._passes == "backward")

    def _computed_lse(self):
        torch = self._torch
        with torch.no_grad():
            q, k = self._q.float(), self._k.float()
            k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
            rows = []
            for first in range(0, q.shape[2], 256):  # not all N x N numbers at once
                scores = q[:, :, first:first + 256] @ k.transpose(2, 3) * self._scale
                if self._causal:
                    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(first + 1)
                    scores.masked_fill_(hidden, float("-inf"))
                rows.append(torch.logsumexp(scores, dim=-1))
            return torch.cat(rows, dim=2) if rows else q.sum(dim=3)

    def _set_threads(self):
        threads = os.environ.get("OMP_NUM_THREADS", "")
        if threads.isdigit() and int(threads) > 0:
            self._torch.set_num_threads(int(threads))

    def _tensor(self, tensor):
        if tensor.dtype not in _TYPES:
            raise ashlar_peer.Unsupported("no element type %s here" % tensor.dtype)
        made = self._torch.empty(tensor.shape, dtype=getattr(self._torch, _TYPES[tensor.dtype]))
        ctypes.memmove(made.data_ptr(), tensor.data, len(tensor.data))
        return made

    def _view(self, tensor):
        return self._tensor(tensor).transpose(1, 2)

    def _packed(self, tensor):
        tensor = tensor.contiguous()
        dtype = {str(getattr(self._torch, torch_name)): name for name, torch_name in _TYPES.items()}[str(tensor.dtype)]
        data = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
        return ashlar_peer.Tensor(dtype, tensor.shape, data)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("flash", "math") or sys.argv[2] not in ("forward", "backward", "both"):
        sys.exit("usage: torch_attention.py flash|math forward|backward|both")
    ashlar_peer.serve(Attention(sys.argv[1], sys.argv[2]))
