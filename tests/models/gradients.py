"""The gradients of layers against finite differences."""

import numpy
from numpy.testing import assert_allclose


def check_slope(loss, array, gradient, name, rng, distance=3e-3):
    """Compare the loss's slope with the gradient, along the gradient and along one with random
    signs. A gradient that is wrong in any direction that matters fails along itself."""
    gradient = gradient.astype("float64")
    norm = numpy.linalg.norm(gradient)
    assert norm > 1e-4, f"{name}: without a gradient, nothing is compared"
    before = array.copy()
    signs = rng.choice([-1.0, 1.0], size=gradient.shape)
    for direction in (gradient / norm, gradient * signs / norm):
        losses = []
        for step in (distance, -distance):
            array[...] = before + step * direction
            losses.append(loss())
            array[...] = before
        slope = (losses[0] - losses[1]) / (2 * distance)
        assert_allclose(slope, (gradient * direction).sum(), atol=2e-2 * norm, rtol=0, err_msg=name)


def check_parameters(model, loss, rng):
    """Hold the gradients that a layer's backprop left in the model against differences."""
    checked = 0
    for node in model.walk():
        for name in node.param_names:
            gradient = node.get_grad(name).copy()
            check_slope(loss, node.get_param(name), gradient, f"{node.name} {name}", rng)
            checked += 1
    return checked
