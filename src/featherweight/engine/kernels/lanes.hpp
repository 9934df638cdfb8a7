// Vectors of LANES images, grids of them, and the random bits of dropout.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#elif defined(_WIN32)
#include <malloc.h>
#endif

#define UNROLL _Pragma("GCC unroll 16")

namespace {

constexpr int LANES = FW_LANES;  // floats in a register of the instruction set this file is compiled for
typedef float V __attribute__((vector_size(4 * FW_LANES)));
typedef int32_t I __attribute__((vector_size(4 * FW_LANES)));
typedef uint32_t U __attribute__((vector_size(4 * FW_LANES)));

// `s - 0`, not `0 + s`: the compiler may drop the first for every s, the second not for -0.
inline V all(float s) { return s - V{}; }

inline V lane_numbers() {
    V v;
    for (int l = 0; l < LANES; l++) v[l] = float(l);
    return v;
}

// 1 in the first `valid` lanes, 0 in the others.
inline V lane_mask(int valid) {
    return lane_numbers() < all(float(valid)) ? all(1) : all(0);
}

// The lanes' sum, always by the same tree: upper half to lower half.
template <int N>
struct Lanes {
    typedef float Whole __attribute__((vector_size(4 * N)));
    typedef float Half __attribute__((vector_size(2 * N)));
    static float sum(Whole v) {
        Half low, high;
        std::memcpy(&low, &v, sizeof low);
        std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
        return Lanes<N / 2>::sum(low + high);
    }
};

template <>
struct Lanes<2> {
    typedef float Whole __attribute__((vector_size(8)));
    static float sum(Whole v) { return v[0] + v[1]; }
};

inline float sum_of_lanes(V v) { return Lanes<LANES>::sum(v); }

// e^z for z from -87 to 88 and clamped outside; NaN stays. Cephes' polynomial, 2 units in the last place.
inline V exponential(V z) {
    z = z > all(88.0f) ? all(88.0f) : z;
    z = z < all(-87.0f) ? all(-87.0f) : z;
    V turns = z * all(1.44269504f) + all(12582912.0f);  // + 1.5 * 2^23: the integer part lands in the low bits
    I power = (I)turns << 23;
    turns -= all(12582912.0f);
    V r = z - turns * all(0.693359375f) + turns * all(2.12194440e-4f);
    V p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    V value = p * r * r + r + all(1.0f);
    return (V)((I)value + power);
}

// Sweeps over several rows at once are more than the cache foresees by itself: ask for what is so many vectors ahead.
// (One row after the other it does foresee; asking makes that slower.)
constexpr int AHEAD = 32;
inline void fetch(const V* at) { __builtin_prefetch(at + AHEAD, 0, 2); }

inline void* aligned(size_t unit, size_t bytes) {
#if defined(_WIN32)
    return _aligned_malloc(bytes, unit);
#else
    return std::aligned_alloc(unit, bytes);
#endif
}
inline void release(void* memory) {
#if defined(_WIN32)
    _aligned_free(memory);
#else
    std::free(memory);
#endif
}

// Memory for vectors, zeroed: the borders of grids are never written again. Large blocks ask for large pages.
template <class T>
struct Block {
    T* data = nullptr;
    size_t count = 0;
    Block() = default;
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() { release(data); }
    void take(size_t n) {
        release(data);
        data = nullptr;
        count = n;
        constexpr size_t page = size_t(1) << 21;
        size_t bytes = n * sizeof(T), unit = bytes >= page ? page : 64;
        bytes = (bytes + unit - 1) / unit * unit;
        if (bytes == 0) return;
        data = static_cast<T*>(aligned(unit, bytes));
        if (!data) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
        if (unit == page) madvise(data, bytes, MADV_HUGEPAGE);
#endif
        std::memset(static_cast<void*>(data), 0, bytes);
    }
};

// One lane group's channels: `origin` is row 0, column 0 of channel 0, inside the border.
struct View {
    V* origin;
    int c, h, w;
    size_t pitch, plane;  // vectors from row to row, from channel to channel
    V* row(int channel, int y) const { return origin + ptrdiff_t(plane) * channel + ptrdiff_t(pitch) * y; }
    View channel(int c) const { return {row(c, 0), 1, h, w, pitch, plane}; }
};

// [slots][c][h + 2 border][w + 2 border] vectors; the border stays zero, so a padded convolution needs no cases.
struct Grid {
    int c = 0, h = 0, w = 0, border = 0;
    Block<V> block;
    size_t pitch() const { return size_t(w) + 2 * border; }
    // An odd number of vectors: planes a multiple of 4 KiB apart would share few cache sets. And at least one more than
    // the pixels: the last tile of a row may read one past its end.
    size_t plane() const { return (pitch() * (size_t(h) + 2 * border) + 1) | 1; }
    size_t size() const { return plane() * c; }
    View over(V* memory) const { return {memory + border * pitch() + border, c, h, w, pitch(), plane()}; }
    View at(int slot) const { return over(block.data + slot * size()); }
};

// The key of one layer's masks in one step (splitmix64 of seed and layer).
struct Key {
    uint32_t a, b;
};

inline Key key_of(uint64_t seed, uint32_t layer) {
    uint64_t z = seed + 0x9E3779B97F4A7C15ull * (uint64_t(layer) + 1);
    for (int round = 0; round < 2; round++) {
        z += 0x9E3779B97F4A7C15ull;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        z ^= z >> 31;
    }
    return {uint32_t(z), uint32_t(z >> 32)};
}

// 32 random bits for each counter: a function of key and counter alone, so masks know nothing of threads.
inline U scramble(U x, Key key) {
    x = x * 0x9E3779B1u + key.a;
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= key.b;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ (x >> 16);
}

}  // namespace
