"""Adversarial attacks on every network alike (MGNet paper 4.1.3), by the library ART.

ART is the Adversarial Robustness Toolbox. Nothing else in this package knows it.
"""

import collections
import contextlib
import functools
import importlib.metadata
import logging.config
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tnet_tf.config.robustness import ATTACKS
from tnet_tf.errors import UserError
from tnet_tf.models.backbone import IMAGENET_DEVIATION

# What a budget's numbers are 255ths of, for each channel of pixels in [0, 1].
_UNITS = {"pixels": (1.0, 1.0, 1.0), "standardised": IMAGENET_DEVIATION}


class Budget(NamedTuple):
    """How far an attack may go (MGNet paper 4.1.3).

    Published are 4, 1, False, False and 'standardised'; the paper does not name the units, its code
    attacks the image as it is after ImageNet's mean and deviation.

    Attributes:
      epsilon: greatest change of a pixel's channel, in 255ths of a unit; at least 0.
      step: that of one step of PGD, in 255ths of a unit; above 0.
      random_start: PGD starts anywhere within epsilon instead of at the image.
      clip: FGSM and PGD stay in the range of pixels. Square always does: it is defined so.
      units: 'pixels': a unit is the range of pixels; 'standardised': ImageNet's deviation, which
        each channel has its own of, whatever statistics the network wants.
    """

    epsilon: float
    step: float
    random_start: bool
    clip: bool
    units: str = "pixels"


def check_installed() -> None:
    """Raises `UserError` when ART is missing."""
    try:
        # Not the package's name: an unrelated distribution has a package `art` too.
        importlib.metadata.distribution("adversarial-robustness-toolbox")
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            "--attack needs packages that are not installed; run: pip install -e '.[robustness]'"
        ) from None


