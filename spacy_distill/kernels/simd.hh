// Arithmetic of vectors, and products of matrices. The compiler fuses no product with a sum
// (-ffp-contract=off); `multiply_add` does so where the instruction set can.

#ifdef __FAST_MATH__
#error "exponential() rounds by adding and taking away, and NaN has to stay: no -ffast-math."
#endif

// The first `n` numbers in half precision; zeros after them.
INLINE Vector load_some_halves(const uint16_t* from, int n) {
    if (n >= LANES) return load_halves(from);
    uint16_t some[LANES] = {};
    for (int lane = 0; lane < n; ++lane) some[lane] = from[lane];
    return load_halves(some);
}

INLINE Vector at_least(Vector x, float bound) { return x < bound ? filled(bound) : x; }
INLINE Vector at_most(Vector x, float bound) { return x > bound ? filled(bound) : x; }

// exp(x) as 2^n * 2^f with n whole and |f| <= 1/2; 2^f is a polynomial that was fitted to it at
// Chebyshev nodes (relative error 2e-9 before rounding). Exact at 0.
INLINE Vector exponential(Vector x) {
    const float to_whole = 12582912.f;  // 1.5 * 2^23: what is added to it is rounded
    Vector z = at_least(at_most(x * 1.44269504f, 126.f), -126.f);
    Vector shifted = z + to_whole;
    Vector f = z - (shifted - to_whole);
    Vector p = filled(1.533757687e-4f);
    p = multiply_add(p, f, filled(1.339986037e-3f));
    p = multiply_add(p, f, filled(9.618519534e-3f));
    p = multiply_add(p, f, filled(5.550328998e-2f));
    p = multiply_add(p, f, filled(2.402264661e-1f));
    p = multiply_add(p, f, filled(6.931472056e-1f));
    p = multiply_add(p, f, filled(1.f));
    IntVector bits, exponent;
    std::memcpy(&bits, &p, sizeof bits);
    std::memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 23;
    std::memcpy(&p, &bits, sizeof p);
    return x == x ? p : x;
}

INLINE Vector logistic(Vector x) { return 1.f / (1.f + exponential(-x)); }

INLINE Vector hyperbolic_tangent(Vector x) { return 2.f / (1.f + exponential(-2.f * x)) - 1.f; }

// logistic(gate) * hyperbolic_tangent(x) with one division. At -20 tanh is -1 already, and where the
// divisor is beyond a float's range all the same, the product is below 1e-20.
INLINE Vector gated(Vector gate, Vector x) {
    const Vector shut = exponential(-gate), e = exponential(at_most(-2.f * x, 40.f));
    return (1.f - e) / ((1.f + shut) * (1.f + e));
}

// A matrix (rows, columns) in panels of two vectors' columns, so that a product reads it in order.
constexpr int PANEL = 2 * LANES;

struct Panels {
    int rows, columns;  // columns is a multiple of PANEL
    Buffer<float> numbers;

    Panels(int rows, int columns)
        : rows(rows), columns(round_up(columns, PANEL)),
          numbers(size_t(rows) * round_up(columns, PANEL), 0.f) {}

    float* at(int row, int column) {
        return numbers + (size_t(column / PANEL) * rows + row) * PANEL + column % PANEL;
    }
    const float* panel(int number) const { return numbers + size_t(number) * rows * PANEL; }
};

// ROWS rows of a product with WIDE panels: as many sums as registers hold, so that additions do
// not wait for one another.
template <int ROWS, int WIDE>
INLINE void multiply_panels(const float* left, int left_width, const float* panel, int n,
                            float* product, int product_width) {
    Vector sums[ROWS][2 * WIDE] = {};
    for (int k = 0; k < n; ++k) {
        Vector right[2 * WIDE];
        for (int w = 0; w < 2 * WIDE; ++w)
            right[w] = load(panel + (size_t(w / 2) * n + k) * PANEL + w % 2 * LANES);
        for (int r = 0; r < ROWS; ++r)
            for (int w = 0; w < 2 * WIDE; ++w)
                sums[r][w] = multiply_add(filled(left[r * left_width + k]), right[w], sums[r][w]);
    }
    for (int r = 0; r < ROWS; ++r)
        for (int w = 0; w < 2 * WIDE; ++w)
            store(product + r * product_width + w * LANES, sums[r][w]);
}

// A row alone, or two or three, with all panels: several panels at a time.
template <int ROWS>
static void multiply_few(const float* left, int left_width, const Panels& right, float* product,
                         int product_width) {
    constexpr int WIDE = ROWS == 1 ? 4 : ROWS == 2 ? 3 : 2;
    const int n_panels = right.columns / PANEL;
    int p = 0;
    for (; p + WIDE <= n_panels; p += WIDE)
        multiply_panels<ROWS, WIDE>(left, left_width, right.panel(p), right.rows,
                                    product + p * PANEL, product_width);
    for (; p < n_panels; ++p)
        multiply_panels<ROWS, 1>(left, left_width, right.panel(p), right.rows,
                                 product + p * PANEL, product_width);
}

// product (rows, product_width) = left (rows, left_width) * right. Of many rows, six at a time are
// multiplied with a panel while it is in the first-level cache.
static void multiply(int rows, const float* left, int left_width, const Panels& right,
                     float* product, int product_width) {
    switch (rows) {
        case 1: return multiply_few<1>(left, left_width, right, product, product_width);
        case 2: return multiply_few<2>(left, left_width, right, product, product_width);
        case 3: return multiply_few<3>(left, left_width, right, product, product_width);
    }
    const int n = right.rows;
    for (int p = 0; p < right.columns / PANEL; ++p) {
        const float* panel = right.panel(p);
        for (int row = 0; row < rows; row += 6) {
            const float* from = left + row * left_width;
            float* to = product + row * product_width + p * PANEL;
            switch (rows - row) {
                case 1: multiply_panels<1, 1>(from, left_width, panel, n, to, product_width); break;
                case 2: multiply_panels<2, 1>(from, left_width, panel, n, to, product_width); break;
                case 3: multiply_panels<3, 1>(from, left_width, panel, n, to, product_width); break;
                case 4: multiply_panels<4, 1>(from, left_width, panel, n, to, product_width); break;
                case 5: multiply_panels<5, 1>(from, left_width, panel, n, to, product_width); break;
                default: multiply_panels<6, 1>(from, left_width, panel, n, to, product_width);
            }
        }
    }
}
