// For x86-64 with AVX2, FMA, F16C and AVX-VNNI: products of bytes in one instruction.
#include "kernels.hh"

#if defined(COMPILES_AVXVNNI)
#include "x86.hh"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,avxvnni")
#endif

namespace spacy_distill {
namespace {
constexpr int LANES = 8, PRODUCT_ROWS = 3, PRODUCT_WIDTH = 3;
#include "vectors.hh"
#include "eight_lanes.hh"

constexpr bool DOT_TAKES_SIGNS = false;
INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    return IntVector(
        _mm256_dpbusd_avx_epi32(__m256i(sums), _mm256_set1_epi32(states), bytes));
}

#include "instruction_set.hh"

bool has_avxvnni() { return Processor().has_avxvnni; }
}  // namespace

const Kernels avxvnni_kernels = kernels_for("avxvnni", has_avxvnni);

}  // namespace spacy_distill

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