class Attacker:
    """Changes images within a budget so that a network errs.

    FGSM takes one step of epsilon along the sign of the gradient, PGD several small ones, each
    brought back into the budget (eq. 9 and 10). The loss is the cross-entropy of the final
    prediction; what hard attention hides from the gradient, these two do not change. Square tries
    random squares and keeps those that lower the margin of the true class, until it is not the
    first any more.

    Args:
      model: takes (images, locations=.., training=False), returns `Outputs`. Compiled once.
      image_size: height and width in pixels.
      budget: of every attack.
      locations: attended per grid, one number for each level after the first; default: the
        network's own.
      seed: of PGD's random start and of Square, at least 0.

    Attributes:
      budget: of the next call; another one needs no new compilation.

    Raises:
      UserError: when ART is missing.

    Example:
      >>> from tnet_tf.models.feedforward import FeedForward
      >>> from tnet_tf.models.plain_cnn import PlainCNN
      >>> published = Budget(epsilon=4, step=1, random_start=False, clip=False)
      >>> attacker = Attacker(FeedForward(PlainCNN(), classes=10), (32, 32), published)
      >>> images, labels = np.full((2, 32, 32, 3), 0.5, np.float32), np.array([3, 7])
      >>> perturbed = attacker.perturb("pgd", images, labels, strength=2)
      >>> round(float(np.abs(perturbed - images).max()) / 2 * 255, 3)
      2.0
    """

    def __init__(
        self,
        model: keras.Model,
        image_size: Sequence[int],
        budget: Budget,
        locations: tuple[int, ...] | None = None,
        seed: int = 0,
    ):
        check_installed()
        self.budget, self.seed = budget, seed
        self.image_shape = (*image_size, 3)
        # Pixels are in [0, 1]. One trace does for batches of any size.
        pixels = tf.TensorSpec((None, *self.image_shape))

        def predict(images: tf.Tensor) -> tf.Tensor:
            return model(2 * images - 1, locations=locations, training=False).logits

        self._predict = tf.function(predict, input_signature=[pixels])
        self.classes: int = self._predict.get_concrete_function().structured_outputs.shape[-1]

        def gradient(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(images)
                loss = tf.nn.softmax_cross_entropy_with_logits(labels, predict(images))
            unconnected = tf.UnconnectedGradients.ZERO
            return tape.gradient(loss, images, unconnected_gradients=unconnected)

        one_hot = tf.TensorSpec((None, self.classes))
        self._gradient = tf.function(gradient, input_signature=[pixels, one_hot])

    def perturb(
        self, attack: str, images: np.ndarray, labels: np.ndarray, strength: int, first: int = 0
    ) -> np.ndarray:
        """The images, attacked.

        Args:
          attack: one of `ATTACKS`.
          images: (n, H, W, 3) float32 in [-1, 1].
          labels: (n,) integers, the true classes.
          strength: steps of PGD, at least 0; squares that Square tries for each image, at least 1,
            after vertical stripes. FGSM has one strength.
          first: place of the first image among all. What is random is drawn for the whole batch, by
            seed and place; batches of another size are changed otherwise.

        Returns:
          (n, H, W, 3) float32, within the budget up to rounding.

        Raises:
          UserError: for an unknown attack or unit.
          ValueError: for images or labels of another type or shape, or another number of classes.
        """
        if attack not in ATTACKS:
            raise UserError(f"--attack={attack} is unknown; there are {', '.join(ATTACKS)}")
        if self.budget.units not in _UNITS:
            known = ", ".join(_UNITS)
            raise UserError(f"--attack_units={self.budget.units} is unknown; there are {known}")
        self._check(images, labels)
        if not len(images) or not self.budget.epsilon:
            return images.copy()
        unit = np.array(_UNITS[self.budget.units], np.float32)
        scaled = (images + 1) / 2 / unit
        with _numpy_seeded(self.seed, first):
            perturbed = self._make(attack, strength, len(images), unit).generate(scaled, labels)
        # Where the attack changed nothing, nothing changes: not even the last bit.
        perturbed = images + 2 * unit * (perturbed - scaled)
        clip = self.budget.clip or attack == "square"
        return np.clip(perturbed, -1, 1) if clip else perturbed

    def _check(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Raises `ValueError` when images or labels can't be attacked."""
        if images.dtype != np.float32 or images.shape[1:] != self.image_shape:
            shape = ", ".join(map(str, self.image_shape))
            given = f"{images.dtype} of {images.shape}"
            raise ValueError(f"images must be float32 of (n, {shape}), not {given}")
        if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
            given = f"{labels.dtype} of {labels.shape}"
            raise ValueError(f"labels must be {len(images)} integers, not {given}")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.classes:
            raise ValueError(f"labels must be below {self.classes}, the number of classes")

    def _make(self, attack: str, strength: int, count: int, unit: np.ndarray) -> Any:
        """ART's attack on batches of `count` images, their pixels in [0, 1] divided by `unit`.

        So ART's budget is one number. A mean, which would be subtracted too, changes no attack.
        """

        def predict(scaled: np.ndarray) -> tf.Tensor:
            return self._predict(scaled * unit)

        def gradient(scaled: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return self._gradient(scaled * unit, labels) * unit

        art, pixel_range = _toolbox(), (0 / unit, 1 / unit)
        network: dict[str, Any] = {"nb_classes": self.classes, "input_shape": self.image_shape}
        network.update(channels_first=False, preprocessing=None)
        settings: dict[str, Any] = {"eps": self.budget.epsilon / 255, "batch_size": count}
        if attack == "square":
            black_box = art.BlackBox(_Remembering(predict), clip_values=pixel_range, **network)
            settings.update(max_iter=int(strength), verbose=False)
            return art.Square(black_box, **settings)
        clip_values = pixel_range if self.budget.clip else None
        white_box = art.WhiteBox(predict, gradient, clip_values=clip_values, **network)
        if attack == "fgsm":
            return art.FGSM(white_box, **settings)
        settings.update(num_random_init=int(self.budget.random_start), verbose=False)
        return art.PGD(
            white_box, eps_step=self.budget.step / 255, max_iter=int(strength), **settings
        )


class _Remembering:
    """Predictions for images, of which those seen in the last three calls are not computed again.

    In every step, Square predicts all images as they are, then those that are left to attack, then
    these with a square: only the last are new to the network.
    """

    def __init__(self, predict: Callable[[np.ndarray], tf.Tensor]):
        self.predict = predict
        self.calls: collections.deque[dict[int, np.ndarray]] = collections.deque(maxlen=3)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The logits (n, classes) of images (n, H, W, 3) as `predict` takes them."""
        keys = [hash(image.tobytes()) for image in images]
        known = dict(collections.ChainMap(*self.calls))
        new = [place for place, key in enumerate(keys) if key not in known]
        if new:
            logits = self.predict(images[new]).numpy()
            known.update(zip([keys[place] for place in new], logits, strict=True))
        self.calls.append({key: known[key] for key in keys})
        return np.stack([known[key] for key in keys])


@functools.cache
def _toolbox() -> SimpleNamespace:
    """ART's classes by what they are here; imported when first needed, since that takes seconds."""
    with warnings.catch_warnings(), _logging_left_alone():
        warnings.filterwarnings("ignore", "PyTorch not found", UserWarning)
        from art.attacks import evasion
        from art.estimators import classification

    class WhiteBox(classification.TensorFlowV2Classifier):
        """A network with a compiled gradient, zero where there is none.

        ART's own is traced call by call, takes 2 to 4 times as long, and may be None.
        """

        def __init__(self, predict: Callable, gradient: Callable, **settings: Any):
            super().__init__(model=predict, **settings)
            self.gradient = gradient

        def predict(self, x: np.ndarray, **settings: Any) -> np.ndarray:
            return self.model(x).numpy()

        def loss_gradient(self, x: Any, y: Any, **settings: Any) -> Any:
            gradient = self.gradient(x, y)
            return gradient.numpy() if isinstance(x, np.ndarray) else gradient

    class PGD(evasion.ProjectedGradientDescentTensorFlowV2):
        """ART's, but epsilon stays a number; ART makes it an array as large as the images."""

        @staticmethod
        def _projection(values: tf.Tensor, eps: float, *norm: Any, **settings: Any) -> tf.Tensor:
            return tf.clip_by_value(values, -eps, eps)

    class Square(evasion.SquareAttack):
        """ART's, but squares fit into images that are wider than high, or higher than wide."""

        def _get_percentage_of_elements(self, i_iter: int) -> float:
            height, width, _ = self.estimator.input_shape
            greatest = (min(height, width) - 1) ** 2 / (height * width)
            return min(super()._get_percentage_of_elements(i_iter), greatest)

    return SimpleNamespace(
        WhiteBox=WhiteBox,
        BlackBox=classification.BlackBoxClassifierNeuralNetwork,
        FGSM=evasion.FastGradientMethod,
        PGD=PGD,
        Square=Square,
    )


@contextlib.contextmanager
def _logging_left_alone() -> Iterator[None]:
    """ART sets up its logging when it is imported, which would close everyone's log files."""
    set_up = logging.config.dictConfig
    logging.config.dictConfig = lambda config: None
    try:
        yield
    finally:
        logging.config.dictConfig = set_up


@contextlib.contextmanager
def _numpy_seeded(*key: int) -> Iterator[None]:
    """Inside, NumPy's global randomness, which ART draws from, is a function of `key`."""
    state = np.random.get_state()
    np.random.seed(np.random.SeedSequence(key).generate_state(4))
    try:
        yield
    finally:
        np.random.set_state(state)
