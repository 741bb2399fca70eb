import numpy as np
import tensorflow as tf

from tnet_tf.batch import Batch


def test_a_batch_of_images_in_memory_has_no_boxes_and_no_padding():
    batch = Batch.of(tf.zeros((3, 8, 10, 3)), tf.constant([2, 0, 1]))
    np.testing.assert_array_equal(batch.boxes, np.zeros((3, 4)))
    np.testing.assert_array_equal(batch.mask, [1, 1, 1])
    boxes = tf.constant([[0.0, 0.0, 0.5, 1.0]])
    np.testing.assert_array_equal(Batch.of(tf.zeros((1, 8, 8, 3)), [4], boxes).boxes, boxes)


def test_a_batch_stays_one_in_graphs_and_in_datasets():
    batch = Batch.of(tf.zeros((4, 8, 10, 3)), tf.range(4))
    assert isinstance(tf.function(lambda same: same)(batch), Batch)
    (half, _) = tf.data.Dataset.from_tensor_slices(batch).batch(2)
    assert isinstance(half, Batch)
    assert [part.shape[0] for part in half] == [2, 2, 2, 2]
