// Loops over tokens: the steps of an LSTM and of element-wise recurrences, layers of them above one
// another, Viterbi and forward-backward. All arrays are in C order; a ragged batch has the tokens of its sequences one
// after another.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "threads.hh"

#if !defined(__clang__) && (!defined(__GNUC__) || defined(_WIN32))
#error "The kernels need GCC or clang, and on Windows clang: GCC does not align vectors there."
#endif

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

// A bidirectional LSTM in training. X (tokens, n_inputs); W (2, 4 * hidden, n_inputs): inputs to the gates
// (input, forget, output, candidate) of the forward and of the backward direction; U (2, hidden,
// 4 * hidden): states to gates; b (2, 4 * hidden). No result depends on the number of threads.
struct LstmLayer {
    Batch batch;
    int64_t n_tokens;
    int n_inputs, hidden;
    const float* X;
    const float* W;
    const float* U;
    const float* b;
    int n_threads;
};

// states (tokens, 2, hidden); gates (tokens, 2, 4 * hidden), after their logistic functions and
// tanh; cells (tokens, 2, hidden).
struct LstmStates {
    float* states;
    float* gates;
    float* cells;
};

// Gradients of the layer's arrays.
struct LstmGradients {
    float* X;
    float* W;
    float* U;
    float* b;
};

// A bidirectional element-wise recurrence in training: a minGRU, which has two maps, or an SRU. X (tokens,
// n_inputs); W (2, n_maps, hidden, n_inputs) and b (2, n_maps, hidden): inputs to the maps of both
// directions: candidate, forget gate, reset gate and highway. The highway of an SRU with three maps is X
// (tokens, 2, hidden). peepholes (2, 2, hidden): cells to the forget and the reset gate, null for a minGRU.
// No result depends on the number of threads.
struct ElementwiseLayer {
    Batch batch;
    int64_t n_tokens;
    int n_inputs, hidden, n_maps;
    const float* X;
    const float* W;
    const float* b;
    const float* peepholes;
    float highway_scale;
    int n_threads;
};

// states and cells (tokens, 2, hidden); maps (tokens, 2, n_maps, hidden), gates after their functions.
struct ElementwiseStates {
    float* states;
    float* maps;
    float* cells;
};

// Gradients of the layer's arrays.
struct ElementwiseGradients {
    float* X;
    float* W;
    float* b;
    float* peepholes;
};

// The weights of such a layer in prediction. Of all layers but the first W (2 * hidden, 2, n_maps, hidden),
// the states below to three maps of an SRU and two of a minGRU, and bias (2, n_maps, hidden), else null.
struct ElementwiseWeights {
    const float* W;
    const float* bias;
    const float* peepholes;
};

// U (2, hidden, 4 * hidden); of all layers but the first W (2 * hidden, 2, 4 * hidden), the states
// below to gates, and bias (2, 4 * hidden), else null.
struct LayerWeights {
    const float* U;
    const float* W;
    const float* bias;
};

// table (rows, 2, n, hidden): inputs to the first layer's gates or maps, four of an LSTM and of an SRU and
// two of a minGRU, float or, for integers, half
// precision (uint16_t); rows (tokens,): each token's row.
struct StackInput {
    Batch batch;
    const void* table;
    const int64_t* rows;
    int n_threads;
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

// log_partition (n_sequences,), forward, backward, arrivals (tokens, n_tags), scales (tokens,), links from
// row to column and back_links from column to row (n_tags, n_tags): see `Trellis` in `chain/forward_backward.py`, whose
// LARGEST_FACTOR `largest_factor` is.
struct ChainWeights {
    double* log_partition;
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

// The same of element-wise recurrences.
struct ElementwiseStackKernels {
    void* (*make)(const ElementwiseWeights* layers, int n_layers, int hidden, float highway_scale);
    void (*remove)(void* stack);
    void (*read)(const void* stack, const StackInput& in, float* states);
};

// The kernels as one instruction set runs them.
struct Kernels {
    const char* name;
    bool (*is_supported)();  // by this machine
    // Writes the output.
    void (*lstm_forward)(const LstmLayer& in, const LstmStates& out);
    // d_states (tokens, 2, hidden): gradient of the states. Writes the output.
    void (*lstm_backward)(const LstmLayer& in, const LstmStates& kept, const float* d_states,
                          const LstmGradients& out);
    StackKernels float_stack, integer_stack;
    // As for an LSTM.
    void (*elementwise_forward)(const ElementwiseLayer& in, const ElementwiseStates& out);
    void (*elementwise_backward)(const ElementwiseLayer& in, const ElementwiseStates& kept,
                                 const float* d_states, const ElementwiseGradients& out);
    ElementwiseStackKernels float_elementwise_stack, integer_elementwise_stack;
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
