import itertools

import numpy as np
import tensorflow as tf

from tnet_tf.layers import sampling

PROBABILITIES = np.array([[0.5, 0.1, 0.3, 0.1], [0.05, 0.6, 0.05, 0.3]], np.float32)


def sequence_probability(row, sequence):
    """Appendix eq. 7, word for word."""
    probability, left = 1.0, 1.0
    for cell in sequence:
        probability *= row[cell] / left
        left -= row[cell]
    return probability


def test_top_k_takes_the_most_probable_cells_without_renormalising():
    cells, log_probs = sampling.top_k(tf.constant(PROBABILITIES), 2)
    assert cells.numpy().tolist() == [[0, 2], [1, 3]]
    np.testing.assert_allclose(np.exp(log_probs), [[0.5, 0.3], [0.6, 0.3]], rtol=1e-5)


def test_log_probabilities_without_replacement_are_those_of_equation_7():
    for sequence in itertools.permutations(range(4), 3):
        cells = tf.constant([sequence, sequence])
        log_probs = sampling.log_probs_without_replacement(tf.constant(PROBABILITIES), cells)
        expected = [np.log(sequence_probability(row, sequence)) for row in PROBABILITIES]
        np.testing.assert_allclose(tf.reduce_sum(log_probs, 1), expected, rtol=1e-4)


def test_all_sequences_together_have_probability_one():
    sequences = tf.constant(list(itertools.permutations(range(4), 2)))
    rows = tf.repeat(tf.constant(PROBABILITIES[:1]), len(sequences), axis=0)
    log_probs = sampling.log_probs_without_replacement(rows, sequences)
    total = tf.reduce_sum(tf.exp(tf.reduce_sum(log_probs, axis=1)))
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_sequences_are_drawn_as_often_as_equation_7_says():
    draws = 40_000
    rows = tf.repeat(tf.constant(PROBABILITIES[:1]), draws, axis=0)
    cells, log_probs = sampling.without_replacement(rows, 2, tf.constant([1, 2]))
    drawn = cells.numpy()
    assert (drawn[:, 0] != drawn[:, 1]).all()
    for sequence in itertools.permutations(range(4), 2):
        probability = sequence_probability(PROBABILITIES[0], sequence)
        share = (drawn == sequence).all(axis=1).mean()
        error = np.sqrt(probability * (1 - probability) / draws)
        assert abs(share - probability) < 4 * error, sequence
    expected = sampling.log_probs_without_replacement(rows, cells)
    np.testing.assert_allclose(log_probs, expected)


def test_a_key_decides_the_draw():
    rows = tf.fill((50, 9), 1 / 9)
    draw = [
        sampling.without_replacement(rows, 3, tf.constant(key))[0].numpy().tolist()
        for key in ([1, 2], [1, 2], [1, 3])
    ]
    assert draw[0] == draw[1]
    assert draw[0] != draw[2]


def test_the_number_of_locations_may_be_a_tensor():
    cells, _ = sampling.top_k(tf.constant(PROBABILITIES), tf.constant(3))
    assert cells.shape == (2, 3)
