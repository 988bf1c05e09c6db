// Recurrences without a product of the state: SRU (Lei et al. 2018) and minGRU (Feng et al. 2024). A unit
// reads its own cell alone, so each sequence goes through its steps by itself.

// What inputs are mapped to, in this order. A minGRU has the first two.
enum Map { CANDIDATE_MAP, FORGET_MAP, RESET_MAP, HIGHWAY_MAP };

// Some units of a token. A minGRU has no reset gate, highway and peepholes.
struct UnitInputs {
    Vector candidate, forget, reset, highway, forget_peephole, reset_peephole;
};

struct UnitStates {
    Vector forget, reset, cell, state;
};

// What a step computes with: numbers as exact as floats are.
struct FloatNumbers {
    static INLINE_METHOD Vector gate(Vector x) { return logistic(x); }
};

template <bool IS_SRU, class Numbers>
INLINE UnitStates next_units(const UnitInputs& x, Vector before) {
    UnitStates y = {};
    y.forget = Numbers::gate(IS_SRU ? x.forget + x.forget_peephole * before : x.forget);
    y.cell = y.forget * before + (1.f - y.forget) * x.candidate;
    if (!IS_SRU) {
        y.state = y.cell;
        return y;
    }
    y.reset = Numbers::gate(x.reset + x.reset_peephole * before);
    y.state = y.reset * y.cell + (1.f - y.reset) * x.highway;
    return y;
}

// Calls `work(unit, n)` for `n` units from `unit` on, until there are no more.
template <class Work>
INLINE void for_units(int hidden, Work work) {
    int unit = 0;
    for (; unit + LANES <= hidden; unit += LANES) work(unit, LANES);
    if (unit < hidden) work(unit, hidden - unit);
}
#define UNITS_WORK [&](int unit, int n) __attribute__((always_inline))

// Where a token of one direction has its numbers.
class ElementwisePlaces {
public:
    ElementwisePlaces(const ElementwiseLayer& in, int64_t sequence, int direction)
        : in(in), direction(direction), start(in.batch.starts[sequence]),
          length(in.batch.lengths[sequence]) {}

    // Of (tokens, 2, hidden).
    size_t states(int64_t step) const { return token(step) * in.hidden; }
    // Of (tokens, 2, n_maps, hidden).
    size_t maps(int64_t step) const { return token(step) * in.n_maps * in.hidden; }

private:
    const ElementwiseLayer& in;
    const int direction;
    const int64_t start, length;

    size_t token(int64_t step) const {
        return 2 * (start + (direction ? length - 1 - step : step)) + direction;
    }
};

template <bool IS_SRU>
static void read_elementwise(const ElementwiseLayer& in, int64_t sequence, int direction,
                             const ElementwiseStates& out) {
    const int hidden = in.hidden;
    const ElementwisePlaces places(in, sequence, direction);
    const float* peepholes = IS_SRU ? in.peepholes + direction * 2 * hidden : nullptr;
    for (int64_t step = 0; step < in.batch.lengths[sequence]; ++step) {
        const size_t here = places.states(step);
        float* maps = out.maps + places.maps(step);
        const float* highway = in.n_maps > HIGHWAY_MAP ? maps + HIGHWAY_MAP * hidden : in.X + here;
        const float* before = step ? out.cells + places.states(step - 1) : nullptr;
        for_units(hidden, UNITS_WORK {
            UnitInputs x = {};
            x.candidate = load_some(maps + CANDIDATE_MAP * hidden + unit, n);
            x.forget = load_some(maps + FORGET_MAP * hidden + unit, n);
            if (IS_SRU) {
                x.reset = load_some(maps + RESET_MAP * hidden + unit, n);
                x.highway = load_some(highway + unit, n) * in.highway_scale;
                x.forget_peephole = load_some(peepholes + unit, n);
                x.reset_peephole = load_some(peepholes + hidden + unit, n);
            }
            const Vector cell = before ? load_some(before + unit, n) : Vector{};
            const UnitStates y = next_units<IS_SRU, FloatNumbers>(x, cell);
            store_some(maps + FORGET_MAP * hidden + unit, y.forget, n);
            if (IS_SRU) store_some(maps + RESET_MAP * hidden + unit, y.reset, n);
            store_some(out.cells + here + unit, y.cell, n);
            store_some(out.states + here + unit, y.state, n);
        });
    }
}

// Calls `work(sequence, direction)` in threads, the longest sequences first.
template <class Work>
static void for_each_sequence(const ElementwiseLayer& in, Work work) {
    Tasks tasks(2 * in.batch.n_sequences);
    in_threads(tasks.threads(in.n_threads), [&] {
        for (int64_t task; tasks.take(task);) work(in.batch.order[task / 2], int(task % 2));
    });
}

static void elementwise_forward(const ElementwiseLayer& in, const ElementwiseStates& out) {
    const size_t n_inputs = in.n_inputs;
    multiply_matrices(in.n_threads, Product{int(in.n_tokens), 2 * in.n_maps * in.hidden, in.n_inputs,
                                            {in.X, 1, n_inputs}, {in.W, 1, n_inputs}, in.b, out.maps});
    for_each_sequence(in, [&](int64_t sequence, int direction) {
        if (in.peepholes) read_elementwise<true>(in, sequence, direction, out);
        else read_elementwise<false>(in, sequence, direction, out);
    });
}

