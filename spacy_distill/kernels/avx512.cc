// For x86-64 with AVX-512 and its VNNI: products of bytes in one instruction, sixteen lanes.
#include "kernels.hh"

#if defined(__x86_64__)
#include "x86.hh"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")
#endif

namespace spacy_distill {
namespace {
constexpr int LANES = 16, PRODUCT_ROWS = 6, PRODUCT_WIDTH = 4;
#include "vectors.hh"

INLINE Vector load_some(const float* from, int n) {
    if (n >= LANES) return load(from);
    return Vector(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), from));
}

INLINE void store_some(float* to, Vector v, int n) {
    if (n >= LANES) return store(to, v);
    _mm512_mask_storeu_ps(to, __mmask16((1u << n) - 1), __m512(v));
}

INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
INLINE Vector load_halves(const uint16_t* from) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_maskz_cvtph_ps(0xffff, halves);  // without a mask, GCC 12 warns of its own code
}

constexpr bool DOT_TAKES_SIGNS = false;
INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    const __m512i bytes = _mm512_loadu_si512(weights);
    return IntVector(_mm512_dpbusd_epi32(__m512i(sums), _mm512_set1_epi32(states), bytes));
}

#include "instruction_set.hh"

bool has_avx512() { return Processor().has_avx512; }
}  // namespace

const Kernels avx512_kernels = kernels_for("avx512", has_avx512);

}  // namespace spacy_distill

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
