"""Peak memory of one piece of work: of the GPU by TensorFlow's allocator, else of the process."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

_STATUS = Path("/proc/self/status")


def peak_growth(prepare: Callable[..., Callable[[], object]], *arguments: Any) -> int:
    """How much memory a piece of work needs, measured in a process of its own.

    On a machine with a GPU: the most that TensorFlow had allocated there at once. Else: the most
    that the process held, less what it held before `prepare`, TensorFlow itself being loaded.

    Args:
      prepare: a function of a module; builds what is needed and returns the work, which is then
        done three times.
      *arguments: of `prepare`; picklable.

    Returns:
      Bytes.

    Raises:
      MemoryError: when the system ended the process, as it does when memory runs out.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, prepare, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        raise MemoryError(f"the measuring process ended with code {process.exitcode}") from None
    finally:
        process.join()


def _measure(sender: Any, prepare: Callable[..., Callable[[], object]], arguments: Any) -> None:
    gpu = bool(tf.config.list_logical_devices("GPU"))
    before = 0 if gpu else _peak_of_process()
    work = prepare(*arguments)
    for _ in range(3):
        work()
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpu else _peak_of_process()
    sender.send(peak - before)


def _peak_of_process() -> int:
    """Bytes of the process's largest resident set so far."""
    if _STATUS.exists():  # Linux's other number, below, begins with what the parent process had.
        (line,) = (row for row in _STATUS.read_text().splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
