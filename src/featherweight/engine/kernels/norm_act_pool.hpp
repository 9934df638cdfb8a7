// What happens between convolutions, one lane group and one sweep at a time: norm, activation, dropout, pooling.
#pragma once
#include <cmath>
#include <utility>

#include "lanes.hpp"

namespace {

enum Activation { NONE = 0, RELU = 1, SILU = 2, RELU6 = 3, HARD_SWISH = 4, PRELU = 5, SIGMOID = 6, HARD_SIGMOID = 7, GELU = 8 };
constexpr int ACTIVATIONS = 9;
enum Drop { KEEP = 0, ELEMENTS = 1, CHANNELS = 2 };

// Comparisons below are written so that NaN falls through: a broken step shows in its loss.
inline V zero_to_six(V z) {
    z = z < all(0) ? all(0) : z;
    return z > all(6) ? all(6) : z;
}

// GELU's tanh form is z * sigmoid of this: 0.5 (1 + tanh u) is the sigmoid of 2 u, with u = sqrt(2 / pi) (z + 0.044715 z^3).
inline V gelu_share(V z) { return all(1) / (all(1) + exponential(-z * (all(1.5957691216f) + all(0.0713548163f) * z * z))); }

// `weight` is what PReLU multiplies with below zero.
template <int ACT>
inline V activate(V z, V weight) {
    if constexpr (ACT == RELU) return z < all(0) ? all(0) : z;
    if constexpr (ACT == SILU) return z / (all(1) + exponential(-z));
    if constexpr (ACT == RELU6) return zero_to_six(z);
    if constexpr (ACT == HARD_SWISH) return z * zero_to_six(z + all(3)) * all(1 / 6.0f);
    if constexpr (ACT == PRELU) return z < all(0) ? z * weight : z;
    if constexpr (ACT == SIGMOID) return all(1) / (all(1) + exponential(-z));
    if constexpr (ACT == HARD_SIGMOID) return zero_to_six(z + all(3)) * all(1 / 6.0f);
    if constexpr (ACT == GELU) return z * gelu_share(z);
    return z;
}

template <int ACT>
inline V derivative(V z, V weight) {
    if constexpr (ACT == RELU) return z > all(0) ? all(1) : all(0);
    if constexpr (ACT == SILU) {
        V s = all(1) / (all(1) + exponential(-z));
        return s + s * z * (all(1) - s);
    }
    if constexpr (ACT == RELU6) return (z > all(0)) & (z < all(6)) ? all(1) : all(0);
    if constexpr (ACT == HARD_SWISH) {
        V inner = z * all(1 / 3.0f) + all(0.5f);
        inner = z > all(-3) ? inner : all(0);
        return z < all(3) ? inner : all(1);
    }
    if constexpr (ACT == PRELU) return z > all(0) ? all(1) : weight;
    if constexpr (ACT == SIGMOID) {
        V s = all(1) / (all(1) + exponential(-z));
        return s * (all(1) - s);
    }
    if constexpr (ACT == HARD_SIGMOID) return (z > all(-3)) & (z < all(3)) ? all(1 / 6.0f) : all(0);
    if constexpr (ACT == GELU) {
        V s = gelu_share(z);
        return s + z * s * (all(1) - s) * (all(1.5957691216f) + all(0.2140644490f) * z * z);
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

struct Affine {  // of one channel: (x - mean) * gain + shift, and PReLU's weight
    float mean = 0, gain = 1, shift = 0, weight = 0;
};

template <int ACT, bool DRAWS>
void activate_row(const V* x, int w, Affine a, const Dropout& drop, V factor, U counter, V* to) {
    const V mean = all(a.mean), gain = all(a.gain), shift = all(a.shift), weight = all(a.weight);
    int i = 0;
    for (; i + 2 <= w; i += 2) {
        V left = factor, right = factor;
        if constexpr (DRAWS) drop.pair(counter, i / 2, left, right);
        to[i] = activate<ACT>((x[i] - mean) * gain + shift, weight) * left;
        to[i + 1] = activate<ACT>((x[i + 1] - mean) * gain + shift, weight) * right;
    }
    if (i < w) {
        V left = factor, right;
        if constexpr (DRAWS) drop.pair(counter, i / 2, left, right);
        to[i] = activate<ACT>((x[i] - mean) * gain + shift, weight) * left;
    }
}

using ActivateRow = void (*)(const V*, int, Affine, const Dropout&, V, U, V*);

template <int... ACT>
ActivateRow activate_row_of(int act, bool draws, std::integer_sequence<int, ACT...>) {
    static constexpr ActivateRow rows[][2] = {{activate_row<ACT, false>, activate_row<ACT, true>}...};
    return rows[act][draws];
}

inline ActivateRow activate_row_for(int act, int drop) {
    return activate_row_of(act, drop == ELEMENTS, std::make_integer_sequence<int, ACTIVATIONS>());
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

// norm + activation + dropout, and `other` added.
inline void norm_act_sum(View in, View other, View out, const Affine* norm, int act, const Dropout& drop) {
    const ActivateRow activate = activate_row_for(act, drop.kind);
    for (int c = 0; c < in.c; c++)
        for (int y = 0; y < in.h; y++) {
            const V* more = other.row(c, y);
            V* to = out.row(c, y);
            activate(in.row(c, y), in.w, norm[c], drop, drop.channel(c), drop.row(c, y), to);
            for (int i = 0; i < in.w; i++) to[i] += more[i];
        }
}

}  // namespace
