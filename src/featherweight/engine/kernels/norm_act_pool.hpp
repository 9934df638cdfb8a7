// What happens between convolutions, one lane group and one sweep at a time: norm, activation, dropout, pooling.
#pragma once
#include <cmath>

#include "lanes.hpp"

namespace {

enum Activation { NONE = 0, RELU = 1, SILU = 2 };
enum Drop { KEEP = 0, ELEMENTS = 1, CHANNELS = 2 };

// Comparisons below are written so that NaN falls through: a broken step shows in its loss.
template <int ACT>
inline V activate(V z) {
    if constexpr (ACT == RELU) return z < all(0) ? all(0) : z;
    if constexpr (ACT == SILU) return z / (all(1) + exponential(-z));
    return z;
}

template <int ACT>
inline V derivative(V z) {
    if constexpr (ACT == RELU) return z > all(0) ? all(1) : all(0);
    if constexpr (ACT == SILU) {
        V s = all(1) / (all(1) + exponential(-z));
        return s + s * z * (all(1) - s);
    }
    return all(1);
}

// Dropout of one lane group: which elements stay depends on (key, image, channel, row, column) alone. One draw serves
// two neighbours in a row (or one channel): 16 bits each, so a rate is met to 1 in 65,536.
struct Dropout {
    int kind = KEEP;
    float scale = 1;  // of what stays, 1 / (1 - rate)
    uint32_t threshold = 0;
    Key key{0, 0};
    uint32_t first_image = 0;
    int c = 0, h = 0, w = 0;

    uint32_t halves() const { return (w + 1) / 2; }
    U row(int channel, int y) const {  // the counter of the row's first pair
        U image = (U)(__builtin_convertvector(lane_numbers(), I)) + first_image;
        return (image * uint32_t(c * h) + uint32_t(channel * h + y)) * halves();
    }
    V channel(int channel) const {  // the factor of a whole channel
        if (kind != CHANNELS) return all(kind == KEEP ? 1.0f : scale);
        U image = (U)(__builtin_convertvector(lane_numbers(), I)) + first_image;
        U bits = scramble(image * uint32_t(c) + uint32_t(channel), key);
        return (bits & 0xFFFF) >= threshold ? all(scale) : all(0);
    }
    // The factors of pixels 2 i and 2 i + 1 of a row.
    void pair(U counter, int i, V& left, V& right) const {
        U bits = scramble(counter + uint32_t(i), key);
        left = (bits & 0xFFFF) >= threshold ? all(scale) : all(0);
        right = (bits >> 16) >= threshold ? all(scale) : all(0);
    }
};

struct Affine {  // of one channel: (x - mean) * gain + shift
    float mean = 0, gain = 1, shift = 0;
};

template <int ACT, bool DRAWS>
void activate_row(const V* x, int w, Affine a, const Dropout& drop, V factor, U counter, V* to) {
    const V mean = all(a.mean), gain = all(a.gain), shift = all(a.shift);
    int i = 0;
    for (; i + 2 <= w; i += 2) {
        V left = factor, right = factor;
        if constexpr (DRAWS) drop.pair(counter, i / 2, left, right);
        to[i] = activate<ACT>((x[i] - mean) * gain + shift) * left;
        to[i + 1] = activate<ACT>((x[i + 1] - mean) * gain + shift) * right;
    }
    if (i < w) {
        V left = factor, right;
        if constexpr (DRAWS) drop.pair(counter, i / 2, left, right);
        to[i] = activate<ACT>((x[i] - mean) * gain + shift) * left;
    }
}

using ActivateRow = void (*)(const V*, int, Affine, const Dropout&, V, U, V*);

inline ActivateRow activate_row_for(int act, int drop) {
    static constexpr ActivateRow rows[3][2] = {{activate_row<NONE, false>, activate_row<NONE, true>},
                                               {activate_row<RELU, false>, activate_row<RELU, true>},
                                               {activate_row<SILU, false>, activate_row<SILU, true>}};
    return rows[act][drop == ELEMENTS];
}

// The largest of kernel x kernel and where it stood, the first where several are equal (as in PyTorch). K = 0: at run time.
template <int K>
void max_pool_row(const V* rows, size_t pitch, int kernel, int stride, int w, V* to, I* where) {
    const int side = K ? K : kernel;
    for (int x = 0; x < w; x++, rows += stride) {
        V most = rows[0];
        I place{};
        for (int ky = 0; ky < side; ky++)
            for (int kx = 0; kx < side; kx++) {
                V v = rows[ky * pitch + kx];
                I larger = (v > most) | (v != v);
                most = larger ? v : most;
                place = larger ? I{} + (ky * side + kx) : place;
            }
        to[x] = most;
        where[x] = place;
    }
}

struct Pool {
    int kernel = 1, stride = 1;
    bool apart() const { return stride >= kernel; }  // no pixel belongs to two windows
};

// norm + activation + dropout (+ max pool); `rows` holds kernel * in.w vectors, `where` the output's size.
inline void norm_act_pool(View in, View out, const Affine* norm, int act, const Dropout& drop, Pool pool, V* rows, I* where) {
    const ActivateRow activate = activate_row_for(act, drop.kind);
    for (int c = 0; c < in.c; c++) {
        const Affine a = norm ? norm[c] : Affine{};
        const V factor = drop.channel(c);
        if (pool.kernel == 1) {
            for (int y = 0; y < in.h; y++) activate(in.row(c, y), in.w, a, drop, factor, drop.row(c, y), out.row(c, y));
            continue;
        }
        for (int y = 0; y < out.h; y++) {
            for (int k = 0; k < pool.kernel; k++) {
                int from = y * pool.stride + k;
                activate(in.row(c, from), in.w, a, drop, factor, drop.row(c, from), rows + k * in.w);
            }
            (pool.kernel == 2 ? max_pool_row<2> : max_pool_row<0>)(rows, in.w, pool.kernel, pool.stride, out.w, out.row(c, y), where);
            where += out.w;
        }
    }
}

}  // namespace
