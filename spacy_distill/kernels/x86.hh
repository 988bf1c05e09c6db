// The instructions of x86-64, and which of them this machine has. Included before an instruction set
// is chosen, since what is here runs on every machine.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(_MSC_VER)
// On Windows, clang before 21 has in immintrin.h only what the whole program is compiled for.
#include <smmintrin.h>
#include <avxintrin.h>
#include <avx2intrin.h>
#include <f16cintrin.h>
#include <fmaintrin.h>
#include <avx512fintrin.h>
#include <avx512vlintrin.h>
#include <avx512bwintrin.h>
#include <avx512dqintrin.h>
#include <avx512vlbwintrin.h>
#include <avx512vldqintrin.h>
#include <avx512vnniintrin.h>
#include <avx512vlvnniintrin.h>
#if defined(COMPILES_AVXVNNI)
#include <avxvnniintrin.h>
#endif
#endif

namespace spacy_distill {

// Not `__builtin_cpu_supports`: it does not know all of these in every compiler, and on Windows it
// needs clang's own library.
class Processor {
public:
    Processor() {
        unsigned int eax, ebx, ecx, edx;
        if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return;
        // The operating system has to save the registers, too.
        if (!(ecx >> 27 & 1)) return;
        unsigned int saved, unused;
        __asm__ volatile("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
        if ((saved & 0x06) != 0x06) return;
        const bool fuses = (ecx >> 12 & 1) && (ecx >> 29 & 1);  // FMA, F16C
        if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return;
        has_avx2 = fuses && (ebx >> 5 & 1);
#if defined(__APPLE__)
        const bool saves_avx512 = true;  // from the first use on
#else
        const bool saves_avx512 = (saved & 0xe6) == 0xe6;
#endif
        // AVX-512 F, DQ, BW and VL, and VNNI.
        const unsigned int wide = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
        has_avx512 = has_avx2 && saves_avx512 && (ebx & wide) == wide && (ecx >> 11 & 1);
        if (!__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) return;
        has_avxvnni = has_avx2 && (eax >> 4 & 1);
    }
    bool has_avx2 = false, has_avx512 = false, has_avxvnni = false;
};

}  // namespace spacy_distill
#endif
