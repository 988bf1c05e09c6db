// The kernels for x86-64 with AVX2 and FMA: one wheel runs on any machine and uses what it has. The
// instruction set holds to the end of the file, for templates are compiled there.
#include "kernels.hh"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define REGISTER 8
#define TABLE avx2_kernels
#include "instruction_set.hh"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
const spacy_distill::Kernels spacy_distill::avx2_kernels = spacy_distill::baseline_kernels;
#endif
