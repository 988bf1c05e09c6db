"""Each test has the same seed."""

import pytest
from thinc.api import fix_random_seed


@pytest.fixture(autouse=True)
def seed():
    fix_random_seed(0)
