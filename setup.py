"""The compiled kernels; everything else is in setup.cfg."""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = "spacy_distill/kernels"

SOURCES = {"compiled": sorted(glob(f"{FOLDER}/*.cc")), "forms": []}

# Every instruction set rounds in the same places: products and sums are not fused.
COMPILE = ["-O3", "-g0", "-std=c++17", "-fno-math-errno", "-ffp-contract=off", "-pthread"]
LINK = ["-pthread"]
if sys.platform == "win32":
    # Lambdas of templates get their instruction set only if templates are read where they stand.
    COMPILE = ["/std:c++17", "/Zc:twoPhase", "/clang:-O3", "/clang:-ffp-contract=off"]
    LINK = []


def n_cores() -> int:
    """RETURNS (int): The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class BuildKernels(build_ext):
    """Compile a file on each core. On Windows, compile with clang-cl, since Visual C++ has no
    vector types."""

    def build_extensions(self) -> None:
        if self.compiler.compiler_type == "msvc":
            self.compiler.initialize()  # it would set the compiler later
            self.compiler.cc = shutil.which("clang-cl") or self.compiler.cc
        compile_files = self.compiler.compile

        def compile_in_parallel(sources, *args, **kwargs):
            with ThreadPoolExecutor(n_cores()) as pool:
                objects = pool.map(lambda source: compile_files([source], *args, **kwargs), sources)
                return [name for names in objects for name in names]

        self.compiler.compile = compile_in_parallel
        super().build_extensions()


modules = cythonize(
    [
        Extension(
            f"spacy_distill.kernels.{name}",
            [f"{FOLDER}/{name}.pyx", *sources],
            depends=glob(f"{FOLDER}/*.hh"),
            language="c++",
            extra_compile_args=COMPILE,
            extra_link_args=LINK,
        )
        for name, sources in SOURCES.items()
    ]
)
# Without a compiler the package installs all the same, and numpy does the work.
for module in modules:
    module.optional = True

setup(ext_modules=modules, cmdclass={"build_ext": BuildKernels})
