// Products of matrices in training, on several threads. Each number is a sum in a fixed order, so it
// depends neither on the threads nor on what else is multiplied.

// Runs `work()` in up to `n_threads` threads.
template <class Work>
static void in_threads(int64_t n_threads, Work work) {
    run_in_threads(int(n_threads), [](void* context) { (*static_cast<Work*>(context))(); }, &work);
}

// The numbers below `n`, each for one of the threads that take them.
class Tasks {
public:
    explicit Tasks(int64_t n) : n(n) {}
    bool take(int64_t& task) {
        task = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
        return task < n;
    }
    int64_t threads(int wanted) const { return wanted < n ? wanted : n; }

private:
    const int64_t n;
    int64_t next = 0;
};

// A factor of a product, which sums over k. It has the number of (k, column) at
// numbers[(rows ? rows[k] : k) * row_stride + column * column_stride].
struct Factor {
    const float* numbers;
    size_t row_stride, column_stride;
    const int64_t* rows = nullptr;
};

// out (n_rows, n_columns)[i, j] = bias[j] + sum over k of left(k, i) * right(k, j)
struct Product {
    int n_rows, n_columns, depth;
    Factor left, right;
    const float* bias;  // null for zeros
    float* out;
};

// Rows of `left` whose products registers hold, and how many a thread takes.
constexpr int STRIP = LANES == 16 ? 12 : 6, TASK_ROWS = 96;
// The most terms of a sum that are multiplied together: a panel of them stays in the first-level cache.
constexpr int MOST_TERMS = 320;

// `n` columns from `first` on, of the rows from `k` on: (n_rows, WIDTH), zeros after the columns.
template <int WIDTH>
static void pack_columns(const Factor& factor, int k, int n_rows, int first, int n, float* to) {
    const float* from = factor.numbers + first * factor.column_stride;
    const auto row_at = [&](int row) {
        return from + (factor.rows ? factor.rows[k + row] : k + row) * factor.row_stride;
    };
    if (n < WIDTH) {
        for (int row = 0; row < n_rows; ++row)
            for (int column = 0; column < WIDTH; ++column)
                to[row * WIDTH + column] = column < n ? row_at(row)[column * factor.column_stride] : 0.f;
    } else if (factor.column_stride == 1) {
        for (int row = 0; row < n_rows; ++row)
            std::memcpy(to + row * WIDTH, row_at(row), sizeof(float) * WIDTH);
    } else {
        for (int row = 0; row < n_rows; ++row) {
            const float* here = row_at(row);
            for (int column = 0; column < WIDTH; ++column)
                to[row * WIDTH + column] = here[column * factor.column_stride];
        }
    }
}

// out (STRIP, PANEL) = start + the products of `n` rows of both factors. Without a start it is zero.
INLINE void multiply_strip(int n, const float* left, const float* right, const float* start,
                           size_t start_stride, float* out, size_t out_stride) {
    Vector sums[STRIP][2];
    for (int r = 0; r < STRIP; ++r)
        for (int w = 0; w < 2; ++w)
            sums[r][w] = start ? load(start + r * start_stride + w * LANES) : Vector{};
    for (int k = 0; k < n; ++k, left += STRIP, right += PANEL) {
        const Vector columns[2] = {load(right), load(right + LANES)};
        for (int r = 0; r < STRIP; ++r)
            for (int w = 0; w < 2; ++w)
                sums[r][w] = multiply_add(filled(left[r]), columns[w], sums[r][w]);
    }
    for (int r = 0; r < STRIP; ++r)
        for (int w = 0; w < 2; ++w) store(out + r * out_stride + w * LANES, sums[r][w]);
}

// Memory that a thread keeps from call to call. New pages would cost a tenth of a training step.
class Scratch {
public:
    float* at_least(size_t n) {
        if (n > size) {
            delete numbers;
            numbers = nullptr;
            size = 0;
            numbers = new Buffer<float>(n);
            size = n;
        }
        return *numbers + 0;
    }
    Scratch() = default;
    ~Scratch() { delete numbers; }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

private:
    Buffer<float>* numbers = nullptr;
    size_t size = 0;
};

