// Threads that kernels share.
#pragma once

#include <cstdint>

namespace spacy_distill {

// Calls `work(context)` in up to `n_threads` threads at once, the caller's among them, and returns
// when all calls have. Threads are started when they are needed first, also after a fork, and wait
// without using the processor. Several callers can run at once; threads that are busy are not waited
// for. The first exception of a call is thrown again.
void run_in_threads(int n_threads, void (*work)(void* context), void* context);

}  // namespace spacy_distill
