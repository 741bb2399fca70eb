import threading

import numpy as np
import tensorflow as tf

from tnet_tf.layers.randomness import keyed_randomness, next_key

ONE, OTHER = tf.constant([1, 2]), tf.constant([3, 4])


def keys(key, count=2):
    with keyed_randomness(key):
        return [next_key().numpy().tolist() for _ in range(count)]


def test_keys_of_a_context_differ_from_each_other_and_repeat_with_its_key():
    first, second = keys(ONE)
    assert first != second
    assert keys(ONE) == [first, second]
    assert not set(map(tuple, keys(ONE))) & set(map(tuple, keys(OTHER)))


def test_an_inner_context_leaves_the_outer_one_where_it_was():
    with keyed_randomness(ONE):
        first = next_key().numpy().tolist()
        assert keys(OTHER) == keys(OTHER)
        assert [first, next_key().numpy().tolist()] == keys(ONE)


def test_contexts_of_other_threads_do_not_matter():
    """Replicas are traced in threads that take turns."""
    opened, done, found = threading.Event(), threading.Event(), []

    def other_replica():
        with keyed_randomness(OTHER):
            opened.set()
            done.wait()
            found.append(next_key().numpy().tolist())

    with keyed_randomness(ONE):
        thread = threading.Thread(target=other_replica)
        thread.start()
        opened.wait()
        own = next_key().numpy().tolist()
        done.set()
        thread.join()
    assert own == keys(ONE)[0]
    assert found == [keys(OTHER)[0]]


def test_without_a_context_keys_follow_the_global_seed():
    tf.random.set_seed(1)
    first = next_key()
    tf.random.set_seed(1)
    np.testing.assert_array_equal(first, next_key())
