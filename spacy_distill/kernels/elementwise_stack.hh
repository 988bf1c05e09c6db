// Layers of element-wise recurrences above one another, for prediction only. The maps of the first layer
// stand in a table of word forms, so it multiplies nothing. Each other layer multiplies the states of some
// sequences at once.
//
// In integers, weights are bytes, and so are the states that are multiplied: each token has the scale of
// its largest state, since states have no bounds. All else is in floats, and each operation rounds
// separately. So every instruction set gives the same result bit by bit, and so does numpy
// (`models/elementwise_stack.py`).

INLINE Vector load_some_of(const float* from, int n) { return load_some(from, n); }
INLINE Vector load_some_of(const uint16_t* from, int n) { return load_some_halves(from, n); }

// The states of some tokens, (rows, width), as bytes, and the scale of each row.
class ByteStates {
public:
    ByteStates(size_t n_rows, int width)
        : width(width), stride(round_up(width, LANES)), bytes(n_rows * stride, ZERO),
          rows(n_rows), scales(n_rows) {
        for (size_t row = 0; row < n_rows; ++row) *(rows + row) = bytes + row * stride;
    }

    void round(size_t n_rows, const float* states) {
        for (size_t row = 0; row < n_rows; ++row, states += width) {
            Vector peaks = {};
            for (int column = 0; column < width; column += LANES) {
                const Vector size = finite(load_some(states + column, width - column));
                const Vector absolute = size < 0.f ? -size : size;
                peaks = absolute > peaks ? absolute : peaks;
            }
            float largest = 0.f;
            for (int lane = 0; lane < LANES; ++lane)
                if (peaks[lane] > largest) largest = peaks[lane];
            const float steps = largest > LEAST ? STATE_SCALE / largest : 0.f;
            *(scales + row) = largest / STATE_SCALE;
            for (int column = 0; column < width; column += LANES) {
                const Vector number = finite(load_some(states + column, width - column));
                // After the addition, the nearest whole number is in the lowest bits.
                const Vector shifted = number * steps + (12582912.f + ZERO);
                IntVector bits;
                std::memcpy(&bits, &shifted, sizeof bits);
                const ByteVector rounded = __builtin_convertvector(bits & 255, ByteVector);
                std::memcpy(bytes + (row * stride + column), &rounded, LANES);
            }
        }
    }
    const uint8_t* const* all() const { return rows + 0; }
    float scale(size_t row) const { return *(scales + row); }

private:
    // The quotient of smaller ones is beyond a float.
    static constexpr float LEAST = 1e-30f;
    const int width, stride;
    Buffer<uint8_t> bytes;
    Buffer<const uint8_t*> rows;
    Buffer<float> scales;

    // What is no finite number counts as 0.
    static INLINE_METHOD Vector finite(Vector x) { return x - x == 0.f ? x : Vector{}; }
};

// A layer's product with the states below: floats or bytes. (rows, columns), then LANES more numbers.
class FloatProduct {
public:
    FloatProduct(const ElementwiseWeights& layer, int n_inputs, int n_columns)
        : panels(n_inputs, n_columns) {
        for (int row = 0; row < n_inputs; ++row)
            for (int column = 0; column < n_columns; ++column)
                *panels.at(row, column) = layer.W[size_t(row) * n_columns + column];
    }
    int columns() const { return panels.columns; }

    struct States {
        States(size_t, int) {}
        void round(size_t, const float*) {}
        float scale(size_t) const { return 1.f; }
    };
    void multiply_rows(int n_rows, const float* below, const States&, float* product) const {
        multiply(n_rows, below, panels.rows, panels, product, panels.columns);
    }

private:
    Panels panels;
};

class IntegerProduct {
public:
    IntegerProduct(const ElementwiseWeights& layer, int n_inputs, int n_columns)
        : weights(n_columns, Matrix{layer.W, n_inputs, size_t(n_columns)}, Matrix{nullptr, 0, 0},
                  nullptr, 1.f) {}
    int columns() const { return weights.columns; }

    typedef ByteStates States;
    void multiply_rows(int n_rows, const float*, const States& states, float* product) const {
        multiply_bytes(weights, n_rows, ByteRows{states.all(), nullptr, 0}, product);
    }

private:
    IntegerWeights weights;
};

// What a stack computes with.
struct FloatStackNumbers : FloatNumbers {
    typedef float InTable;
    typedef FloatProduct LayerProduct;
};

struct IntegerStackNumbers {
    typedef uint16_t InTable;
    typedef IntegerProduct LayerProduct;
    static INLINE_METHOD Vector gate(Vector x) {
        const Fraction found = twice_logistic(x);
        return found.above / (2.f * found.below);
    }
};

// The maps of the first layer's tokens.
template <class Number>
struct MapsInTable {
    const Number* table;   // (rows, 2, n_maps, hidden)
    const int64_t* rows;   // of the sequence's tokens
    int n_maps, hidden;
    float highway_scale;

