// The kernels for one instruction set: included by a file of its own, which defines how many numbers
// its registers hold (REGISTER) and the name of its table (TABLE).
#include "kernels.hh"

namespace spacy_distill {
namespace {
constexpr int LANES = REGISTER;
#include "simd.hh"
#include "lstm.hh"
#include "stack.hh"
#include "viterbi.hh"
#include "forward_backward.hh"
}  // namespace

const Kernels TABLE = {
    lstm_forward, lstm_backward, stack_new, stack_delete, stack_read, viterbi, forward_backward,
};

}  // namespace spacy_distill
