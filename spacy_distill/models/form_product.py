"""The matrix product of word forms' features that encoders keep for each form."""

import numpy
from thinc.types import Floats1d, Floats2d

from .. import kernels

# Word forms whose product is computed at once.
FORMS_PER_PRODUCT = 128


class FormProduct:
    """What the features of word forms give to the gates of an encoder's first layer.

    The sums of a matrix product depend on the forms beside a form. In double precision, this is
    lost in the rounding to half precision: a form has the same row in every batch.
    """

    def __init__(self, W: Floats2d, b: Floats1d, table_dtype: str) -> None:
        """Copy the weights.

        W (Floats2d): (inputs, columns) weights.
        b (Floats1d): (columns,) what is added.
        table_dtype (str): The type of the result: "float16", which is computed in double precision,
            or "float32".
        """
        dtype = "float64" if table_dtype == "float16" else "float32"
        self._W, self._b = W.astype(dtype), b.astype(dtype)
        self._table_dtype = table_dtype

    def __call__(self, features: Floats2d) -> Floats2d:
        """Compute the product.

        features (Floats2d): (forms, inputs) the output of the embedding.
        RETURNS (Floats2d): (forms, columns).
        """
        table = numpy.empty((len(features), len(self._b)), dtype=self._table_dtype)
        # Few forms at a time, whose products stay in the processor's cache.
        for start in range(0, len(features), FORMS_PER_PRODUCT):
            product = features[start : start + FORMS_PER_PRODUCT].astype(self._W.dtype) @ self._W
            product += self._b
            write_numbers(
                product.astype("float32", copy=False), table[start : start + len(product)]
            )
        return table


def write_numbers(numbers: Floats2d, to: Floats2d) -> None:
    """Copy numbers to an array, and round them if it has half precision.

    numbers (Floats2d): float32
    to (Floats2d): float16 or float32, of the same shape.
    """
    compiled = kernels.form_kernels()
    if compiled and to.dtype == "float16":
        compiled.to_halves(numbers, to)
    else:
        to[:] = numbers
