"""Keras's own `compile`, `fit`, `evaluate` and `export` on the networks of this package."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from tnet_tf.errors import UserError
from tnet_tf.layers import checks


class KerasMethods(keras.Model):
    """A model that learns by its own rule where Keras expects a loss.

    Models know neither learning rules nor exports. Those who do register themselves here when
    `tnet_tf` is imported: `tnet_tf.training.keras_fit` and `tnet_tf.serving.keras_export`.

    The graphs of `fit`, `evaluate` and `predict` refuse what eager calls refuse, such as float
    images far out of [-1, 1].

    Attributes:
      classes: number of classes.
      rules: names of the learning rules that the network learns by; the first is its own.
    """

    classes: int
    rules: ClassVar[Sequence[str]] = ()
    fitting: ClassVar[Any]
    exporting: ClassVar[Callable[..., None]]

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: None = None,
        metrics: Any = ("accuracy",),
        learning: Any = None,
        seed: int = 0,
        jit_compile: bool = False,
        **others: Any,
    ) -> None:
        """Makes the network ready for `fit` and `evaluate`.

        The commands train with more: pretrained and new layers apart, weight averages, exact
        resumption. Losses, rewards and metrics are those of `tnet_tf.training.keras_fit.KerasFit`.

        Args:
          optimizer: by name, or Keras's object.
          loss: to be left out; the loss is the network's learning rule.
          metrics: of labels (n,) and probabilities (n, classes), by name or as objects.
          learning: a `LearningConfig`; None: the network's own rule with its defaults.
          seed: of dropout, sampling and other noise inside the network.
          jit_compile: compile by XLA, which is slow on processors.
          **others: `run_eagerly`, `steps_per_execution`, `auto_scale_loss`, as in Keras.

        Raises:
          UserError: for a loss, loss weights or weighted metrics.
        """
        refused = {"loss": loss, **{n: others.pop(n, None) for n in _REPLACED}}
        for name, value in refused.items():
            if value is not None:
                raise UserError(
                    f"compile({name}=..) can't be given: the network's loss is its learning rule; "
                    "set it by learning=tnet_tf.LearningConfig(..), and weigh images by "
                    "class_weight or sample_weight of fit"
                )
        fitting = self.fitting(self, learning, seed)
        metrics = list(metrics) if isinstance(metrics, list | tuple) else [metrics]
        super().compile(optimizer=optimizer, metrics=metrics, jit_compile=jit_compile, **others)
        self._fitting = fitting
        for metric in self.metrics:
            if metric.name == "compile_metrics":
                # By the shapes of labels and probabilities; Keras's own way is to call the model.
                metric.build(tf.zeros((1,)), tf.zeros((1, self.classes)))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Loss, what `compile` was given, and reward."""
        return [*super().metrics, self._fitting.reward] if self.compiled else []

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """What `fit` does with a batch."""
        with checks.in_graph():
            return self._fitting.train_step(data)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """What `evaluate` does with a batch."""
        with checks.in_graph():
            return self._fitting.test_step(data)

    def predict_step(self, data: Any) -> Any:
        """What `predict` does with a batch."""
        with checks.in_graph():
            return super().predict_step(data)

    def get_compile_config(self) -> dict[str, Any]:
        """Optimiser, rule and metrics, saved with the model."""
        config = super().get_compile_config()
        return {**config, "fitting": self._fitting.get_config()} if config else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was."""
        fitting = config.pop("fitting")
        self.compile(**keras.saving.deserialize_keras_object(config))
        self._fitting = self.fitting.from_config(self, fitting)
        self.optimizer.build(self._fitting.trained)

    def export(
        self,
        filepath: str,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **others: Any,
    ) -> None:
        """Writes a SavedModel for serving: any number of images of any size.

        Its signatures are those of `tnet_tf.serving.saved_model`.

        Args:
          filepath: folder to write.
          format: 'tf_saved_model'; the command `tnet_tf.export` writes the others.
          verbose: whether to say where it was written.
          input_signature: to be left out.
          **others: none are known.

        Raises:
          UserError: for another format or a signature, and when the folder can't be written.
        """
        others["input_signature"] = input_signature
        given = [name for name, value in others.items() if value is not None]
        if format != "tf_saved_model" or given:
            what = given[0] if given else f"format={format!r}"
            raise UserError(
                f"export({what}) is not to be had here: it writes a SavedModel for images of any "
                "size; for ONNX, LiteRT and OpenVINO use python -m tnet_tf.export --format=.."
            )
        self.exporting(self, filepath)
        if verbose:
            print(f"written to {filepath}")


# What the learning rule stands for.
_REPLACED = ("loss_weights", "weighted_metrics")
