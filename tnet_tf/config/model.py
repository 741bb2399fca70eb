"""Settings of the network."""

import dataclasses
import functools
import math

from tnet_tf.config.setting import Part, require, require_finite, setting

_region = functools.partial(setting, part=Part.REGIONS)
_noise = functools.partial(setting, part=Part.NOISE)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network (paper 3, appendix 2.1; MGNet paper, 3)."""

    model: str = _region(
        "tnet",
        "'tnet'; 'mgnet', the multi-glimpse network; or 'feedforward': the backbone and a "
        "classifier on the whole image.",
        choices=("tnet", "mgnet", "feedforward"),
        usual=True,
    )
    backbone: str = setting(
        "efficientnet_b0",
        "Feature extraction module: bagnet77, efficientnet_b0 .. efficientnet_b4, resnet18, "
        "resnet34, resnet50, resnext50_32x4d, wide_resnet50_2, these with _no_maxpool, plain_cnn.",
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
        if self.model == "feedforward":
            return
        require(len(self.base_resolution) == 2, "--base_resolution takes one or two numbers")
        for side, base, name in zip(
            image_size, self.base_resolution, ("high", "wide"), strict=True
        ):
            require(
                0 < base <= side,
                f"--base_resolution={base} is larger than the image, which is {side} px {name} "
                "(--image_size); the thumbnail must not be larger than the image",
            )
        require(bool(self.locations), "--locations needs a number for each level after the first")
        if self.model == "mgnet":
            self._check_mgnet()
        else:
            self.check_grid()
        self.check_locations("--locations", self.locations)
        require(
            min(image_size) >= self.least_image_side(),
            f"--image_size={','.join(map(str, image_size))} leaves regions of less than one pixel: "
            f"these --locations with --cell or --region_scale need {self.least_image_side()} px",
        )

    def least_image_side(self) -> int:
        """Sides of an image, in pixels, from which each region has at least one of its pixels.

        The thumbnail needs two: one is of a single colour.

        Raises:
          UserError: the settings of the regions are out of range.

        >>> ModelConfig(cell=0.34375, locations=(2,)).least_image_side()
        3
        """
        if self.model == "mgnet":
            self._check_mgnet()
            share = self.region_scale[0]
        elif self.model == "tnet":
            self.check_grid()
            share = self.cell ** len(self.locations)
        else:
            share = 1.0
        return max(2, math.ceil(1 / share))

    def _check_mgnet(self) -> None:
        least, most = self.region_scale if len(self.region_scale) == 2 else (0.0, 0.0)
        require(
            0 < least <= most <= 1,
            "--region_scale takes two shares of the image's side, the smaller one first: above 0, "
            "up to 1",
        )
        require(self.gradient_scale >= 0, "--gradient_scale must not be negative")

    def check_grid(self) -> None:
        """Raises `UserError` for a grid that can't be laid over a region."""
        require(self.grid >= 2, f"--grid={self.grid} must be at least 2")
        require(0 < self.cell < 1, f"--cell={self.cell} is a fraction of the side between 0 and 1")

    def check_locations(self, flag: str, locations: tuple[int, ...]) -> None:
        """Raises `UserError` for numbers of locations that do not fit the network."""
        if self.model == "mgnet":
            require(
                len(locations) <= 1, f"{flag}: MGNet takes one number, its looks after the first"
            )
            require(min(locations, default=0) >= 0, f"{flag} must not be negative")
        for count in locations if self.model == "tnet" else ():
            require(
                0 < count <= self.grid**2,
                f"{flag}={count} does not fit a grid of {self.grid} x {self.grid}: it must be 1 to "
                f"{self.grid**2}",
            )

    @property
    def levels(self) -> int:
        """Processing levels, the thumbnail's included."""
        return len(self.locations) + 1
