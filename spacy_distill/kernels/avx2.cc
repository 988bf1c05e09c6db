// For x86-64 with AVX2, FMA and F16C. The instruction set holds to the end of the file, for templates are
// compiled there.
#include "kernels.hh"

#if defined(__x86_64__)
#include "x86.hh"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

namespace spacy_distill {
namespace {
constexpr int LANES = 8, PRODUCT_ROWS = 4, PRODUCT_WIDTH = 2;
#include "vectors.hh"
#include "eight_lanes.hh"

constexpr bool DOT_TAKES_SIGNS = true;
INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    // The product wants one side without signs, so those of the weights go to the states. Neither side is
    // beyond 127, so no sum of two leaves sixteen bits.
    const __m256i signed_states = _mm256_sign_epi8(_mm256_set1_epi32(states), bytes);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(bytes), signed_states);
    return sums + IntVector(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "instruction_set.hh"

bool has_avx2() { return Processor().has_avx2; }
}  // namespace

const Kernels avx2_kernels = kernels_for("avx2", has_avx2);

}  // namespace spacy_distill

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
