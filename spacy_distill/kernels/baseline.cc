// The kernels for every machine of the architecture, and what this one has beyond it.
#include "kernels.hh"

namespace spacy_distill {
namespace {
constexpr int LANES = 4;
#include "simd.hh"
#include "lstm.hh"
#include "stack.hh"
#include "viterbi.hh"
#include "forward_backward.hh"
}  // namespace

const Kernels baseline_kernels = {
    lstm_forward, lstm_backward, stack_new, stack_delete, stack_read, viterbi,
    forward_backward,
};

bool has_avx2() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

}  // namespace spacy_distill
