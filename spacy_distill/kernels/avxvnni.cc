// For x86-64 with AVX2, FMA, F16C and AVX-VNNI: products of bytes in one instruction.
#include "kernels.hh"

#if defined(COMPILES_AVXVNNI)
#include <cpuid.h>
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,avxvnni")
#endif

namespace spacy_distill {
namespace {
constexpr int LANES = 8, PRODUCT_ROWS = 3, PRODUCT_WIDTH = 3;
#include "vectors.hh"

INLINE Vector load_some(const float* from, int n) {
    if (n >= LANES) return load(from);
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return Vector(_mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes)));
}

// Masked stores are slow on processors of AMD.
INLINE void store_some(float* to, Vector v, int n) {
    if (n >= LANES) return store(to, v);
    __m128 rest = _mm256_castps256_ps128(__m256(v));
    if (n & 4) {
        _mm_storeu_ps(to, rest);
        rest = _mm256_extractf128_ps(__m256(v), 1);
        to += 4;
    }
    if (n & 2) {
        _mm_storel_pi(reinterpret_cast<__m64*>(to), rest);
        rest = _mm_movehl_ps(rest, rest);
        to += 2;
    }
    if (n & 1) _mm_store_ss(to, rest);
}

INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
INLINE Vector load_halves(const uint16_t* from) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

constexpr int DOT_OFFSET = -128;
INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    return IntVector(
        _mm256_dpbusd_avx_epi32(__m256i(sums), _mm256_set1_epi32(states), bytes));
}

#include "instruction_set.hh"

bool has_avxvnni() {
    __builtin_cpu_init();
    // Not every compiler that has the instructions knows their name here.
    unsigned int eax = 0, ebx, ecx = 0, edx;
    __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx);
    const bool multiplies_bytes = eax >> 4 & 1;
    __get_cpuid(1, &eax, &ebx, &ecx, &edx);
    const bool has_f16c = ecx >> 29 & 1;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && multiplies_bytes && has_f16c;
}
}  // namespace

const Kernels avxvnni_kernels = kernels_for("avxvnni", has_avxvnni);

}  // namespace spacy_distill

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
