"""The rules by which a peer's work on a GPU is timed, with a script in the device's place."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "run", "peer"))

import ashlar_peer  # noqa: E402
import ashlar_peer_cuda  # noqa: E402

Timing = ashlar_peer_cuda.CudaTiming
HZ = 2e9


class Script:
    """Writes down what it is asked. The clock of each sample is in `clocks`, as a share; the last one repeats. Work
    begins early while the lead is shorter than what launching takes, in cycles."""

    default_clock_hz = HZ

    def __init__(self, clocks=(1.0,), launching=0):
        self.log, self.pauses = [], []
        self._clocks, self._launching = list(clocks), launching
        self._spun = []

    def flush(self):
        if self.log and len(self._clocks) > 1:
            self._clocks.pop(0)
        self.log.append("flush")

    def synchronize(self):
        self.log.append("synchronize")

    def spin(self, cycles):
        self.log.append("spin")
        self._spun.append(cycles)

    def record(self, event):
        self.log.append(event)

    def happened(self, event):
        assert event == "start", event
        return self._spun[-1] < self._launching

    def between_ns(self, first, second):
        if (first, second) == ("start", "stop"):
            return 1000
        share = self._clocks[0]
        cycles = self._spun[-1] if first == "stop" else self._spun[-2]
        return round(cycles / (share * HZ) * 1e9)

    def lead(self):
        return self._spun[-2]


def check(condition, what):
    if not condition:
        sys.stderr.write("failed: %s\n" % (what,))
        sys.exit(1)


def timing_of(script):
    return Timing(script, pause=script.pauses.append), lambda: script.log.append("work")


def test_order():
    script = Script()
    timing, work = timing_of(script)
    wall, cpu = timing.sample(work, 1)
    check(script.log == ["flush", "synchronize", "lead", "spin", "start", "work", "stop", "spin", "end",
                         "synchronize"], script.log)
    check(wall == 1000 and cpu >= 0, (wall, cpu))
    check(timing.notes() == ({"discarded_samples": 0, "sm_clock_mhz": 2000.0}, []), timing.notes())


def test_batch():
    script = Script()
    timing, work = timing_of(script)
    check(timing.sample(work, 3)[0] == 1000, "mean")
    check(script.log.count("flush") == 3 and script.log.count("work") == 3, "every execution has a cold cache")


def test_lead_grows():
    script = Script(launching=5 * Timing.FIRST_LEAD)
    timing, work = timing_of(script)
    timing.sample(work, 1)
    check(script.log.count("work") == 4, "taken again behind 2, 4 and 8 times the lead")
    check(script.lead() == 8 * Timing.FIRST_LEAD, script.lead())
    timing.sample(work, 1)
    check(script.log.count("work") == 5, "the lead that was enough stays")
    check(timing.notes()[1] == [], timing.notes())


def test_gaps():
    script = Script(launching=10 * Timing.LONGEST_LEAD)
    timing, work = timing_of(script)
    check(timing.sample(work, 1)[0] == 1000, "counts with its gaps")
    before = script.log.count("work")
    timing.sample(work, 1)
    check(script.log.count("work") == before + 1, "known by now")
    check(script.lead() == Timing.FIRST_LEAD, script.lead())
    check(timing.notes()[1] == ["launch-gaps"], timing.notes())


def test_throttled():
    script = Script(clocks=(0.5, 0.7, 1.0))
    timing, work = timing_of(script)
    timing.sample(work, 1)
    check(script.log.count("work") == 3, "two discarded")
    check(script.pauses == [0.05, 0.05], script.pauses)
    metrics, flags = timing.notes()
    check(metrics["discarded_samples"] == 2 and flags == ["throttled"], (metrics, flags))
    check(metrics["sm_clock_mhz"] == 2000.0, metrics)
    # What events take beside the cycles is no reason to discard.
    check(Timing(Script(clocks=(0.74,)), pause=None).sample(lambda: None, 1)[0] == 1000, "fast enough")


def test_gives_up():
    script = Script(clocks=(0.5,))
    timing, work = timing_of(script)
    try:
        timing.sample(work, 1)
        check(False, "a device that stays throttled")
    except ashlar_peer.NoAcceptedSample as refusal:
        check("10 in a row at less than 75 % of the device's clock of 2000 MHz" in str(refusal), refusal)
    check(script.pauses == [0.05] * 3 + [0.1, 0.2, 0.4, 0.5, 0.5, 0.5], script.pauses)


class Device:
    """An implementation that times itself."""

    def __init__(self, refuses):
        self.refuses, self.waited, self.closed = refuses, False, False

    def execute(self):
        pass

    def wait(self):
        self.waited = True

    def close(self):
        self.closed = True

    def answer(self):
        return {}

    def sample(self, batch):
        if self.refuses:
            raise ashlar_peer.NoAcceptedSample("too hot")
        return 10 * batch, batch

    def notes(self):
        return {"sm_clock_mhz": 900.0}, ["throttled"]


def test_served():
    device = Device(False)
    server = ashlar_peer._Server(device)
    server._answer_path = os.devnull
    server.handle({"do": "verify", "again": False})
    check(device.waited, "the first execution is waited for")
    answer = server.handle({"do": "sample", "n": 2, "batch": 3})
    check(answer["ok"] and answer["wall_ns"] == [30, 30] and answer["cpu_ns"] == [3, 3], answer)
    check(answer["metrics"] == {"sm_clock_mhz": 900.0} and answer["flags"] == ["throttled"], answer)
    check(server.handle({"do": "close"})["ok"] and device.closed, "lets go of the problem")
    refused = ashlar_peer._Server(Device(True)).handle({"do": "sample", "n": 1, "batch": 1})
    check(refused["ok"] and refused["refused"] == "too hot" and refused["wall_ns"] == [], refused)


class Driver:
    def __init__(self, status, count):
        self._status, self._count = status, count

    def cuInit(self, flags):
        return self._status

    def cuDeviceGetCount(self, count):
        count._obj.value = self._count
        return 0

    def cuGetErrorName(self, status, text):
        text._obj.value = b"CUDA_ERROR_NO_DEVICE"


def test_require_device():
    for driver, reason in ((Driver(100, 1), "no device: CUDA_ERROR_NO_DEVICE"), (Driver(0, 0), "no device"),
                           (Driver(0, 1), "")):
        ashlar_peer_cuda._driver = lambda driver=driver: driver
        said = ""
        try:
            ashlar_peer_cuda.require_device()
        except ashlar_peer.Unsupported as unsupported:
            said = str(unsupported)
        check(said == reason, (said, reason))


if __name__ == "__main__":
    for test in (test_order, test_batch, test_lead_grows, test_gaps, test_throttled, test_gives_up, test_served,
                 test_require_device):
        test()