    const Number* at(int64_t position, int direction) const {
        return table + (2 * rows[position] + direction) * n_maps * hidden;
    }
    void expect(int64_t position, int direction) const {
        prefetch(at(position, direction), n_maps * hidden);
    }
    INLINE_METHOD Vector map(const Number* from, Map map, int unit, int n) const {
        return load_some_of(from + map * hidden + unit, n);
    }
    INLINE_METHOD Vector highway(const Number* from, int unit, int n) const {
        return map(from, HIGHWAY_MAP, unit, n) * highway_scale;
    }
};

// The maps of another layer's tokens. More numbers than a unit has can be read.
template <class States>
struct MapsOfProduct {
    struct Token {
        const float *product, *bias, *below;
        float scale;
    };
    const float* product;  // (rows, columns)
    int columns;
    const float* bias;     // (2, n_maps, hidden)
    const float* below;    // (rows, 2, hidden)
    const States& states;
    size_t first_row;
    int n_maps, hidden;
    float highway_scale;

    Token at(int64_t position, int direction) const {
        const size_t row = first_row + position;
        const int first = direction * n_maps * hidden;
        return {product + row * columns + first, bias + first, below + (2 * row + direction) * hidden,
                states.scale(row)};
    }
    void expect(int64_t, int) const {}
    INLINE_METHOD Vector map(const Token& token, Map map, int unit, int) const {
        const int place = map * hidden + unit;
        return load(token.product + place) * token.scale + load(token.bias + place);
    }
    INLINE_METHOD Vector highway(const Token& token, int unit, int) const {
        return load(token.below + unit) * highway_scale;
    }
};

template <class Numbers>
class ElementwiseStack {
public:
    ElementwiseStack(const ElementwiseWeights* weights, int n_layers, int hidden, float highway_scale)
        : ElementwiseStack(n_layers, hidden, highway_scale, weights[0].peepholes) {
        for (int i = 0; i < n_layers; ++i) layers[i] = new Layer(weights[i], hidden, is_sru);
    }
    ~ElementwiseStack() {
        for (int i = 0; i < n_layers; ++i) delete layers[i];
        delete[] layers;
    }
    ElementwiseStack(const ElementwiseStack&) = delete;
    ElementwiseStack& operator=(const ElementwiseStack&) = delete;

    void read(const StackInput& in, float* states) const {
        const Groups groups(in.batch, in.n_threads);
        const size_t n_rows = n_layers > 1 ? groups.most_rows() : 0, width = 2 * hidden;
        int columns = 0;
        for (int i = 1; i < n_layers; ++i) columns = layers[i]->product->columns();
        Tasks tasks(groups.count());
        in_threads(tasks.threads(in.n_threads), [&] {
            // Outputs of the layers with even and with odd numbers. LANES more numbers can be read.
            Buffer<float> even(n_rows * width + LANES, 0.f);
            Buffer<float> odd(n_layers > 2 ? n_rows * width + LANES : 0, 0.f);
            Buffer<float> product(n_rows * columns + LANES, 0.f), cells(2 * round_up(hidden, LANES));
            LayerStates rounded(n_rows, int(width));
            for (int64_t number; tasks.take(number);) {
                const Group group = groups.at(number);
                for (int i = 0; i < n_layers; ++i) {
                    float* above = i == n_layers - 1 ? nullptr : i % 2 ? odd + 0 : even + 0;
                    const float* below = i % 2 ? even + 0 : odd + 0;
                    if (i) {
                        rounded.round(group.n_rows, below);
                        layers[i]->product->multiply_rows(int(group.n_rows), below, rounded,
                                                          product + 0);
                    }
                    if (is_sru) read_layer<true>(i, in, group, below, rounded, product + 0, cells + 0, above, states);
                    else read_layer<false>(i, in, group, below, rounded, product + 0, cells + 0, above, states);
                }
            }
        });
    }

private:
    typedef typename Numbers::LayerProduct LayerProduct;
    typedef typename LayerProduct::States LayerStates;
    typedef typename Numbers::InTable InTable;

    // A layer's weights. In whole vectors, and LANES more numbers can be read.
    struct Layer {
        LayerProduct* product = nullptr;  // null in the first layer
        Buffer<float> bias, peepholes;    // (2, n_maps, hidden), (2, 2, hidden)

        Layer(const ElementwiseWeights& from, int hidden, bool is_sru)
            : bias(6 * hidden + LANES, 0.f), peepholes(4 * hidden + LANES, 0.f) {
            const int n_columns = 2 * hidden * (is_sru ? HIGHWAY_MAP : RESET_MAP);
            if (is_sru) std::memcpy(peepholes + 0, from.peepholes, 4 * hidden * sizeof(float));
            if (!from.W) return;
            std::memcpy(bias + 0, from.bias, n_columns * sizeof(float));
            product = new LayerProduct(from, 2 * hidden, n_columns);
        }
        ~Layer() { delete product; }
        Layer(const Layer&) = delete;
        Layer& operator=(const Layer&) = delete;
    };

    // Sequences that are multiplied together, from `first` to before `end` in the batch's order.
    struct Group {
        int64_t first, end, n_rows;
    };

