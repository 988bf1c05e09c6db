// LANES numbers at a time, as many as a register holds. The vector types are GCC's and clang's.

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t IntVector __attribute__((vector_size(4 * LANES)));
typedef uint8_t ByteVector __attribute__((vector_size(LANES)));

#define INLINE_METHOD inline __attribute__((always_inline))
#define INLINE static INLINE_METHOD

template <class T>
INLINE void prefetch(const T* from, int n) {
    for (int i = 0; i < n; i += 64 / int(sizeof(T))) __builtin_prefetch(from + i);
}

// Numbers from a cache line's beginning on, freed when the block ends. No std::vector: its functions
// have the same names in all instruction sets, and the linker might choose the ones that this
// machine cannot run.
template <class T>
class Buffer {
public:
    explicit Buffer(size_t size) : whole(new T[size + LINE]), size(size) {
        const size_t beyond = reinterpret_cast<uintptr_t>(whole) / sizeof(T) % LINE;
        numbers = whole + (LINE - beyond) % LINE;
    }
    Buffer(size_t size, T value) : Buffer(size) { fill(value); }
    ~Buffer() { delete[] whole; }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    T* operator+(size_t place) { return numbers + place; }
    const T* operator+(size_t place) const { return numbers + place; }
    void fill(T value) {
        for (size_t i = 0; i < size; ++i) numbers[i] = value;
    }

private:
    static constexpr size_t LINE = 64 / sizeof(T);
    T* const whole;
    T* numbers;
    const size_t size;
};

constexpr int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// Not a sum with zero: that changes -0, so it would take an addition.
INLINE Vector filled(float x) { return x - Vector{}; }

INLINE Vector load(const float* from) {
    Vector v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

INLINE void store(float* to, Vector v) { std::memcpy(to, &v, sizeof v); }
