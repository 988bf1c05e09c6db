// All kernels for one instruction set. A file includes `vectors.hh` and then this in a namespace of its
// own. Between them it defines
// - load_some(const float* from, int n): the first `n` numbers, at least 0, and zeros after them;
// - store_some(float* to, Vector v, int n): writes the first `n` numbers;
// - multiply_add(Vector a, Vector b, Vector c): a * b + c;
// - load_halves(const uint16_t* from): LANES numbers in half precision as floats;
// - dot(IntVector sums, int32_t states, const int8_t* weights): adds to each lane the sum of four
//   products, of the bytes in `states` with the lane's weights;
// - DOT_TAKES_SIGNS: whether `dot` wants the bytes of states with a sign;
// - PRODUCT_ROWS, PRODUCT_WIDTH: rows and vectors of columns that registers hold the sums of.
#include "simd.hh"
#include "products.hh"
#include "lstm.hh"
#include "stack.hh"
#include "integer_stack.hh"
#include "elementwise.hh"
#include "elementwise_stack.hh"
#include "viterbi.hh"
#include "forward_backward.hh"

constexpr Kernels kernels_for(const char* name, bool (*is_supported)()) {
    return {name,
            is_supported,
            lstm_forward,
            lstm_backward,
            {new_stack, delete_stack, read_stack},
            {new_integer_stack, delete_integer_stack, read_integer_stack},
            elementwise_forward,
            elementwise_backward,
            {new_elementwise_stack<FloatStackNumbers>, delete_elementwise_stack<FloatStackNumbers>,
             read_elementwise_stack<FloatStackNumbers>},
            {new_elementwise_stack<IntegerStackNumbers>, delete_elementwise_stack<IntegerStackNumbers>,
             read_elementwise_stack<IntegerStackNumbers>},
            viterbi,
            forward_backward};
}
