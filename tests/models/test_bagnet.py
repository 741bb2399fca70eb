import numpy as np
import tensorflow as tf

from tnet_tf.models.bagnet import BagNet77


def test_spatial_dropout_leaves_out_half_of_the_last_map_s_channels():
    """There is no BatchNorm: what training keeps is the inference's feature, scaled up."""
    backbone = BagNet77(spatial_dropout=0.5)
    images = tf.random.stateless_uniform((2, 77, 77, 3), (0, 1), -1, 1)
    features, grid_features = backbone(images)
    trained, trained_grid_features = backbone(images, training=True)
    np.testing.assert_allclose(trained_grid_features, grid_features, rtol=1e-5, atol=1e-6)
    kept = trained.numpy() != 0
    assert 0.4 < kept.mean() < 0.6
    np.testing.assert_allclose(trained[kept], 2 * features[kept], rtol=1e-3, atol=1e-6)
