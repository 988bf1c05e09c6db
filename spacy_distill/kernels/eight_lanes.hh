// What AVX2, FMA and F16C have for vectors of eight numbers.

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
