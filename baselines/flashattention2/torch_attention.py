"""PyTorch's scaled_dot_product_attention as a peer (docs/worker-protocol.md).

    torch_attention.py BACKEND PASSES [cpu]    BACKEND: flash, math; PASSES: forward, backward, both
    torch_attention.py BACKEND PASSES cuda     BACKEND: flash, cudnn, efficient, math

On a CPU, flash is the fused kernel that PyTorch has since 2.1, called as the operators that
scaled_dot_product_attention and autograd resolve to: they also give the logsumexp. math is the unfused method, with
autograd for its backward pass.

On a GPU, flash is FlashAttention-2, cudnn the fused kernel of cuDNN, efficient the memory-efficient kernel of xformers,
math as above. sdpa_kernel names one of them and nothing else, so that none stands in for another; where PyTorch
refuses, the reason is PyTorch's. Inputs require gradients for the fused kernels, also where the forward pass alone is
timed: the logsumexp is written then, as this suite asks of everybody, and the answer's is that which autograd keeps.

math tells nobody its logsumexp, so the one in its answer is computed outside of what is timed. For the backward pass
alone the forward pass has run before, also outside of timing.

Tensors come as (batch, seqlen, heads, head_dim); PyTorch's (batch, heads, seqlen, head_dim) is a view of the same memory.
Any interpreter "python3" that PATH finds first serves: activate the virtual environment that has PyTorch.
"""

import contextlib
import ctypes
import importlib.util
import os
import re
import sys
import warnings

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "harness", "run", "peer"))

import ashlar_peer  # noqa: E402
import ashlar_peer_cuda  # noqa: E402

_OLDEST = (2, 5)
_TYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def _require_torch():
    """Looks without importing, which takes seconds."""
    if importlib.util.find_spec("torch") is None:
        raise ashlar_peer.Unsupported("PyTorch is not installed for the first python3 in PATH")


def _import_torch():
    """PyTorch, or Unsupported with the reason."""
    _require_torch()
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


def _refusal(error, warned):
    """Why PyTorch has no kernel, in one line: it raises that there is none, and says why in warnings."""
    reasons = [str(warning.message).splitlines()[0].split(" (Triggered internally")[0].strip() for warning in warned]
    reasons = [reason for reason in reasons if not reason.endswith("not used because:")]
    return "; ".join([str(error).splitlines()[0]] + reasons)


class Attention:
    """On a CPU."""

    def __init__(self, backend, passes):
        self._backend = backend
        self._passes = passes

    def open(self, request, tensors):
        self._torch = self._library()
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
        self._choose()
        if self._passes == "backward":
            self._forward()

    def _library(self):
        return _import_torch()

    def _choose(self):
        if self._backend == "math":
            self._forward, self._backward = self._dispatched_forward, self._autograd_backward
            self._dispatch_to("MATH", recorded=self._passes != "forward")
        else:
            self._forward, self._backward = self._flash_forward, self._flash_backward

    def _dispatch_to(self, kernel, recorded):
        self._kernel = getattr(self._torch.nn.attention.SDPBackend, kernel)
        for tensor in (self._q, self._k, self._v):
            tensor.requires_grad_(recorded)

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

    def _dispatched_forward(self):
        self._out = None  # what autograd kept of the last pass goes before this one needs room
        with self._torch.nn.attention.sdpa_kernel(self._kernel):
            self._out = self._torch.nn.functional.scaled_dot_product_attention(
                self._q, self._k, self._v, is_causal=self._causal, scale=self._scale, enable_gqa=self._grouped)

    def _autograd_backward(self):
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
                    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(first + 1)
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
        tensor = tensor.cpu()
        data = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
        return ashlar_peer.Tensor(dtype, tensor.shape, data)


class CudaAttention(Attention):
    """On a GPU."""

    KERNELS = {"flash": "FLASH_ATTENTION", "cudnn": "CUDNN_ATTENTION", "efficient": "EFFICIENT_ATTENTION",
               "math": "MATH"}

    def open(self, request, tensors):
        with self._short_of_memory():
            super().open(request, tensors)
        self._timing = ashlar_peer_cuda.CudaTiming(self._steps())

    def software(self):
        torch = self._torch
        return {
            "torch": torch.__version__,
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
            "device": torch.cuda.get_device_name(),
        }

    def execute(self):
        with self._short_of_memory():
            super().execute()

    def wait(self):
        self._torch.cuda.synchronize()

    def close(self):
        """Leaves the device's memory to others: this process may stay for the next point."""
        self._q = self._k = self._v = self._dout = self._out = self._lse = self._gradients = self._timing = None
        if getattr(self, "_torch", None) is not None:
            self._torch.cuda.empty_cache()

    def sample(self, batch):
        return self._timing.sample(self.execute, batch)

    def notes(self):
        return self._timing.notes()

    def answer(self):
        with self._short_of_memory():
            return super().answer()

    def _steps(self):
        return ashlar_peer_cuda.TorchSteps(self._torch)

    def _library(self):
        _require_torch()
        ashlar_peer_cuda.require_device()
        torch = _import_torch()
        if torch.version.cuda is None:
            raise ashlar_peer.Unsupported("PyTorch %s is built without CUDA" % torch.__version__)
        if not torch.cuda.is_available():
            raise ashlar_peer.Unsupported("PyTorch %s finds no device" % torch.__version__)
        # Not the default stream, which other libraries' work would wait for.
        torch.cuda.set_stream(torch.cuda.Stream())
        return torch

    def _choose(self):
        fused = self._backend != "math"
        self._forward, self._backward = self._dispatched_forward, self._autograd_backward
        self._dispatch_to(self.KERNELS[self._backend], recorded=fused or self._passes != "forward")
        if fused:
            self._forward = self._keeping_lse
            self._try()

    def _try(self):
        """Asks PyTorch whether it has the kernel for this problem."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                self._forward()
            except self._torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise ashlar_peer.Unsupported(_refusal(error, warned))

    def _keeping_lse(self):
        self._dispatched_forward()
        node = self._out.grad_fn
        self._lse = getattr(node, "_saved_logsumexp", getattr(node, "_saved_log_sumexp", None))
        if self._lse is not None:
            # (batch, heads, rows), with rows of padding in one kernel and a last axis of one in another.
            self._lse = self._lse.reshape(*self._lse.shape[:3])[:, :, :self._q.shape[2]]

    @contextlib.contextmanager
    def _short_of_memory(self):
        try:
            yield
        except Exception as error:
            if getattr(self, "_torch", None) is None or not isinstance(error, self._torch.OutOfMemoryError):
                raise
            raise MemoryError from error

    def _tensor(self, tensor):
        return super()._tensor(tensor).to("cuda")


def main(words):
    devices = {"cpu": (Attention, ("flash", "math")), "cuda": (CudaAttention, tuple(CudaAttention.KERNELS))}
    device = words[2] if len(words) == 3 else "cpu"
    made, backends = devices.get(device, (None, ()))
    if len(words) not in (2, 3) or words[0] not in backends or words[1] not in ("forward", "backward", "both"):
        sys.exit("usage: torch_attention.py flash|math forward|backward|both [cpu]\n"
                 "       torch_attention.py flash|cudnn|efficient|math forward|backward|both cuda")
    ashlar_peer.serve(made(words[0], words[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
