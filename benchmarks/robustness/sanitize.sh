#!/usr/bin/env bash
# Builds the kernels with sanitizers in a temporary folder, and runs the tests of the kernels and the
# fuzz of any text with them:
#     benchmarks/robustness/sanitize.sh [address | thread] [DOCUMENTS]
# It needs GCC with libasan, libubsan and libtsan. `tests/kernels/machines/run sanitize races` does the
# same without Python, on cases of numpy.
set -euo pipefail
cd "$(dirname "$0")/../.."
kind=${1:-address}
n_documents=${2:-300}
python=${PYTHON:-python}
cxx=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $kind in
    address)
        flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
        libraries="$($cxx -print-file-name=libasan.so) $($cxx -print-file-name=libubsan.so)"
        # Python leaves memory to the end of the process.
        options=(ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
            PYTHONMALLOC=malloc)
        run=()
        ;;
    thread)
        flags="-fsanitize=thread"
        libraries=$($cxx -print-file-name=libtsan.so)
        options=("TSAN_OPTIONS=exitcode=66:suppressions=$work/suppressions")
        # Python and BLAS are not built with the sanitizer, so their locks are unknown to it. Each name of a
        # library may fit one: numpy has one OpenBLAS, and scipy another.
        printf '%s\n' called_from_lib:libpython called_from_lib:libscipy_openblas64_ \
            called_from_lib:libscipy_openblas- race:_PyEval race:openblas > "$work/suppressions"
        # Without randomized addresses, which the sanitizer of GCC 12 does not know on new kernels.
        run=(setarch --addr-no-randomize)
        ;;
    *) echo "There is no sanitizer '$kind' here: address or thread." && exit 2 ;;
esac
git ls-files spacy_distill tests benchmarks setup.py setup.cfg pyproject.toml README.md LICENSE |
    tar --create --files-from=- | tar --extract --directory="$work"
cd "$work"
# The options come after those of setup.py, so -O1 counts.
CFLAGS="$flags -O1 -g" LDFLAGS="$flags" CXX="$cxx" "$python" setup.py -q build_ext --inplace -j 2
preload="$libraries $($cxx -print-file-name=libstdc++.so.6)"
sanitized() {
    env LD_PRELOAD="${preload// /:}" "${options[@]}" PYTHONPATH="$work" OMP_NUM_THREADS=1 \
        OPENBLAS_NUM_THREADS=1 "${run[@]}" "$python" "$@"
}
sanitized -c "import spacy_distill.kernels as k; assert k.compiled.__file__.startswith('$work'), k.compiled"
sanitized -m benchmarks.robustness.any_text --documents "$n_documents" --width 32 --n-process 1 --small
sanitized -m pytest -q -x -p no:cacheprovider tests/kernels tests/models/test_form_cache.py \
    tests/models/test_character_cnn.py
echo "No findings."
