"""Compare the gradients of layers with finite differences."""

import numpy
from numpy.testing import assert_allclose


def check_slope(loss, array, gradient, name, rng, distance=3e-3):
    """Compare the slope of the loss with the gradient in two directions: the gradient itself, and
    the gradient with random signs. A wrong gradient differs in its own direction."""
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
    """Compare the gradients of a model's parameters with finite differences."""
    checked = 0
    for node in model.walk():
        for name in node.param_names:
            gradient = node.get_grad(name).copy()
            check_slope(loss, node.get_param(name), gradient, f"{node.name} {name}", rng)
            checked += 1
    return checked
