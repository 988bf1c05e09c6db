"""The compiled kernels; everything else is in setup.cfg."""

from Cython.Build import cythonize
from setuptools import Extension, setup

FOLDER = "spacy_distill/kernels"

(kernels,) = cythonize(
    Extension(
        "spacy_distill.kernels.compiled",
        [f"{FOLDER}/compiled.pyx", f"{FOLDER}/baseline.cc", f"{FOLDER}/avx2.cc"],
        depends=[
            f"{FOLDER}/{name}.hh"
            for name in (
                "kernels",
                "instruction_set",
                "simd",
                "lstm",
                "stack",
                "viterbi",
                "forward_backward",
            )
        ],
        language="c++",
        extra_compile_args=["-O3", "-g0", "-std=c++17", "-fno-math-errno"],
    )
)
# Without a compiler the package installs all the same, and numpy does the work.
kernels.optional = True

setup(ext_modules=[kernels])
