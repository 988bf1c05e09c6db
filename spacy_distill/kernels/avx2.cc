// The same kernels for x86-64 with AVX2 and FMA: one wheel runs on any machine and uses what it
// has. The instruction set holds to the end of the file, for templates are compiled there.
#include "kernels.hh"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

namespace spacy_distill {
namespace {
constexpr int LANES = 8;
#include "simd.hh"
#include "lstm.hh"
#include "stack.hh"
#include "viterbi.hh"
#include "forward_backward.hh"
}  // namespace

const Kernels avx2_kernels = {
    lstm_forward, lstm_backward, stack_new, stack_delete, stack_read, viterbi,
    forward_backward,
};

}  // namespace spacy_distill

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
namespace spacy_distill {
const Kernels avx2_kernels = baseline_kernels;
}
#endif
