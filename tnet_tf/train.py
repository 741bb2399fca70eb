"""Trains a network: python -m tnet_tf.train --flagfile=experiments/demo.flags."""

import time

from tnet_tf import command
from tnet_tf.config import Config
from tnet_tf.inputs import catalog
from tnet_tf.run import Run
from tnet_tf.training import run_lock
from tnet_tf.training.trainer import Trainer


@command.named("train")
def main(config: Config) -> None:
    """Trains a network on prepared records (see tnet_tf.prepare).

    Shows progress; writes settings, checkpoints, the best model and TensorBoard logs to --run_dir.
    The same command goes on where an earlier one was interrupted.

    Example: python -m tnet_tf.train --flagfile=experiments/demo.flags --run_dir=runs/mine
    """
    config.check()
    dataset = catalog.open_dataset(config.data)
    run, started = Run(config.train.run_dir), time.perf_counter()
    with run_lock.held(run):
        trainer = Trainer(config, dataset)
        trainer.fit()
    seconds = time.perf_counter() - started
    print(
        f"done: {trainer.step.numpy()} steps, {seconds:.0f} s, best validation top-1 "
        f"{trainer.best.numpy():.2%}, model in {run.best}"
    )


if __name__ == "__main__":
    command.run(main)
