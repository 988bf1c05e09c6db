"""The values that dropout sets to zero, and the scaling of the others."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import fix_random_seed, set_dropout_rate
from thinc.types import Ragged

from spacy_distill.models.dropout import dropout

ONES = Ragged(numpy.ones((400, 200), dtype="float32"), numpy.asarray([100, 300]))


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.9])
def test_a_share_of_the_values_becomes_zero_and_the_mean_is_kept(rate):
    model = dropout()
    set_dropout_rate(model, rate)
    fix_random_seed(0)
    Y, backprop = model.begin_update(ONES)
    assert Y.dataXd.dtype == "float32"
    assert (Y.dataXd == 0).mean() == pytest.approx(rate, abs=0.01)
    assert_allclose(Y.dataXd[Y.dataXd > 0], 1 / (1 - rate), rtol=1e-5)
    # Zeros are spread over all rows and columns.
    for axis in (0, 1):
        shares = (Y.dataXd == 0).mean(axis=axis)
        assert rate - 0.15 < shares.min() < shares.max() < rate + 0.15
    # The gradient has the same mask.
    assert_array_equal(backprop(ONES).dataXd, Y.dataXd)


def test_masks_depend_on_the_seed_and_the_batch():
    model = dropout(0.5)

    def draw():
        return model.begin_update(ONES)[0].dataXd

    fix_random_seed(3)
    first, second = draw(), draw()
    fix_random_seed(3)
    assert_array_equal(draw(), first)
    assert (first != second).any()


def test_prediction_and_a_rate_of_zero_change_nothing():
    assert dropout(0.5).predict(ONES) is ONES
    assert dropout(0.0).begin_update(ONES)[0] is ONES


def test_a_rate_of_one_and_a_disabled_layer():
    assert not dropout(1.0).begin_update(ONES)[0].dataXd.any()
    model = dropout(0.5)
    model.attrs["is_enabled"] = False
    assert model.begin_update(ONES)[0] is ONES


def test_variational_dropout_uses_the_same_columns_in_a_document():
    fix_random_seed(0)
    Y, backprop = dropout(0.4, variational=True).begin_update(ONES)
    first, second = Y.dataXd[:100], Y.dataXd[100:]
    for doc in (first, second):
        assert (doc == doc[0]).all()
        assert (doc[0] == 0).mean() == pytest.approx(0.4, abs=0.12)
    assert (first[0] != second[0]).any()
    assert_allclose(Y.dataXd[Y.dataXd > 0], 1 / 0.6, rtol=1e-5)
    assert_array_equal(backprop(ONES).dataXd, Y.dataXd)
