// The kernels for every machine of the architecture, and what this machine has beyond it.
#define REGISTER 4
#define TABLE baseline_kernels
#include "instruction_set.hh"

bool spacy_distill::has_avx2() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}
