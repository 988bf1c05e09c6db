// Vectors that are read and written in part, where there are no instructions for it.

INLINE Vector load_some(const float* from, int n) {
    if (n >= LANES) return load(from);
    Vector v = {};
    for (int lane = 0; lane < n; ++lane) v[lane] = from[lane];
    return v;
}

INLINE void store_some(float* to, Vector v, int n) {
    if (n >= LANES) return store(to, v);
    for (int lane = 0; lane < n; ++lane) to[lane] = v[lane];
}
