"""The traversal: where, read, look, decide (TNet paper, 3.1; MGNet paper, figure 2).

A network that attends says where it starts, what it makes of views, where it looks next and what it
decides; what reads the pixels is another's affair. So one loop runs over images in memory, within
one graph, over views that a client sends, or over files of any size, which are read only where the
network looks.
"""

import abc
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import tensorflow as tf

from tnet_tf.layers.grid import ImageSize
from tnet_tf.models.gazes import Gaze
from tnet_tf.outputs import Outputs

# From regions, of the network's own kind, to their views (m, h, w, 3), float in [-1, 1].
Read: TypeAlias = Callable[[Any], tf.Tensor]


class Plan(NamedTuple):
    """How a batch of images is gone over.

    Attributes:
      locations: numbers of locations, as the network's call takes them.
      training: selects as in training and turns on noise and batch statistics.
      gaze: chooses in the network's place.
      one_by_one: reads and looks at one location after the other, where a network could look at
        those of a level together; so a pass can stop between any two.
    """

    locations: Sequence[int | tf.Tensor]
    training: bool = False
    gaze: Gaze | None = None
    one_by_one: bool = False


class State(Protocol):
    """What a pass has seen so far: a tuple of tensors, of each network its own.

    Attributes:
      regions: to be looked at next.
      over: whether there are none; a tensor () bool where that shows in the graph alone.
    """

    @property
    def regions(self) -> Any:
        """Regions of the network's own kind."""

    @property
    def over(self) -> bool | tf.Tensor:
        """Whether all was looked at."""


StateType = TypeVar("StateType", bound=State)


class AttentionModel(abc.ABC, Generic[StateType]):
    """A network in the four parts of a pass."""

    @abc.abstractmethod
    def start(self, count: tf.Tensor, size: ImageSize) -> StateType:
        """The first regions, of `count` images; see `tnet_tf.layers.grid.whole_images`."""

    @abc.abstractmethod
    def look(self, views: tf.Tensor, state: StateType, training: bool) -> StateType:
        """What the views of `state.regions` show joins the state."""

    @abc.abstractmethod
    def choose(self, state: StateType, plan: Plan) -> StateType:
        """The next regions, or none."""

    @abc.abstractmethod
    def decide(self, state: StateType, training: bool) -> Outputs:
        """The prediction after every number of locations looked at."""


def traverse(
    model: AttentionModel[StateType],
    read: Read,
    state: StateType,
    plan: Plan,
    stop: Callable[[StateType], bool] | None = None,
) -> Outputs:
    """Looks and chooses in turn until no regions are left, then decides.

    Args:
      model: the network.
      read: makes views of regions.
      state: the network's start, or what it has seen already.
      plan: how to go over the images.
      stop: called after each look, outside of graphs; whether enough was seen.
    """
    state = model.look(read(state.regions), state, plan.training)
    if stop is not None and stop(state):
        return model.decide(state, plan.training)
    state = model.choose(state, plan)

    def decision() -> Outputs:
        return model.decide(state, plan.training)

    def further() -> Outputs:
        return traverse(model, read, state, plan, stop)

    if tf.is_tensor(state.over):
        return tf.cond(state.over, decision, further)
    return decision() if state.over else further()
