"""What tests of several folders share."""

import pytest

from spacy_distill import kernels


@pytest.fixture(scope="module", params=kernels.CHOICES)
def each_kernel(request):
    """Runs a module's tests with each instruction set, and with numpy."""
    before = kernels.in_use
    kernels.use(request.param)
    yield request.param
    kernels.use(before)
