"""Times what a peer does on a GPU through PyTorch, by the rules of the harness's own timer
(harness/measure/cuda_timing.hpp), so that both kinds of time may be compared within a run:

- device time between two events, the host's part left out: while it launches, the device is held busy by a kernel
  that counts cycles. The harness's own blocking kernel would wait for ever for work that waits for the device, and
  nobody knows what a library does inside. So the lead has a length, and a sample whose work began before all of it
  was launched is taken again behind a longer lead. Work that begins at once behind the longest one waits by itself:
  its samples count with their gaps, under the flag "launch-gaps";
- before every execution a buffer of the L2 cache's size is overwritten;
- a sample is discarded, and taken again after a pause, while the clock of the multiprocessors is below three quarters
  of the device's own. It is read where a kernel counts cycles between two events, before the work and after it.

Only PyTorch is needed, and the driver's library. Everything happens on PyTorch's current stream.
"""

import ctypes
import time

import ashlar_peer

_CLOCK_RATE = 13  # attributes of the driver's interface: kHz
_L2_BYTES = 38


def _driver():
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise ashlar_peer.Unsupported("no device: no driver (%s)" % error)


def require_device():
    """Raises Unsupported where there is no device. Asks the driver alone: importing a library takes seconds."""
    driver, count = _driver(), ctypes.c_int(0)
    status = driver.cuInit(0)
    if status == 0:
        status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0:
        text = ctypes.c_char_p()
        driver.cuGetErrorName(status, ctypes.byref(text))
        name = (text.value or b"error %d" % status).decode()
        raise ashlar_peer.Unsupported("no device: %s" % name)
    if count.value == 0:
        raise ashlar_peer.Unsupported("no device")


def _attribute(which):
    value, device = ctypes.c_int(0), ctypes.c_int(0)
    driver = _driver()
    for status in (driver.cuDeviceGet(ctypes.byref(device), 0),
                   driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)):
        if status != 0:
            raise RuntimeError("the driver does not tell attribute %d: error %d" % (which, status))
    return value.value


class TorchSteps:
    """What a timed execution asks of the device, step by step, on PyTorch's current stream."""

    def __init__(self, torch):
        self._torch = torch
        self._events = {name: torch.cuda.Event(enable_timing=True) for name in ("lead", "start", "stop", "end")}
        self._flushed = torch.empty(_attribute(_L2_BYTES), dtype=torch.uint8, device="cuda")
        self.default_clock_hz = 1e3 * _attribute(_CLOCK_RATE)

    def flush(self):
        self._flushed.zero_()

    def synchronize(self):
        self._torch.cuda.current_stream().synchronize()

    def spin(self, cycles):
        self._torch.cuda._sleep(cycles)

    def record(self, event):
        self._events[event].record()

    def happened(self, event):
        return self._events[event].query()

    def between_ns(self, first, second):
        return round(self._events[first].elapsed_time(self._events[second]) * 1e6)


class CudaTiming:
    """Samples of what a function launches. `steps` is a TorchSteps, or a script in its place."""

    FIRST_LEAD = 400_000  # cycles, some 200 us
    LONGEST_LEAD = 50_000_000  # some 25 ms
    TAIL = 400_000
    LEAST_CLOCK_SHARE = 0.75
    CLOCK_DOUBT_NS = 12_000
    MOST_REFUSALS = 10

    def __init__(self, steps, pause=time.sleep):
        self._steps = steps
        self._pause = pause
        self._lead = self.FIRST_LEAD
        self._gaps = False
        self._discarded = 0
        self._clock_sum_hz, self._clock_count = 0.0, 0

    def sample(self, launch, batch):
        """(device_ns, cpu_ns) of one execution, the mean of `batch`, each with a cold cache."""
        times = [self._accepted(launch) for _ in range(batch)]
        return tuple((sum(column) + batch // 2) // batch for column in zip(*times))

    def notes(self):
        metrics = {"discarded_samples": self._discarded}
        if self._clock_count:
            metrics["sm_clock_mhz"] = self._clock_sum_hz / self._clock_count * 1e-6
        flags = ["throttled"] if self._discarded else []
        return metrics, flags + (["launch-gaps"] if self._gaps else [])

    def _accepted(self, launch):
        for refusals in range(1, self.MOST_REFUSALS + 1):
            times = self._in_line(launch)
            if not self._throttled():
                self._clock_sum_hz += self.TAIL * 1e9 / self._steps.between_ns("stop", "end")
                self._clock_count += 1
                return times
            self._discarded += 1
            if refusals < self.MOST_REFUSALS:
                self._pause(0.05 if refusals <= 3 else min(0.5, 0.05 * 2 ** (refusals - 3)))
        raise ashlar_peer.NoAcceptedSample(
            "no accepted samples: %d in a row at less than %.0f %% of the device's clock of %.0f MHz"
            % (self.MOST_REFUSALS, 100 * self.LEAST_CLOCK_SHARE, self._steps.default_clock_hz * 1e-6))

    def _in_line(self, launch):
        """Behind a lead that covers the launches, where one does."""
        while True:
            times, begun_early = self._time(launch)
            if not begun_early or self._gaps:
                return times
            if self._lead >= self.LONGEST_LEAD:
                self._gaps, self._lead = True, self.FIRST_LEAD
            else:
                self._lead = min(2 * self._lead, self.LONGEST_LEAD)

    def _time(self, launch):
        steps = self._steps
        steps.flush()
        steps.synchronize()
        cpu = time.process_time_ns()
        steps.record("lead")
        steps.spin(self._lead)
        steps.record("start")
        launch()
        steps.record("stop")
        begun_early = steps.happened("start")
        steps.spin(self.TAIL)
        steps.record("end")
        steps.synchronize()
        return (steps.between_ns("start", "stop"), time.process_time_ns() - cpu), begun_early

    def _throttled(self):
        least_hz = self.LEAST_CLOCK_SHARE * self._steps.default_clock_hz
        return any(self._clock_hz(*span) < least_hz
                   for span in (("lead", "start", self._lead), ("stop", "end", self.TAIL)))

    def _clock_hz(self, first, second, cycles):
        """At most; what a kernel and two events take beside the cycles is in the sample's favour."""
        return cycles * 1e9 / max(1, self._steps.between_ns(first, second) - self.CLOCK_DOUBT_NS)
