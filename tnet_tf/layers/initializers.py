"""How weights start: as in the EfficientNet paper, and as the published MGNet does.

BagNet-77 and its modules start as Keras layers do by themselves: Xavier (appendix 2.2).
"""

import keras


def convolution_initializer() -> keras.initializers.Initializer:
    """Normal, of variance 2 / fan out."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def dense_initializer() -> keras.initializers.Initializer:
    """Uniform in +- 1 / sqrt(fan out)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform")


def residual_initializer() -> keras.initializers.Initializer:
    """Normal, of variance 2 / fan out, not truncated: convolutions of the ResNet family."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def kaiming_initializer() -> keras.initializers.Initializer:
    """Normal, of variance 2 / fan in (Kaiming's, gain of ReLU), not truncated: MGNet's layers."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")
