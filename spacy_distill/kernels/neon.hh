// What every ARM processor with 64 bits has for vectors of four numbers.

INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
INLINE Vector load_halves(const uint16_t* from) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
}

constexpr bool DOT_TAKES_SIGNS = true;