// A product whose right factor is packed, and whose rows are shared out among tasks.
class PackedProduct {
public:
    explicit PackedProduct(const Product& product)
        : product(product), n_panels(round_up(product.n_columns, PANEL) / PANEL) {
        const int n_blocks = round_up(product.depth, MOST_TERMS) / MOST_TERMS;
        n_terms = n_blocks ? (product.depth + n_blocks - 1) / n_blocks : 1;
    }

    size_t size() const { return size_t(n_panels) * product.depth * PANEL; }
    void use(float* memory) { panels = memory; }  // of that size
    int64_t n_packing_tasks() const { return n_panels; }
    void pack(int64_t panel) {
        const int column = int(panel) * PANEL;
        pack_columns<PANEL>(product.right, 0, product.depth, column, product.n_columns - column,
                            panels + panel * product.depth * PANEL);
    }

    int64_t n_tasks() const { return round_up(product.n_rows, TASK_ROWS) / TASK_ROWS; }
    // `left` is memory for TASK_ROWS * MOST_TERMS numbers.
    void multiply(int64_t task, float* left) const {
        const int first = int(task) * TASK_ROWS, end = smaller(first + TASK_ROWS, product.n_rows);
        for (int k = 0; k < product.depth || !k; k += n_terms) {
            const int n = smaller(n_terms, product.depth - k);
            for (int row = first; row < end; row += STRIP)
                pack_columns<STRIP>(product.left, k, n, row, end - row, left + (row - first) * n);
            for (int panel = 0; panel < n_panels; ++panel)
                for (int row = first; row < end; row += STRIP)
                    multiply_at(k, n, left + (row - first) * n, row, panel);
        }
    }

private:
    const Product product;
    const int n_panels;
    int n_terms;
    float* panels = nullptr;  // (n_panels, depth, PANEL)

    static int smaller(int a, int b) { return a < b ? a : b; }

    void multiply_at(int k, int n, const float* left, int row, int panel) const {
        const size_t width = product.n_columns;
        const int column = panel * PANEL, n_columns = smaller(PANEL, product.n_columns - column);
        const int n_rows = smaller(STRIP, product.n_rows - row);
        const float* right = panels + (size_t(panel) * product.depth + k) * PANEL;
        float* out = product.out + row * width + column;
        const float* start = k ? out : product.bias ? product.bias + column : nullptr;
        const size_t start_stride = k ? width : 0;
        if (n_rows == STRIP && n_columns == PANEL)
            return multiply_strip(n, left, right, start, start_stride, out, width);
        float tile[STRIP * PANEL] = {};
        for (int r = 0; start && r < n_rows; ++r)
            std::memcpy(tile + r * PANEL, start + r * start_stride, sizeof(float) * n_columns);
        multiply_strip(n, left, right, tile, PANEL, tile, PANEL);
        for (int r = 0; r < n_rows; ++r)
            std::memcpy(out + r * width, tile + r * PANEL, sizeof(float) * n_columns);
    }
};

// Computes products that do not depend on one another.
template <class... Products>
static void multiply_matrices(int n_threads, const Products&... products) {
    PackedProduct packed[] = {PackedProduct(products)...};
    int64_t n_packing = 0, n_tasks = 0;
    size_t size = 0;
    for (const PackedProduct& product : packed) {
        n_packing += product.n_packing_tasks();
        n_tasks += product.n_tasks();
        size += product.size();
    }
    static thread_local Scratch scratch;
    float* memory = scratch.at_least(size);
    for (PackedProduct& product : packed) {
        product.use(memory);
        memory += product.size();
    }
    Tasks packing(n_packing);
    in_threads(packing.threads(n_threads), [&] {
        for (int64_t task; packing.take(task);) {
            int i = 0;
            for (; task >= packed[i].n_packing_tasks(); ++i) task -= packed[i].n_packing_tasks();
            packed[i].pack(task);
        }
    });
    Tasks tasks(n_tasks);
    in_threads(tasks.threads(n_threads), [&] {
        Buffer<float> left(TASK_ROWS * MOST_TERMS);
        for (int64_t task; tasks.take(task);) {
            int i = 0;
            for (; task >= packed[i].n_tasks(); ++i) task -= packed[i].n_tasks();
            packed[i].multiply(task, left + 0);
        }
    });
}
