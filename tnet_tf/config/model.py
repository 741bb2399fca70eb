"""Settings of the network."""

import dataclasses
import functools

from tnet_tf.config.networks import NETWORKS, Attention
from tnet_tf.config.setting import Part, require, require_finite, setting

_region = functools.partial(setting, part=Part.REGIONS)
_noise = functools.partial(setting, part=Part.NOISE)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network (paper 3, appendix 2.1; MGNet paper, 3)."""

    model: str = _region(
        "tnet",
        "; ".join(f"'{name}', {row.description}" for name, row in NETWORKS.items()) + ".",
        choices=tuple(NETWORKS),
        usual=True,
    )
    backbone: str = setting(
        "efficientnet_b0",
        "Feature extraction module, such as efficientnet_b0, resnet18, resnet18_no_maxpool, "
        "bagnet77 or plain_cnn; a name that there is not is answered with all that there are.",
        usual=True,
    )
    classes: int = setting(0, "Number of classes; 0: as many as the dataset has.")
    base_resolution: tuple[int, ...] = setting(
        (224, 224),
        "Pixels (one number, or height and width) to which each region is resized.",
        usual=True,
        sides=True,
    )
    grid: int = _region(
        3, "Candidate locations per side of the attention grid (n of n x n).", usual=True
    )
    cell: float = _region(0.5, "Side of a grid cell as a fraction of the image side.", usual=True)
    locations: tuple[int, ...] = _region(
        (2,),
        "Locations attended per grid, one number for each level after the first: '2' looks at 2 "
        "places in 2 levels, '2,1' at 2 and then at 1 inside each of them (4 in all). MGNet: one "
        "number, its glimpses after the first; '0' makes it the paper's FF-Net where "
        "--base_resolution is --image_size.",
        usual=True,
    )
    sampling: str = _noise(
        "top_k",
        "How training selects locations: the k most probable (the paper's) or true sampling "
        "without replacement (appendix eq. 7).",
        choices=("top_k", "without_replacement"),
    )
    location_module: str = setting(
        "squeeze_excitation",
        "'context': grid features with the context vector (appendix table 2); "
        "'squeeze_excitation': grid features alone (table 3).",
        choices=("context", "squeeze_excitation"),
    )
    positional_module: str = setting(
        "add",
        "'concat': feature and encoding through one linear layer (appendix table 2); 'add': the "
        "projected encoding is added to the feature (table 3).",
        choices=("concat", "add"),
    )
    feature_weighting: bool = setting(
        False, "Weigh feature vectors before they are averaged (appendix table 4)."
    )
    region_scale: tuple[float, ...] = _region(
        (0.2, 0.5),
        "MGNet: least and greatest side of a glimpse's region, as shares of the image's.",
    )
    gradient_scale: float = _region(
        0.01, "MGNet: factor on the gradients that the localization network gets (s of eq. 5)."
    )
    normalization: str = setting(
        "shared",
        "BatchNorm 'shared' by all levels (the paper's), or kept 'per_level' while the "
        "convolutions stay shared.",
        choices=("shared", "per_level"),
    )
    input_statistics: str = setting(
        "symmetric",
        "What the backbone is fed: 'symmetric', pixels in [-1, 1] (the paper's), 'unit', pixels in "
        "[0, 1] (keras.applications networks trained from scratch), or 'imagenet', pixels "
        "standardised by ImageNet's mean and deviation (keras.applications weights='imagenet').",
        choices=("symmetric", "unit", "imagenet"),
    )
    spatial_dropout: float = _noise(
        0.0, "Drop probability of whole channels of the last feature map (BagNet-77)."
    )
    dropout: float = _noise(0.0, "Drop probability before the classification layer.")
    stochastic_depth: float = _noise(
        0.0,
        "Stochastic depth: residual block b of B, counted from 0, is skipped with b / B of this "
        "probability.",
    )

    def check(self, image_size: tuple[int, ...]) -> None:
        """Raises `UserError` for a value out of range or one that contradicts another."""
        require_finite(self)
        for name in ("spatial_dropout", "dropout", "stochastic_depth"):
            rate = getattr(self, name)
            require(0 <= rate < 1, f"--{name}={rate} is a probability: 0 to below 1")
        require(self.classes >= 0, "--classes must not be negative")
        self.attention.check(self, image_size)

    def check_locations(self, flag: str, locations: tuple[int, ...]) -> None:
        """Raises `UserError` for numbers of locations that do not fit the network."""
        self.attention.check_locations(flag, locations, self)

    def least_image_side(self) -> int:
        """Sides of an image, in pixels, from which each region has at least one of its pixels.

        Raises:
          UserError: the settings of the regions are out of range.

        >>> ModelConfig(cell=0.34375, locations=(2,)).least_image_side()
        3
        """
        return self.attention.least_image_side(self)

    @property
    def attention(self) -> Attention:
        """What the settings of regions mean to the network."""
        return NETWORKS[self.model].attention

    @property
    def levels(self) -> int:
        """Processing levels, the thumbnail's included."""
        return len(self.locations) + 1
