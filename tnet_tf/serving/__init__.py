"""Networks as they are served: SavedModels that need nothing but TensorFlow."""
