# cython: language_level=3
"""The declarations of `kernels.hh` for Cython."""

from libc.stdint cimport int64_t


cdef extern from "kernels.hh" namespace "spacy_distill" nogil:
    cdef struct Batch:
        const int64_t* lengths
        const int64_t* starts
        const int64_t* order
        int64_t n_sequences

    cdef struct LstmLayer:
        Batch batch
        int64_t n_tokens
        int n_inputs
        int hidden
        const float* X
        const float* W
        const float* U
        const float* b
        int n_threads

    cdef struct LstmStates:
        float* states
        float* gates
        float* cells

    cdef struct LstmGradients:
        float* X
        float* W
        float* U
        float* b

    cdef struct ElementwiseLayer:
        Batch batch
        int64_t n_tokens
        int n_inputs
        int hidden
        int n_maps
        const float* X
        const float* W
        const float* b
        const float* peepholes
        float highway_scale
        int n_threads

    cdef struct ElementwiseStates:
        float* states
        float* maps
        float* cells

    cdef struct ElementwiseGradients:
        float* X
        float* W
        float* b
        float* peepholes

    cdef struct ElementwiseWeights:
        const float* W
        const float* bias
        const float* peepholes

    cdef struct LayerWeights:
        const float* U
        const float* W
        const float* bias

    cdef struct StackInput:
        Batch batch
        const void* table
        const int64_t* rows
        int n_threads

    cdef struct ChainScores:
        Batch batch
        const float* emissions
        const float* transitions
        const float* start
        const float* end
        int n_tags

    cdef struct ChainWeights:
        double* log_partition
        double* forward
        double* backward
        double* arrivals
        double* scales
        double* links
        double* back_links
        double largest_factor

    ctypedef void (*lstm_forward_type)(const LstmLayer&, const LstmStates&) except +
    ctypedef void (*lstm_backward_type)(
        const LstmLayer&, const LstmStates&, const float*, const LstmGradients&
    ) except +
    ctypedef void* (*make_stack_type)(const LayerWeights*, int, int) except +
    ctypedef void (*remove_stack_type)(void*)
    ctypedef void (*read_stack_type)(const void*, const StackInput&, float*) except +
    ctypedef void (*elementwise_forward_type)(
        const ElementwiseLayer&, const ElementwiseStates&
    ) except +
    ctypedef void (*elementwise_backward_type)(
        const ElementwiseLayer&, const ElementwiseStates&, const float*, const ElementwiseGradients&
    ) except +
    ctypedef void* (*make_elementwise_type)(const ElementwiseWeights*, int, int, float) except +
    ctypedef void (*viterbi_type)(const ChainScores&, int64_t*) except +
    ctypedef bint (*forward_backward_type)(const ChainScores&, const ChainWeights&)

    cdef struct StackKernels:
        make_stack_type make
        remove_stack_type remove
        read_stack_type read

    cdef struct ElementwiseStackKernels:
        make_elementwise_type make
        remove_stack_type remove
        read_stack_type read

    cdef struct Kernels:
        const char* name
        bint (*is_supported)()
        lstm_forward_type lstm_forward
        lstm_backward_type lstm_backward
        StackKernels float_stack
        StackKernels integer_stack
        elementwise_forward_type elementwise_forward
        elementwise_backward_type elementwise_backward
        ElementwiseStackKernels float_elementwise_stack
        ElementwiseStackKernels integer_elementwise_stack
        viterbi_type viterbi
        forward_backward_type forward_backward

    const Kernels** ALL_KERNELS
    int N_KERNELS
