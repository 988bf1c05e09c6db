// Loops over tokens: the steps of an LSTM, layers of them above one another, Viterbi and
// forward-backward. All arrays are in C order; a ragged batch has the tokens of its sequences one
// after another.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Not every compiler knows these instructions: GCC does from 11 on, clang from 12 on.
#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<avxvnniintrin.h>)
#define COMPILES_AVXVNNI
#endif
#endif
// And clang before 16 only where the whole program is compiled for them.
#if defined(__aarch64__) && \
    (!defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD))
#define COMPILES_DOTPROD
#endif

namespace spacy_distill {

// lengths, starts (n_sequences,): tokens of each sequence, and the first one's row;
// order (n_sequences,): the sequences, the longest first. No sequence is empty.
struct Batch {
    const int64_t* lengths;
    const int64_t* starts;
    const int64_t* order;
    int64_t n_sequences;
};

// inputs (tokens, 2, 4 * hidden): inputs to the gates (input, forget, output, candidate) of the
// forward and of the backward direction; U (2, hidden, 4 * hidden): states to gates.
struct LstmInput {
    Batch batch;
    const float* inputs;
    const float* U;
    int hidden;
};

// states (tokens, 2, hidden); gates (tokens, 2, 4 * hidden), after their logistic functions and
// tanh; cells (tokens, 2, hidden).
struct LstmOutput {
    float* states;
    float* gates;
    float* cells;
};

// U (2, hidden, 4 * hidden); of all layers but the first W (2 * hidden, 2, 4 * hidden), the states
// below to gates, and bias (2, 4 * hidden), else null.
struct LayerWeights {
    const float* U;
    const float* W;
    const float* bias;
};

// table (rows, 2, 4 * hidden): inputs to the first layer's gates, float or, for integers, half
// precision (uint16_t); rows (tokens,): each token's row.
struct StackInput {
    Batch batch;
    const void* table;
    const int64_t* rows;
};

// emissions (tokens, n_tags), transitions (n_tags, n_tags) from row to column, start and end
// (n_tags,).
struct ChainScores {
    Batch batch;
    const float* emissions;
    const float* transitions;
    const float* start;
    const float* end;
    int n_tags;
};

// forward, backward, arrivals (tokens, n_tags), scales (tokens,), links from row to column and
// back_links from column to row (n_tags, n_tags): see `Trellis` in `chain/forward_backward.py`, whose
// LARGEST_FACTOR `largest_factor` is.
struct ChainWeights {
    double* forward;
    double* backward;
    double* arrivals;
    double* scales;
    double* links;
    double* back_links;
    double largest_factor;
};

// Layers above one another for prediction, their weights packed for one instruction set, whose kernels
// alone can read and delete them.
struct StackKernels {
    void* (*make)(const LayerWeights* layers, int n_layers, int hidden);
    void (*remove)(void* stack);
    // states (tokens, 2, hidden) of the last layer, written.
    void (*read)(const void* stack, const StackInput& in, float* states);
};

// The kernels as one instruction set runs them.
struct Kernels {
    const char* name;
    bool (*is_supported)();  // by this machine
    // Writes the output.
    void (*lstm_forward)(const LstmInput& in, const LstmOutput& out);
    // d_states (tokens, 2, hidden): gradient of the states; d_gates (tokens, 2, 4 * hidden):
    // gradient of the inputs, written.
    void (*lstm_backward)(const LstmInput& in, const LstmOutput& kept, const float* d_states,
                          float* d_gates);
    StackKernels float_stack, integer_stack;
    // tags (tokens,), written.
    void (*viterbi)(const ChainScores& chain, int64_t* tags);
    // Writes the weights; false where this arithmetic cannot be trusted.
    bool (*forward_backward)(const ChainScores& chain, const ChainWeights& out);
};

// All that were compiled for this architecture, the slowest first; the first runs on any machine of it.
extern const Kernels* const ALL_KERNELS[];
extern const int N_KERNELS;

extern const Kernels baseline_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels, avx512_kernels;
#endif
#if defined(COMPILES_AVXVNNI)
extern const Kernels avxvnni_kernels;
#endif
#if defined(COMPILES_DOTPROD)
extern const Kernels dotprod_kernels;
#endif

}  // namespace spacy_distill