// `d_cell` (hidden,) is memory; `d_highway` (tokens, 2, hidden) is null if the highway is a map.
template <bool IS_SRU>
static void read_elementwise_back(const ElementwiseLayer& in, int64_t sequence, int direction,
                                  const ElementwiseStates& kept, const float* d_states, float* d_cell,
                                  float* d_maps, float* d_highway) {
    const int hidden = in.hidden;
    const ElementwisePlaces places(in, sequence, direction);
    const float* peepholes = IS_SRU ? in.peepholes + direction * 2 * hidden : nullptr;
    for (int unit = 0; unit < hidden; ++unit) d_cell[unit] = 0.f;
    for (int64_t step = in.batch.lengths[sequence] - 1; step >= 0; --step) {
        const size_t here = places.states(step);
        const float* maps = kept.maps + places.maps(step);
        const float* highway = in.n_maps > HIGHWAY_MAP ? maps + HIGHWAY_MAP * hidden : in.X + here;
        const float* before = step ? kept.cells + places.states(step - 1) : nullptr;
        float* d_here = d_maps + places.maps(step);
        float* d_passed = d_highway ? d_highway + here : d_here + HIGHWAY_MAP * hidden;
        for_units(hidden, UNITS_WORK {
            const Vector candidate = load_some(maps + CANDIDATE_MAP * hidden + unit, n);
            const Vector forget = load_some(maps + FORGET_MAP * hidden + unit, n);
            const Vector cell_before = before ? load_some(before + unit, n) : Vector{};
            const Vector d_state = load_some(d_states + here + unit, n);
            Vector d = load_some(d_cell + unit, n), d_before = {};
            if (IS_SRU) {
                const Vector reset = load_some(maps + RESET_MAP * hidden + unit, n);
                const Vector cell = load_some(kept.cells + here + unit, n);
                const Vector passed = load_some(highway + unit, n) * in.highway_scale;
                const Vector d_reset = d_state * (cell - passed) * reset * (1.f - reset);
                store_some(d_here + RESET_MAP * hidden + unit, d_reset, n);
                store_some(d_passed + unit, d_state * (1.f - reset) * in.highway_scale, n);
                d += d_state * reset;
                d_before = d_reset * load_some(peepholes + hidden + unit, n);
            } else {
                d += d_state;
            }
            const Vector d_forget = d * (cell_before - candidate) * forget * (1.f - forget);
            store_some(d_here + CANDIDATE_MAP * hidden + unit, d * (1.f - forget), n);
            store_some(d_here + FORGET_MAP * hidden + unit, d_forget, n);
            if (IS_SRU) d_before += d_forget * load_some(peepholes + unit, n);
            store_some(d_cell + unit, d * forget + d_before, n);
        });
    }
}

// sums (hidden,): the gradient of a gate's peepholes in one direction.
static void sum_peepholes(const ElementwiseLayer& in, const ElementwiseStates& kept, const float* d_maps,
                          int direction, int map, float* sums) {
    const int hidden = in.hidden;
    for (int unit = 0; unit < hidden; ++unit) sums[unit] = 0.f;
    for (int64_t s = 0; s < in.batch.n_sequences; ++s) {
        const ElementwisePlaces places(in, s, direction);
        for (int64_t step = 1; step < in.batch.lengths[s]; ++step) {
            const float* d_gate = d_maps + places.maps(step) + map * hidden;
            const float* before = kept.cells + places.states(step - 1);
            for (int unit = 0; unit < hidden; ++unit) sums[unit] += d_gate[unit] * before[unit];
        }
    }
}

static void elementwise_backward(const ElementwiseLayer& in, const ElementwiseStates& kept,
                                 const float* d_states, const ElementwiseGradients& out) {
    const int hidden = in.hidden, n_tokens = int(in.n_tokens), width = 2 * in.n_maps * hidden;
    const bool is_sru = in.peepholes, passes_inputs = is_sru && in.n_maps == HIGHWAY_MAP;
    const size_t n_inputs = in.n_inputs, n_states = in.n_tokens * 2 * hidden, n_maps = width;
    static thread_local Scratch scratch;
    float* d_maps = scratch.at_least(in.n_tokens * n_maps + (passes_inputs ? n_states : 0));
    float* d_highway = passes_inputs ? d_maps + in.n_tokens * n_maps : nullptr;
    for_each_sequence(in, [&](int64_t sequence, int direction) {
        static thread_local Scratch cells;
        float* d_cell = cells.at_least(hidden);
        if (is_sru)
            read_elementwise_back<true>(in, sequence, direction, kept, d_states, d_cell, d_maps,
                                        d_highway);
        else
            read_elementwise_back<false>(in, sequence, direction, kept, d_states, d_cell, d_maps,
                                         nullptr);
    });
    const int n_sums = 2 * in.n_maps;
    Tasks sums(n_sums + (is_sru ? 4 : 0));
    in_threads(sums.threads(in.n_threads), [&] {
        for (int64_t task; sums.take(task);) {
            const int gate = int(task) - n_sums;
            if (gate < 0)
                sum_columns(d_maps + task * hidden, n_tokens, width, hidden, out.b + task * hidden);
            else
                sum_peepholes(in, kept, d_maps, gate / 2, gate % 2 ? RESET_MAP : FORGET_MAP,
                              out.peepholes + gate * hidden);
        }
    });
    multiply_matrices(in.n_threads,
                      Product{n_tokens, in.n_inputs, width, {d_maps, 1, n_maps},
                              {in.W, n_inputs, 1}, nullptr, out.X},
                      Product{width, in.n_inputs, n_tokens, {d_maps, n_maps, 1},
                              {in.X, n_inputs, 1}, nullptr, out.W});
    for (size_t i = 0; passes_inputs && i < n_states; ++i) out.X[i] += d_highway[i];
}
