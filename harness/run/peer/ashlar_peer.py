"""Worker protocol for implementations written in Python (docs/worker-protocol.md).

A peer calls serve() with an object that has

    open(request, tensors)   makes the problem ready; raises Unsupported(reason) when it cannot
    execute()                one execution; timed by serve()
    answer()                 {name: Tensor} of the last execution
    software()               optional: {name: text} of versions and settings, for the record; after open()
    close()                  optional: lets go of the problem; another may be opened

One that works on a device, where the host's clock does not tell how long an execution took, has beside these

    wait()                   returns when all that execute() has started is done
    sample(batch)            (wall_ns, cpu_ns) of one execution, the mean of `batch`; raises NoAcceptedSample
    notes()                  ({metric: number}, [flag]) of all samples so far, for the record

(ashlar_peer_cuda.py times on a GPU through PyTorch.)

Only the standard library is needed. Tensor data are bytes in the layout of the safetensors file; peers with
NumPy or PyTorch wrap them with frombuffer.
"""

import json
import os
import resource
import struct
import sys
import time

PROTOCOL = 1

# From the import of this module on, standard output belongs to the protocol: what the peer or its libraries
# print goes to standard error.
_channel = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Unsupported(Exception):
    """The peer cannot solve this problem here; the reason shows in the tables."""


class NoAcceptedSample(Exception):
    """The device is in no state to be measured, and has not been for a while; no fault of the implementation."""


class Tensor:
    """dtype as in safetensors ("F32", "BF16", ...), a shape, and contiguous little-endian bytes."""

    def __init__(self, dtype, shape, data):
        self.dtype = dtype
        self.shape = list(shape)
        self.data = data


def read_tensors(path):
    """All tensors of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = Tensor(entry["dtype"], entry["shape"], data[begin:end])
    return tensors


def write_tensors(path, tensors):
    """Writes {name: Tensor} as a safetensors file."""
    header, offset = {}, 0
    for name, tensor in tensors.items():
        end = offset + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for tensor in tensors.values():
            file.write(tensor.data)


class _Server:
    def __init__(self, implementation):
        self._implementation = implementation
        self._answer_path = None

    def handle(self, request):
        verbs = {
            "hello": self._hello,
            "open": self._open,
            "verify": self._verify,
            "sample": self._sample,
            "close": self._close,
        }
        verb = verbs.get(request.get("do"))
        if verb is None:
            return {"ok": False, "error": "unknown request %r" % request.get("do")}
        return verb(request)

    def _hello(self, request):
        if request.get("protocol") != PROTOCOL:
            return {"ok": False, "error": "this worker speaks protocol %d" % PROTOCOL}
        return {"ok": True, "protocol": PROTOCOL, "worker": os.path.basename(sys.argv[0])}

    def _open(self, request):
        self._answer_path = "%s.answer-%d" % (request["tensors"], os.getpid())
        self._implementation.open(request, read_tensors(request["tensors"]))
        software = getattr(self._implementation, "software", dict)
        return {"ok": True, "software": software()}

    def _verify(self, request):
        answer = {"ok": True}
        if not request.get("again"):
            start = time.perf_counter_ns()
            self._implementation.execute()
            getattr(self._implementation, "wait", lambda: None)()
            answer["first_ns"] = time.perf_counter_ns() - start
        write_tensors(self._answer_path, self._implementation.answer())
        answer["answer"] = self._answer_path
        return answer

    def _close(self, request):
        getattr(self._implementation, "close", lambda: None)()
        return {"ok": True}

    def _sample(self, request):
        columns = {"wall_ns": [], "cpu_ns": [], "page_faults": [], "involuntary_switches": []}
        answer = {"ok": True, **columns}
        take = getattr(self._implementation, "sample", self._take)
        try:
            for _ in range(request.get("n", 1)):
                before = resource.getrusage(resource.RUSAGE_SELF)
                wall, cpu = take(request["batch"])
                after = resource.getrusage(resource.RUSAGE_SELF)
                columns["wall_ns"].append(wall)
                columns["cpu_ns"].append(cpu)
                columns["page_faults"].append(after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt)
                columns["involuntary_switches"].append(after.ru_nivcsw - before.ru_nivcsw)
        except NoAcceptedSample as refusal:
            answer["refused"] = str(refusal)
        if hasattr(self._implementation, "notes"):
            answer["metrics"], answer["flags"] = self._implementation.notes()
        return answer

    def _take(self, batch):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(batch):
            self._implementation.execute()
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        return wall // batch, cpu // batch


def serve(implementation):
    """Answers requests until standard input ends."""
    server = _Server(implementation)
    for line in sys.stdin:
        try:
            answer = server.handle(json.loads(line))
        except Unsupported as reason:
            answer = {"ok": False, "error": str(reason)}
        except MemoryError:
            answer = {"ok": False, "error": "out of memory", "out_of_memory": True}
        except Exception as error:  # one bad point must not end the worker
            answer = {"ok": False, "error": "%s: %s" % (type(error).__name__, error)}
        _channel.write(json.dumps(answer) + "\n")
        _channel.flush()
