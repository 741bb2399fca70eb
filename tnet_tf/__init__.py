"""TNet: hard attention for scalable image classification, in TensorFlow 2 and Keras 3."""
