// For aarch64 with the dot product of bytes (ARMv8.2 and later).
#include "kernels.hh"

#if defined(COMPILES_DOTPROD)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP  // older than the C library of manylinux2014
#define HWCAP_ASIMDDP (1 << 20)
#endif
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

namespace spacy_distill {
namespace {
constexpr int LANES = 4, PRODUCT_ROWS = 6, PRODUCT_WIDTH = 4;
#include "vectors.hh"
#include "some_lanes.hh"
#include "neon.hh"

INLINE IntVector dot(IntVector sums, int32_t states, const int8_t* weights) {
    const int8x16_t left = vreinterpretq_s8_s32(vdupq_n_s32(states));
    return vdotq_s32(sums, left, vld1q_s8(weights));
}

#include "instruction_set.hh"

bool has_dotprod() {
#if defined(__ARM_FEATURE_DOTPROD)
    return true;  // the whole program is compiled for it, as on all of Apple's
#elif defined(__linux__)
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#else
    return false;  // unknown
#endif
}
}  // namespace

const Kernels dotprod_kernels = kernels_for("dotprod", has_dotprod);

}  // namespace spacy_distill

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
