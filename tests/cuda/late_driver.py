"""A driver without a GPU that does everything as late, or as early, as it may: to find orders that nobody enforces.

Streams are queues. In the mode "late", nothing is done until somebody waits for it, and then no more than that takes;
in the mode "early", the stream of uploads runs ahead of all others as far as events let it. A real GPU shows a missing
event once in a thousand runs; this shows it at once.

Run as a script (test_transfers.py does), because NUMBA_ENABLE_CUDASIM chooses the simulator for a whole process.
"""

import ctypes
import random
import sys

import numpy as np
from cuda.bindings import driver as bindings

import minifcn as mf
from minifcn.cuda import Readback, prefetched

Status = bindings.CUresult


class Mark:
    """What recording an event puts into a stream."""

    def __init__(self, stream):
        self.stream, self.passed = stream, False


class Event:
    mark = None


class LateDriver:
    """The calls that transfers make, on memory of the host. Each returns a status and a result, as the driver's do."""

    def __init__(self, eager):
        self.eager, self.streams, self.ahead, self.memory = eager, {}, [], {}

    def _run(self, stream, until=None, force=True):
        queue = self.streams[stream]
        while queue:
            work = queue[0]
            if isinstance(work, tuple) and not work[0].passed:  # it has to wait for a mark of another stream
                if not force:
                    return
                self._run(work[0].stream, until=work[0])
            queue.pop(0)
            if isinstance(work, Mark):
                work.passed = True
            elif callable(work):
                work()
            if work is until:
                return

    def _put(self, stream, work):
        self.streams[int(stream)].append(work)
        for ahead in self.ahead:
            self._run(ahead, force=False)
        return (Status.CUDA_SUCCESS,)

    def _allocate(self, size):
        block = ctypes.create_string_buffer(size + 256)
        address = -(-ctypes.addressof(block) // 256) * 256
        self.memory[address] = block
        return Status.CUDA_SUCCESS, address

    def _copy(self, target, source, size, stream):
        return self._put(stream, lambda: ctypes.memmove(target, source, size))

    def _free(self, address):
        del self.memory[address]
        return (Status.CUDA_SUCCESS,)

    def _new_stream(self, flags):
        stream = 100 + len(self.streams)
        self.streams[stream] = []
        if flags and self.eager:  # that of uploads, which waits for none by itself
            self.ahead.append(stream)
        return Status.CUDA_SUCCESS, stream

    def _upload(self, target, source, size, stream):
        if not any(address <= source < address + len(block) for address, block in self.memory.items()):
            copy = ctypes.string_at(source, size)  # pageable memory is read at once
            return self._put(stream, lambda: ctypes.memmove(target, copy, size))
        return self._copy(target, source, size, stream)

    def _record(self, event, stream):
        event.mark = Mark(int(stream))
        return self._put(stream, event.mark)

    def _wait(self, stream, event, flags):
        return self._put(stream, (event.mark,)) if event.mark else (Status.CUDA_SUCCESS,)

    def _synchronize_event(self, event):
        if event.mark and not event.mark.passed:
            self._run(event.mark.stream, until=event.mark)
        return (Status.CUDA_SUCCESS,)

    def _query(self, event):
        passed = event.mark is None or event.mark.passed
        return (Status.CUDA_SUCCESS if passed else Status.CUDA_ERROR_NOT_READY,)

    def _synchronize_stream(self, stream):
        self._run(int(stream))
        return (Status.CUDA_SUCCESS,)

    def install(self):
        """Take the place of the calls in cuda.bindings.driver, before minifcn.kernels.cuda is imported."""
        right = Status.CUDA_SUCCESS
        calls = {
            "cuInit": lambda flags: (right,),
            "cuDeviceGetCount": lambda: (right, 1),
            "cuDeviceGet": lambda number: (right, 0),
            "cuDevicePrimaryCtxRetain": lambda device: (right, 1),
            "cuCtxSetCurrent": lambda context: (right,),
            "cuMemGetInfo": lambda: (right, 2**30, 2**30),
            "cuGetErrorString": lambda status: (right, b""),
            "cuMemAlloc": self._allocate,
            "cuMemHostAlloc": lambda size, flags: self._allocate(size),
            "cuMemFree": self._free,
            "cuMemFreeHost": self._free,
            "cuMemcpyHtoDAsync": self._upload,
            "cuMemcpyDtoHAsync": self._copy,
            "cuMemcpyDtoDAsync": self._copy,
            "cuStreamCreate": self._new_stream,
            "cuStreamSynchronize": self._synchronize_stream,
            "cuStreamWaitEvent": self._wait,
            "cuEventCreate": lambda flags: (right, Event()),
            "cuEventRecord": self._record,
            "cuEventSynchronize": self._synchronize_event,
            "cuEventQuery": self._query,
        }
        for name, call in calls.items():
            setattr(bindings, name, call)


def trial(numbers):
    """A loop over batches of one number each, left early or not; all that it computed must hold that number."""
    from minifcn.kernels.cuda import driver
    from minifcn.kernels.cuda.array import empty, from_host

    def batches():
        for i in range(numbers.randrange(12)):
            yield np.full(numbers.choice([100, 100, 300]), i, np.float32), np.array([i])

    computed, late = [], []
    leave, readers = numbers.choice([None, None, 0, 1, 3]), numbers.random()
    for i, (images, labels) in enumerate(prefetched(batches(), labels=True)):
        if i == leave:
            break
        between, out = (empty(images.shape, np.float32) for _ in range(2))  # a step: two copies
        driver.copy_on_device(between.pointer, images.data.pointer, images.data.nbytes)
        driver.copy_on_device(out.pointer, between.pointer, images.data.nbytes)
        computed = [*computed[-3:], (i, out)]
        late += [(i, Readback(images)), (i, Readback(labels))]
        if numbers.random() < readers:
            expected, one = late.pop(numbers.randrange(len(late)))
            assert (one.value() == expected).all()
        if late and numbers.random() < 0.2:  # nobody ever reads it
            late.pop(numbers.randrange(len(late)))
    others = [from_host(np.full(100, -1, np.float32)) for _ in range(5)]  # in memory that was used before
    for expected, one in late:
        assert (one.value() == expected).all()
    for expected, array in [*computed, *((-1, other) for other in others)]:
        assert (array.to_host() == expected).all()


def main(mode):
    LateDriver(eager=mode == "early").install()
    late = Readback(mf.Tensor(np.float32(3), device="cuda"))
    assert not late.ready
    assert late.value() == 3.0
    assert late.ready
    numbers = random.Random(0)
    for _ in range(200):
        trial(numbers)
    print("all in order")


if __name__ == "__main__":
    main(sys.argv[1])
