import itertools

import numpy as np
import pytest
import tensorflow as tf

from tnet_tf.inputs import digit_scenes


@pytest.fixture(scope="module")
def digits():
    return tf.constant(digit_scenes.digits_of("train")[0], tf.float32)


def compose(digits, key=(1, 2), which=0, height=224, width=224):
    scene, box = digit_scenes.compose(digits[which], tf.constant(key), digits, height, width)
    return scene.numpy()[..., 0], np.round(box.numpy() * (height, width, height, width)).astype(int)


def test_splits_share_no_digit():
    of_split = {
        split: {image.tobytes() for image in digit_scenes.digits_of(split)[0]}
        for split in ("train", "validation", "test")
    }
    for one, other in itertools.combinations(of_split.values(), 2):
        assert not one & other


def test_splits_make_up_all_digits_and_each_has_all_classes():
    labels = [digit_scenes.digits_of(split)[1] for split in ("train", "validation", "test")]
    assert sum(map(len, labels)) == 1797
    for split in labels:
        assert np.bincount(split, minlength=10).min() >= 0.06 * len(split)


@pytest.mark.parametrize("height, width", [(224, 224), (448, 672), (97, 64)])
def test_digit_is_wholly_visible_at_its_box(digits, height, width):
    for index in range(20):
        scene, (top, left, bottom, right) = compose(digits, (3, index), index, height, width)
        assert scene.shape == (height, width)
        assert 0 <= top < bottom <= height
        assert 0 <= left < right <= width
        side = digit_scenes.digit_side(height, width)
        ink = tf.image.resize(digits[index], (side, side)).numpy()[..., 0] / 255
        whole = digit_scenes.BACKGROUND * (1 - ink) + 255 * ink
        np.testing.assert_allclose(scene[top:bottom, left:right], whole, atol=1)


def test_digits_appear_everywhere(digits):
    corners = np.array([compose(digits, (0, index))[1][:2] for index in range(200)])
    assert corners.min() < 20
    assert corners.max() > 224 - digit_scenes.digit_side(224, 224) - 20


def test_fragments_lie_beside_the_digit():
    white, black = tf.fill((5, 8, 8, 1), 255.0), tf.zeros((8, 8, 1))
    area = digit_scenes.fragment_side(224, 224) ** 2
    lit = []
    for index in range(50):
        scene, box = digit_scenes.compose(black, tf.constant((5, index)), white, 224, 224)
        top, left, bottom, right = np.round(box.numpy() * 224).astype(int)
        assert (scene.numpy()[top:bottom, left:right] == digit_scenes.BACKGROUND).all()
        lit.append((scene.numpy() == 255).sum() / area)
    # Some overlap, and those that would touch the digit are left out.
    assert 0.8 * digit_scenes.FRAGMENTS < np.mean(lit) < digit_scenes.FRAGMENTS


def test_fragments_are_smaller_than_the_digit():
    assert digit_scenes.fragment_side(224, 224) <= digit_scenes.digit_side(224, 224) // 2


def test_key_decides_the_scene(digits):
    np.testing.assert_array_equal(compose(digits, (1, 2))[0], compose(digits, (1, 2))[0])
    assert (compose(digits, (1, 2))[0] != compose(digits, (1, 3))[0]).any()
    assert (compose(digits, (1, 2))[0] != compose(digits, (2, 2))[0]).any()


def test_graph_and_eager_agree(digits):
    graph = tf.function(digit_scenes.compose)
    arguments = (digits[7], tf.constant((4, 4)), digits, 224, 224)
    for one, other in zip(graph(*arguments), digit_scenes.compose(*arguments), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