    // Groups of about as many tokens, and as many as there are threads. No result depends on them.
    class Groups {
    public:
        Groups(const Batch& batch, int n_threads) : batch(batch), ends(batch.n_sequences) {
            int64_t n_tokens = 0, n_rows = 0;
            for (int64_t s = 0; s < batch.n_sequences; ++s) n_tokens += batch.lengths[s];
            const int64_t share = (n_tokens + n_threads - 1) / n_threads;
            const int64_t enough = share < BLOCK ? share : BLOCK;
            for (int64_t i = 0; i < batch.n_sequences; ++i) {
                n_rows += batch.lengths[batch.order[i]];
                if (n_rows < enough && i + 1 < batch.n_sequences) continue;
                *(ends + n++) = i + 1;
                if (n_rows > most) most = n_rows;
                n_rows = 0;
            }
        }
        int64_t count() const { return n; }
        int64_t most_rows() const { return most; }
        Group at(int64_t number) const {
            Group group = {number ? *(ends + (number - 1)) : 0, *(ends + number), 0};
            for (int64_t i = group.first; i < group.end; ++i)
                group.n_rows += batch.lengths[batch.order[i]];
            return group;
        }

    private:
        const Batch& batch;
        Buffer<int64_t> ends;
        int64_t n = 0, most = 0;
    };

    const int n_layers, hidden;
    const float highway_scale;
    const bool is_sru;
    Layer** const layers;

    // What is made is deleted if there is not enough memory for all of it.
    ElementwiseStack(int n_layers, int hidden, float highway_scale, bool is_sru)
        : n_layers(n_layers), hidden(hidden), highway_scale(highway_scale), is_sru(is_sru),
          layers(new Layer*[n_layers]()) {}

    template <bool IS_SRU>
    void read_layer(int number, const StackInput& in, const Group& group, const float* below,
                    const LayerStates& rounded, const float* product, float* cells, float* above,
                    float* states) const {
        const Layer& layer = *layers[number];
        constexpr int FORM_MAPS = IS_SRU ? HIGHWAY_MAP + 1 : RESET_MAP;
        constexpr int STATE_MAPS = IS_SRU ? HIGHWAY_MAP : RESET_MAP;
        size_t row = 0;
        for (int64_t i = group.first; i < group.end; ++i) {
            const int64_t sequence = in.batch.order[i];
            const int64_t length = in.batch.lengths[sequence], start = in.batch.starts[sequence];
            float* to = (above ? above + row * 2 * hidden : states + start * 2 * hidden);
            if (number) {
                const MapsOfProduct<LayerStates> maps = {
                    product, layer.product->columns(), layer.bias + 0, below, rounded, row,
                    STATE_MAPS, hidden, highway_scale};
                read_sequence<IS_SRU>(layer, maps, length, cells, to);
            } else {
                const MapsInTable<InTable> maps = {static_cast<const InTable*>(in.table),
                                                   in.rows + start, FORM_MAPS, hidden,
                                                   highway_scale};
                read_sequence<IS_SRU>(layer, maps, length, cells, to);
            }
            row += length;
        }
    }

    template <bool IS_SRU, class Maps>
    void read_sequence(const Layer& layer, const Maps& maps, int64_t length, float* cells,
                       float* to) const {
        const int padded = round_up(hidden, LANES);
        for (int unit = 0; unit < 2 * padded; ++unit) cells[unit] = 0.f;
        // Both directions in turn: a step of one does not wait for that of the other.
        for (int64_t step = 0; step < length; ++step)
            for (int direction = 0; direction < 2; ++direction) {
                const int64_t position = direction ? length - 1 - step : step;
                if (step + 1 < length)
                    maps.expect(direction ? position - 1 : position + 1, direction);
                const auto token = maps.at(position, direction);
                const float* peepholes = layer.peepholes + direction * 2 * hidden;
                float* cell = cells + direction * padded;
                float* state = to + (2 * position + direction) * hidden;
                for_units(hidden, UNITS_WORK {
                    UnitInputs x = {};
                    x.candidate = maps.map(token, CANDIDATE_MAP, unit, n);
                    x.forget = maps.map(token, FORGET_MAP, unit, n);
                    if (IS_SRU) {
                        x.reset = maps.map(token, RESET_MAP, unit, n);
                        x.highway = maps.highway(token, unit, n);
                        x.forget_peephole = load(peepholes + unit);
                        x.reset_peephole = load(peepholes + hidden + unit);
                    }
                    const UnitStates y = next_units<IS_SRU, Numbers>(x, load(cell + unit));
                    store(cell + unit, y.cell);
                    store_some(state + unit, y.state, n);
                });
            }
    }
};

template <class Numbers>
static void* new_elementwise_stack(const ElementwiseWeights* layers, int n_layers, int hidden,
                                   float highway_scale) {
    return new ElementwiseStack<Numbers>(layers, n_layers, hidden, highway_scale);
}

template <class Numbers>
static void delete_elementwise_stack(void* stack) {
    delete static_cast<ElementwiseStack<Numbers>*>(stack);
}

template <class Numbers>
static void read_elementwise_stack(const void* stack, const StackInput& in, float* states) {
    static_cast<const ElementwiseStack<Numbers>*>(stack)->read(in, states);
}
