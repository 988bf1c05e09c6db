"""The compiled kernels; everything else is in setup.cfg."""

from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

FOLDER = "spacy_distill/kernels"

(kernels,) = cythonize(
    Extension(
        "spacy_distill.kernels.compiled",
        [f"{FOLDER}/compiled.pyx", *sorted(glob(f"{FOLDER}/*.cc"))],
        depends=glob(f"{FOLDER}/*.hh"),
        language="c++",
        # Every instruction set rounds in the same places: products and sums are not fused.
        extra_compile_args=[
            *("-O3", "-g0", "-std=c++17", "-fno-math-errno", "-ffp-contract=off", "-pthread")
        ],
        extra_link_args=["-pthread"],
    )
)
# Without a compiler the package installs all the same, and numpy does the work.
kernels.optional = True

setup(ext_modules=[kernels])
