"""Which devices a run uses."""

import functools

import tensorflow as tf

from tnet_tf.errors import UserError


def make_strategy(count: int) -> tf.distribute.Strategy:
    """A distribution strategy over `count` devices.

    Args:
      count: 0 takes all GPUs, or the CPU where there is none; on a machine without GPU a number
        above 1 makes that many virtual CPU devices.

    Returns:
      MirroredStrategy for several devices, else TensorFlow's default strategy.

    Raises:
      UserError: for more GPUs than there are, or when TensorFlow already runs with other devices.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and count > len(gpus):
        raise UserError(f"--devices={count}, but this machine has {len(gpus)} GPU(s)")
    count = count or max(1, len(gpus))
    if count == 1:
        return tf.distribute.get_strategy()
    if not gpus:
        _split_cpu(count)
    return _mirrored("GPU" if gpus else "CPU", count)


@functools.cache
def _mirrored(kind: str, count: int) -> tf.distribute.MirroredStrategy:
    """One strategy per process: those of several would mix up their messages."""
    return tf.distribute.MirroredStrategy([f"{kind}:{number}" for number in range(count)])


def _split_cpu(count: int) -> None:
    """Makes `count` virtual devices of the CPU, once per process."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise UserError(
                f"--devices={count}: TensorFlow is already running with fewer CPU devices in this "
                "process; call make_strategy before anything else"
            ) from error
