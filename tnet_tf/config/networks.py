"""The networks by name, and what settings mean to each kind of attention."""

import abc
import math
from typing import TYPE_CHECKING, NamedTuple

from tnet_tf.config.setting import require

if TYPE_CHECKING:
    from tnet_tf.config.model import ModelConfig


class Attention(abc.ABC):
    """What settings say of where a network looks; a kind of attention is a subclass."""

    def check(self, settings: "ModelConfig", image_size: tuple[int, ...]) -> None:
        """Raises `UserError` for settings of regions that do not fit each other or the images."""
        require(len(settings.base_resolution) == 2, "--base_resolution takes one or two numbers")
        for side, base, name in zip(
            image_size, settings.base_resolution, ("high", "wide"), strict=True
        ):
            require(
                0 < base <= side,
                f"--base_resolution={base} is larger than the image, which is {side} px {name} "
                "(--image_size); the thumbnail must not be larger than the image",
            )
        locations = settings.locations
        require(bool(locations), "--locations needs a number for each level after the first")
        self.check_regions(settings)
        self.check_locations("--locations", locations, settings)
        least = self.least_image_side(settings)
        require(
            min(image_size) >= least,
            f"--image_size={','.join(map(str, image_size))} leaves regions of less than one pixel: "
            f"these --locations with --cell or --region_scale need {least} px",
        )

    @abc.abstractmethod
    def check_regions(self, settings: "ModelConfig") -> None:
        """Raises `UserError` for settings of the regions that are out of range."""

    @abc.abstractmethod
    def check_locations(
        self, flag: str, locations: tuple[int, ...], settings: "ModelConfig"
    ) -> None:
        """Raises `UserError` for numbers of locations that the network can't look at.

        Args:
          flag: by which they were given.
          locations: one number for each level after the first.
          settings: of the regions.
        """

    @abc.abstractmethod
    def least_share(self, settings: "ModelConfig") -> float:
        """Least side of a region as a share of the image's side."""

    def least_image_side(self, settings: "ModelConfig") -> int:
        """Sides of an image, in pixels, from which each region has at least one of its pixels.

        The thumbnail needs two: one is of a single colour.

        Raises:
          UserError: the settings of the regions are out of range.
        """
        self.check_regions(settings)
        return max(2, math.ceil(1 / self.least_share(settings)))


class NoAttention(Attention):
    """The whole image is looked at, once; settings of regions are not read."""

    def check(self, settings: "ModelConfig", image_size: tuple[int, ...]) -> None:
        """See `Attention`."""

    def check_regions(self, settings: "ModelConfig") -> None:
        """See `Attention`."""

    def check_locations(
        self, flag: str, locations: tuple[int, ...], settings: "ModelConfig"
    ) -> None:
        """See `Attention`."""

    def least_share(self, settings: "ModelConfig") -> float:
        """See `Attention`."""
        return 1.0


class CellAttention(Attention):
    """Cells of grids are chosen, level by level, by their probabilities (TNet paper, 3.1)."""

    def check_regions(self, settings: "ModelConfig") -> None:
        """See `Attention`."""
        check_grid(settings.grid, settings.cell)

    def check_locations(
        self, flag: str, locations: tuple[int, ...], settings: "ModelConfig"
    ) -> None:
        """See `Attention`."""
        grid = settings.grid
        for count in locations:
            require(
                0 < count <= grid**2,
                f"{flag}={count} does not fit a grid of {grid} x {grid}: it must be 1 to {grid**2}",
            )

    def least_share(self, settings: "ModelConfig") -> float:
        """See `Attention`."""
        return settings.cell ** len(settings.locations)


class GlimpseAttention(Attention):
    """Regions anywhere in the image are looked at one by one (MGNet paper, 3)."""

    def check_regions(self, settings: "ModelConfig") -> None:
        """See `Attention`."""
        scale = settings.region_scale
        least, most = scale if len(scale) == 2 else (0.0, 0.0)
        require(
            0 < least <= most <= 1,
            "--region_scale takes two shares of the image's side, the smaller one first: above 0, "
            "up to 1",
        )
        require(settings.gradient_scale >= 0, "--gradient_scale must not be negative")

    def check_locations(
        self, flag: str, locations: tuple[int, ...], settings: "ModelConfig"
    ) -> None:
        """See `Attention`."""
        require(len(locations) <= 1, f"{flag}: MGNet takes one number, its looks after the first")
        require(min(locations, default=0) >= 0, f"{flag} must not be negative")

    def least_share(self, settings: "ModelConfig") -> float:
        """See `Attention`."""
        return settings.region_scale[0]


def check_grid(grid: int, cell: float) -> None:
    """Raises `UserError` for a grid that can't be laid over a region.

    Args:
      grid: cells per side.
      cell: side of a cell as a share of the region's side.
    """
    require(grid >= 2, f"--grid={grid} must be at least 2")
    require(0 < cell < 1, f"--cell={cell} is a fraction of the side between 0 and 1")


class Network(NamedTuple):
    """What settings know of a network.

    Attributes:
      description: what it is, for the help of `model`.
      attention: what the settings of regions mean to it.
    """

    description: str
    attention: Attention


# Values of --model; a new network is a row here and one in `MODELS` of tnet_tf/models/factory.py.
NETWORKS: dict[str, Network] = {
    "tnet": Network("the traversal network", CellAttention()),
    "mgnet": Network("the multi-glimpse network", GlimpseAttention()),
    "feedforward": Network("the backbone and a classifier on the whole image", NoAttention()),
}
