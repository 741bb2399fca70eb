"""TFDS builders of the datasets that come with the package."""
