import pytest

from spacy_distill import kernels


@pytest.fixture(params=[choice for choice in kernels.CHOICES if choice != "numpy"])
def instruction_set(request):
    kernels.use(request.param)
    yield request.param
    kernels.use(kernels.CHOICES[0])
