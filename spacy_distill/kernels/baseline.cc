// The kernels for every machine of the architecture, and the list of all.
#include "kernels.hh"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace spacy_distill {
namespace {
constexpr int LANES = 4, PRODUCT_ROWS = 2, PRODUCT_WIDTH = 2;
#include "vectors.hh"
#include "some_lanes.hh"

#if !defined(__aarch64__)
INLINE Vector load_halves(const uint16_t* from) {
    IntVector halves;
    for (int lane = 0; lane < LANES; ++lane) halves[lane] = from[lane];
    const IntVector size = halves & 0x7fff, bias = IntVector{} + (112 << 23);
    // A float's exponent is greater by 112. That of infinity and NaN is the greatest in both.
    const IntVector bits = (size << 13) + bias + (size >= 0x7c00 ? bias : IntVector{});
    Vector numbers;
    std::memcpy(&numbers, &bits, sizeof bits);
    // Without an exponent: multiples of the smallest number.
    numbers = size < 0x400 ? __builtin_convertvector(size, Vector) * 0x1p-24f : numbers;
    IntVector found;
    std::memcpy(&found, &numbers, sizeof found);
    found |= (halves & 0x8000) << 16;
    std::memcpy(&numbers, &found, sizeof found);
    return numbers;
}
#endif

#if defined(__SSE2__)
INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }

constexpr bool DOT_TAKES_SIGNS = false;
INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    const __m128i zeros = _mm_setzero_si128();
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights));
    const __m128i words = _mm_unpacklo_epi8(_mm_set1_epi32(states), zeros);
    const __m128i signs = _mm_cmplt_epi8(bytes, zeros);
    const __m128 low = _mm_castsi128_ps(_mm_madd_epi16(words, _mm_unpacklo_epi8(bytes, signs)));
    const __m128 high = _mm_castsi128_ps(_mm_madd_epi16(words, _mm_unpackhi_epi8(bytes, signs)));
    const __m128i even = _mm_castps_si128(_mm_shuffle_ps(low, high, 0x88));
    const __m128i odd = _mm_castps_si128(_mm_shuffle_ps(low, high, 0xdd));
    return sums + IntVector(_mm_add_epi32(even, odd));
}
#elif defined(__aarch64__)
#include "neon.hh"

INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    const int8x16_t left = vreinterpretq_s8_s32(vdupq_n_s32(states));
    const int8x16_t right = vld1q_s8(weights);
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(left), vget_low_s8(right)));
    const int32x4_t high = vpaddlq_s16(vmull_s8(vget_high_s8(left), vget_high_s8(right)));
    return sums + vpaddq_s32(low, high);
}
#else
INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }

constexpr bool DOT_TAKES_SIGNS = false;
INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    uint8_t bytes[4];
    std::memcpy(bytes, &states, sizeof bytes);
    for (int lane = 0; lane < LANES; ++lane)
        for (int k = 0; k < 4; ++k) sums[lane] += bytes[k] * weights[4 * lane + k];
    return sums;
}
#endif

#include "instruction_set.hh"

bool always() { return true; }
}  // namespace

const Kernels baseline_kernels = kernels_for("baseline", always);

const Kernels* const ALL_KERNELS[] = {
    &baseline_kernels,
#if defined(__x86_64__)
    &avx2_kernels,
#endif
#if defined(COMPILES_AVXVNNI)
    &avxvnni_kernels,
#endif
#if defined(__x86_64__)
    &avx512_kernels,
#endif
#if defined(COMPILES_DOTPROD)
    &dotprod_kernels,
#endif
};
const int N_KERNELS = sizeof ALL_KERNELS / sizeof *ALL_KERNELS;

}  // namespace spacy_distill
