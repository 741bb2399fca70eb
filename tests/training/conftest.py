"""Shared by the tests of training: records of small scenes."""

import pytest

from tests.training.runs import prepared


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """The flag that names them."""
    return prepared(tmp_path_factory.mktemp("records"))
