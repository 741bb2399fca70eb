"""The loop around the training step: strategy, data, progress, evaluation, checkpoints."""

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tnet_tf.config import Config, TrainConfig
from tnet_tf.errors import UserError
from tnet_tf.evaluation.accuracy import Accuracy
from tnet_tf.evaluation.loop import Evaluation
from tnet_tf.evaluation.results import Curve
from tnet_tf.inputs import pipeline
from tnet_tf.inputs.dataset import Dataset
from tnet_tf.models.factory import build_model
from tnet_tf.models.precision import computing_in
from tnet_tf.models.weights.load import load_pretrained
from tnet_tf.run import Run
from tnet_tf.training.checkpoints import Checkpoints, check_config, keep_config
from tnet_tf.training.class_weights import class_weights
from tnet_tf.training.continuation import check_length
from tnet_tf.training.devices import make_strategy
from tnet_tf.training.early_stopping import EarlyStopping
from tnet_tf.training.step import make_train_step
from tnet_tf.training.summaries import Summaries


def checkpoint_interval(steps: int) -> int:
    """Steps between checkpoints of a run that does not say: ten in all, or one every 1000 steps."""
    return min(max(1, steps // 10), 1000)


class Trainer:
    """A run from its settings to its best model; goes on where an earlier one stopped.

    Args:
      config: all settings, checked.
      dataset: prepared records.

    Raises:
      UserError: when settings, data, weights or an earlier run do not fit together.
    """

    def __init__(self, config: Config, dataset: Dataset):
        self.config, self.dataset = config, dataset
        train, self.run = config.train, Run(config.train.run_dir)
        before = check_config(config)
        if train.deterministic:
            tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(train.seed)
        self.strategy = make_strategy(train.devices)
        self._check_batch_size()
        self.train_split = dataset.train_split
        self.steps = self._steps_of(train)
        if before is not None:
            check_length(before.train, self._steps_of(before.train), train, self.steps)
        self.checkpoint_every = train.checkpoint_every or checkpoint_interval(self.steps)
        self.evaluate_every = train.evaluate_every or self.checkpoint_every
        with self.strategy.scope():
            self._build()
        keep_config(config)
        self.summaries = Summaries(self.run.tensorboard)
        self.evaluation = Evaluation(self.evaluated)
        self.stopped = self.profiling = False

    def _check_batch_size(self) -> None:
        replicas, size = self.strategy.num_replicas_in_sync, self.config.train.batch_size
        if size % replicas:
            raise UserError(
                f"--batch_size={size} does not divide over {replicas} devices; give a multiple of "
                f"{replicas}, or fewer --devices"
            )

    def _build(self) -> None:
        """Makes all variables of the run."""
        config, classes = self.config, len(self.dataset.classes)
        if config.model.classes not in (0, classes):
            raise UserError(
                f"--classes={config.model.classes}, but {config.data.dataset} has {classes} classes"
            )
        weights = class_weights(config.learning, self.dataset)
        with computing_in(config.train.precision):
            self.model = build_model(config.model, classes)
        pretrained: tuple[str, ...] = ()
        if config.train.pretrained:
            report = load_pretrained(self.model, config.train.pretrained)
            pretrained = report.loaded
            print(report, flush=True)
        self.train_step = make_train_step(self.model, config, self.steps, pretrained, weights)
        self.step, self.average = self.train_step.step, self.train_step.average
        self.best = tf.Variable(-1.0, trainable=False, name="best_accuracy")
        self.early_stopping = EarlyStopping(config.train.early_stopping)
        # What is evaluated and kept as the best.
        self.evaluated = self.average.model if self.average else self.model
        self.checkpoints = Checkpoints(
            self.run,
            self.model,
            {group.name: group.optimizer for group in self.train_step.groups},
            self.average.model if self.average else None,
            step=self.step,
            best=self.best,
            classes=tf.Variable(classes, trainable=False, name="classes"),
            **self.train_step.rule.state,
            **self._optional_state(),
        )

    def _optional_state(self) -> dict[str, tf.Variable]:
        """The state of what is switched on; runs without it have checkpoints without it."""
        state = {}
        if self.train_step.loss_scale is not None:
            state["loss_scale"] = self.train_step.loss_scale.value
            state["good_steps"] = self.train_step.loss_scale.good_steps
        if self.early_stopping.patience:
            state["waited"] = self.early_stopping.waited
        return state

    def fit(self) -> None:
        """Trains up to the last step; interrupted, it saves a checkpoint first.

        Raises:
          KeyboardInterrupt: after SIGINT or SIGTERM, once a checkpoint is written.
          UserError: when records can't be read or files can't be written.
        """
        if self.checkpoints.restore():
            print(f"going on after step {self.step.numpy()} of {self.steps}", flush=True)
        start = int(self.step.numpy())
        if self.early_stopping.ended:
            return
        batches = pipeline.training_batches(
            self.dataset,
            self.config.data,
            self.config.train.batch_size,
            self.config.train.seed,
            start_step=start,
            steps=self.steps,
        )
        distributed = self.strategy.experimental_distribute_dataset(batches)
        with (
            self._stop_on_signal(),
            tqdm(
                total=self.steps, initial=start, unit="step", desc="training", mininterval=1
            ) as progress,
            pipeline.record_errors(self.dataset),
        ):
            self._run(iter(distributed), start, progress)

    def _run(self, batches: Iterator[Any], start: int, progress: Any) -> None:
        """The loop: step, report, evaluate, save."""
        config, begun, reported = self.config.train, time.perf_counter(), start
        for step in range(start + 1, self.steps + 1):
            with self._profiled(step):
                metrics = self.train_step(next(batches))
            progress.update()
            evaluate = self._is_due(step, self.evaluate_every)
            save = self._is_due(step, self.checkpoint_every) or self.stopped
            # What is saved was reported before: a loss that is no number never gets that far.
            if save or evaluate or self._is_due(step, config.summary_every):
                rate = (step - reported) / (time.perf_counter() - begun)
                self._report(metrics, rate, step, progress)
                if evaluate:
                    self._evaluate(step, progress)
                if save or self.early_stopping.ended:
                    self.checkpoints.save(step)
                begun, reported = time.perf_counter(), step
            if self.stopped:
                raise KeyboardInterrupt(f"the same command goes on after step {step}")
            if self.early_stopping.ended:
                waited = self.early_stopping.waited.numpy()
                progress.write(f"ended: {waited} evaluations without a better validation top-1")
                break
        if self.profiling:
            self._end_profile()

    @contextlib.contextmanager
    def _profiled(self, step: int) -> Iterator[None]:
        """Records this step for TensorBoard if it is one of --profile_steps."""
        first, last = self.config.train.profile_steps or (0, 0)
        if not first <= step <= last:
            yield
            return
        if not self.profiling:
            tf.profiler.experimental.start(str(self.run.tensorboard))
            self.profiling = True
        with tf.profiler.experimental.Trace("train", step_num=step, _r=1):
            yield
        if step == last:
            self._end_profile()

    def _end_profile(self) -> None:
        tf.profiler.experimental.stop()
        self.profiling = False

    def _is_due(self, step: int, every: int) -> bool:
        """Whether something is due after this step; everything is after the last one."""
        return step % every == 0 or step == self.steps

    def _steps_of(self, train: TrainConfig) -> int:
        """How many steps settings give a run."""
        if train.train_steps:
            return train.train_steps
        count = pipeline.count(self.dataset, self.train_split)
        return -(-train.epochs * count // train.batch_size)

    def _report(self, metrics: dict[str, tf.Tensor], rate: float, step: int, progress: Any) -> None:
        """Scalars to TensorBoard and to the progress bar; `rate` is in steps per second."""
        values: dict[str, Any] = {name: value.numpy() for name, value in metrics.items()}
        accuracy = Curve.of(0, values["accuracy_by_locations"])
        values["accuracy_by_locations"] = accuracy
        values["images_per_second"] = rate * self.config.train.batch_size
        good = f"last good checkpoint is {self.checkpoints.manager.latest_checkpoint or 'none'}"
        if not np.isfinite(values["loss"]):
            raise UserError(
                f"the loss is {values['loss']} at step {step}; lower --learning_rate. The {good}"
            )
        if values.get("loss_scale", 1) < 1:
            raise UserError(
                f"gradients overflow float16 however small the loss is scaled, up to step {step}; "
                f"lower --learning_rate, or use --precision=bfloat16. The {good}"
            )
        self.summaries.scalars("train", values, step)
        progress.set_postfix(
            loss=f"{values['loss']:.3f}",
            accuracy=f"{accuracy.last:.1%}",
            reward=f"{values['reward']:.2f}",
        )

    def _evaluate(self, step: int, progress: Any) -> None:
        """Accuracy on the validation split, pictures of attended regions; keeps the best model."""
        batches = pipeline.evaluation_batches(
            self.dataset,
            self.dataset.validation_split,
            self.config.data,
            self.config.eval.eval_batch_size,
        )
        if self.config.train.summary_images and self.model.attends:
            images = next(iter(batches)).images[: self.config.train.summary_images]
            self.summaries.attended(self.evaluated, images, step)
        results = self.evaluation.run(batches, [Accuracy()])
        self.summaries.scalars("validation", results, step)
        accuracy = results["top1_by_locations"].last
        progress.write(f"step {step}: validation top-1 {accuracy:.2%}")
        better = accuracy > float(self.best.numpy())
        if better:
            self.checkpoints.save_best(self.evaluated)
            self.best.assign(accuracy)
        self.early_stopping.update(better)

    @contextlib.contextmanager
    def _stop_on_signal(self) -> Iterator[None]:
        """Lets SIGINT and SIGTERM end the run after the current step."""

        def stop(*_: Any) -> None:
            self.stopped = True

        try:
            before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # Not in the main thread: signals are not ours to handle.
            before = {}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
