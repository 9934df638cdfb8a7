// The way back through norm, activation, dropout and pooling.
#pragma once
#include "norm_act_pool.hpp"

namespace {

struct Sums {  // of the gradient, of the gradient times (x - mean), and PReLU's weight's, by lane
    V gradient{}, product{}, weight{};
};

// The gradient before norm: that of `out` through dropout and activation, to `to` (or added to it).
template <int ACT, bool DRAWS>
void gradient_row(const V* g, const V* y, const V* x, int w, Affine a, const Dropout& drop, V factor, U counter, V* to,
                  bool add, Sums& sums) {
    const V mean = all(a.mean), gain = all(a.gain), shift = all(a.shift), weight = all(a.weight);
    Sums s[2];
    auto pixel = [&](int i, V keep, Sums& sum) {
        V centred = x[i] - mean, d;
        // What ReLU let through and dropout kept is what is above zero.
        if constexpr (ACT == RELU) d = y[i] > all(0) ? g[i] * keep : all(0);
        else d = g[i] * keep * derivative<ACT>(centred * gain + shift, weight);
        if constexpr (ACT == PRELU) {
            const V z = centred * gain + shift;
            sum.weight += z < all(0) ? g[i] * keep * z : all(0);
        }
        sum.gradient += d;
        sum.product += d * centred;
        to[i] = add ? to[i] + d : d;
    };
    for (int i = 0; i < w; i += 2) {
        V left = factor, right = factor;
        if constexpr (DRAWS && ACT != RELU) drop.pair(counter, i / 2, left, right);
        pixel(i, left, s[0]);
        if (i + 1 < w) pixel(i + 1, right, s[1]);
    }
    sums.gradient += s[0].gradient + s[1].gradient;
    sums.product += s[0].product + s[1].product;
    if constexpr (ACT == PRELU) sums.weight += s[0].weight + s[1].weight;
}

using GradientRow = void (*)(const V*, const V*, const V*, int, Affine, const Dropout&, V, U, V*, bool, Sums&);

template <int... ACT>
GradientRow gradient_row_of(int act, bool draws, std::integer_sequence<int, ACT...>) {
    static constexpr GradientRow rows[][2] = {{gradient_row<ACT, false>, gradient_row<ACT, true>}...};
    return rows[act][draws];
}

inline GradientRow gradient_row_for(int act, int drop) {
    return gradient_row_of(act, drop == ELEMENTS, std::make_integer_sequence<int, ACTIVATIONS>());
}

// The gradient that reached each maximum, before its activation: ReLU, or none with nothing dropped.
inline V at_maximum(V g, V y, V factor, bool relu) { return relu ? (y > all(0) ? g * factor : all(0)) : g * factor; }

// The same through a max pool without norm: to where the maxima stood, zero to the others (or added to all).
inline void unpool_row(const V* g, const V* y, const I* where, Pool pool, int w, V factor, bool relu, V* to, size_t pitch, bool add) {
    for (int i = 0; i < w; i++, to += pool.stride) {
        const V d = at_maximum(g[i], y[i], factor, relu);
        for (int ky = 0, k = 0; ky < pool.kernel; ky++)
            for (int kx = 0; kx < pool.kernel; kx++, k++) {
                V share = where[i] == I{} + k ? d : all(0);
                to[ky * pitch + kx] = add ? to[ky * pitch + kx] + share : share;
            }
    }
}

// The sums that norm needs of it; kernel and stride are equal. K = 0: the kernel at run time.
template <int K>
void pooled_sums(const V* g, const V* y, const I* where, const V* x, size_t pitch, int kernel, int w, V mean, V factor, bool relu,
                 Sums& sums) {
    const int side = K ? K : kernel;
    for (int i = 0; i < w; i++, x += side) {
        const V d = at_maximum(g[i], y[i], factor, relu);
        V chosen = x[0];
        for (int k = 0; k < side * side; k++) fetch(x + k / side * pitch + k % side);
        for (int ky = 0; ky < side; ky++)
            for (int kx = 0; kx < side; kx++) chosen = where[i] == I{} + (ky * side + kx) ? x[ky * pitch + kx] : chosen;
        sums.gradient += d;
        sums.product += d * (chosen - mean);
    }
}

inline void clear(View v) {
    for (int c = 0; c < v.c; c++)
        for (int y = 0; y < v.h; y++) std::memset(static_cast<void*>(v.row(c, y)), 0, sizeof(V) * v.w);
}

// Whether the windows leave rows or columns of the input untouched, or touch some twice.
inline bool tiles_exactly(View in, View out, Pool pool) {
    return pool.stride == pool.kernel && out.h * pool.stride == in.h && out.w * pool.stride == in.w;
}

// Backward of `norm_act_pool` up to the norm; `sums` gets one entry a channel where there is one. An output without
// memory is computed again, a row at a time, in `row_of_out`.
inline void norm_act_back(View gradient, View out, View in, View to, const Affine* norm, int act, const Dropout& drop, bool add,
                          Sums* sums, V* row_of_out = nullptr) {
    const GradientRow row = gradient_row_for(act, drop.kind);
    const ActivateRow activate = activate_row_for(act, drop.kind);
    for (int c = 0; c < in.c; c++) {
        const Affine a = norm ? norm[c] : Affine{};
        const V factor = drop.kind == ELEMENTS ? all(drop.scale) : drop.channel(c);
        Sums s;
        for (int y = 0; y < in.h; y++) {
            const V* seen = row_of_out ? row_of_out : out.row(c, y);
            if (row_of_out) activate(in.row(c, y), in.w, a, drop, drop.channel(c), drop.row(c, y), row_of_out);
            row(gradient.row(c, y), seen, in.row(c, y), in.w, a, drop, factor, drop.row(c, y), to.row(c, y), add, s);
        }
        if (sums) sums[c] = s;
    }
}

inline void backward_pool(View gradient, View out, View to, int act, const Dropout& drop, Pool pool, const I* where, bool add) {
    const bool onto = add || !pool.apart();
    if (!add && !tiles_exactly(to, out, pool)) clear(to);
    for (int c = 0; c < out.c; c++) {
        const V factor = drop.kind == ELEMENTS ? all(drop.scale) : drop.channel(c);
        for (int y = 0; y < out.h; y++, where += out.w)
            unpool_row(gradient.row(c, y), out.row(c, y), where, pool, out.w, factor, act == RELU, to.row(c, y * pool.stride), to.pitch,
                       onto);
    }
}

inline void backward_pooled_sums(View gradient, View out, View in, const Affine* norm, int act, const Dropout& drop, int kernel,
                                 const I* where, Sums* sums) {
    for (int c = 0; c < in.c; c++) {
        const V factor = drop.kind == ELEMENTS ? all(drop.scale) : drop.channel(c);
        sums[c] = {};
        for (int y = 0; y < out.h; y++, where += out.w)
            (kernel == 2 ? pooled_sums<2> : pooled_sums<0>)(gradient.row(c, y), out.row(c, y), where, in.row(c, y * kernel), in.pitch,
                                                            kernel, out.w, all(norm[c].mean), factor, act == RELU, sums[c]);
    }
}

struct Line {  // of one channel: gradient * by_gradient + (x - mean) * by_input + constant
    float mean, by_gradient, by_input, constant;
};

// Through the norm: from the gradient before it to that of its input; lanes that hold no image get none.
struct NormBack {
    V mean, by_gradient, by_input, constant;
    NormBack(Line l, V mask)
        : mean(all(l.mean)), by_gradient(all(l.by_gradient) * mask), by_input(all(l.by_input) * mask), constant(all(l.constant) * mask) {}
    V of(V g, V x) const { return g * by_gradient + of(x); }
    V of(V x) const { return (x - mean) * by_input + constant; }
};

inline void backward_norm(View gradient, View in, View to, const Line* lines, V mask, bool add) {
    for (int c = 0; c < in.c; c++) {
        const NormBack back(lines[c], mask);
        for (int y = 0; y < in.h; y++) {
            const V *g = gradient.row(c, y), *x = in.row(c, y);
            V* t = to.row(c, y);
            if (add) for (int i = 0; i < in.w; i++) t[i] += back.of(g[i], x[i]);
            else for (int i = 0; i < in.w; i++) t[i] = back.of(g[i], x[i]);
        }
    }
}

template <int K>
void pooled_norm_row(const V* g, const V* y, const I* where, const V* x, size_t pitch, int kernel, int w, const NormBack& back, V factor,
                     bool relu, V* to, size_t to_pitch, bool add) {
    const int side = K ? K : kernel;
    for (int i = 0; i < w; i++, x += side, to += side) {
        const V d = at_maximum(g[i], y[i], factor, relu) * back.by_gradient;
        for (int ky = 0; ky < side; ky++)
            for (int kx = 0; kx < side; kx++) {
                fetch(x + ky * pitch + kx);
                V v = back.of(x[ky * pitch + kx]) + (where[i] == I{} + (ky * side + kx) ? d : all(0));
                to[ky * to_pitch + kx] = add ? to[ky * to_pitch + kx] + v : v;
            }
    }
}

// The same where a max pool follows the norm: its gradient is never spread over the pixels before.
inline void backward_pooled_norm(View gradient, View out, View in, View to, const Line* lines, V mask, int act, const Dropout& drop,
                                 int kernel, const I* where, bool add) {
    for (int c = 0; c < in.c; c++) {
        const NormBack back(lines[c], mask);
        const V factor = drop.kind == ELEMENTS ? all(drop.scale) : drop.channel(c);
        for (int y = 0; y < out.h; y++, where += out.w)
            (kernel == 2 ? pooled_norm_row<2> : pooled_norm_row<0>)(gradient.row(c, y), out.row(c, y), where, in.row(c, y * kernel),
                                                                    in.pitch, kernel, out.w, back, factor, act == RELU,
                                                                    to.row(c, y * kernel), to.pitch, add);
        for (int y = 0; y < in.h; y++)  // what no window reaches
            for (int x = y < out.h * kernel ? out.w * kernel : 0; x < in.w; x++) {
                V v = back.of(in.row(c, y)[x]);
                to.row(c, y)[x] = add ? to.row(c, y)[x] + v : v;
            }
    }
}

struct Moments {  // of one channel over one lane group: mean, and the sum of squared distances from it
    double mean, squares;
};

// In one sweep; each lane measures from its own first pixel, so that a large mean costs no digits.
inline void moments(View in, int valid, Moments* to) {
    const double n = double(in.h) * in.w;
    for (int c = 0; c < in.c; c++) {
        const V first = *in.row(c, 0);
        V s[4] = {}, q[4] = {};
        for (int y = 0; y < in.h; y++) {
            const V* x = in.row(c, y);
            int i = 0;
            for (; i + 4 <= in.w; i += 4)
                UNROLL for (int k = 0; k < 4; k++) {
                    V d = x[i + k] - first;
                    s[k] += d;
                    q[k] += d * d;
                }
            for (; i < in.w; i++) {
                V d = x[i] - first;
                s[0] += d;
                q[0] += d * d;
            }
        }
        const V sum = (s[0] + s[1]) + (s[2] + s[3]), square = (q[0] + q[1]) + (q[2] + q[3]);
        double mean = 0, squares = 0;
        for (int l = 0; l < valid; l++) mean += first[l] + sum[l] / n;
        mean /= valid;
        for (int l = 0; l < valid; l++) {
            double distance = first[l] + sum[l] / n - mean;
            squares += square[l] - double(sum[l]) * sum[l] / n + n * distance * distance;
        }
        to[c] = {mean, squares};
    }
}

struct Window {  // of an average: pixels down and across
    int h, w, down, across;
    bool apart() const { return down >= h && across >= w; }  // no pixel belongs to two windows
    bool tiles(View in, View out) const { return down == h && across == w && out.h * h == in.h && out.w * w == in.w; }
};

inline void average_pool(View in, View out, Window window) {
    const V share = all(1.0f / float(window.h * window.w));
    for (int c = 0; c < out.c; c++)
        for (int y = 0; y < out.h; y++)
            for (int x = 0; x < out.w; x++) {
                V sum{};
                for (int ky = 0; ky < window.h; ky++) {
                    const V* row = in.row(c, y * window.down + ky) + x * window.across;
                    for (int kx = 0; kx < window.w; kx++) sum += row[kx];
                }
                out.row(c, y)[x] = sum * share;
            }
}

inline void average_pool_back(View gradient, View to, Window window, bool add) {
    const V share = all(1.0f / float(window.h * window.w));
    if (!add && !window.tiles(to, gradient)) clear(to);
    const bool onto = add || !window.apart();
    for (int c = 0; c < gradient.c; c++)
        for (int y = 0; y < gradient.h; y++)
            for (int x = 0; x < gradient.w; x++) {
                V d = gradient.row(c, y)[x] * share;
                for (int ky = 0; ky < window.h; ky++) {
                    V* row = to.row(c, y * window.down + ky) + x * window.across;
                    for (int kx = 0; kx < window.w; kx++) row[kx] = onto ? row[kx] + d : d;
                }
            }
}

// to = a (+ b), or to += a; the two may count their pixels as rows or, after Flatten, as channels.
inline void copy(View a, View to, bool add) {
    const V* from = nullptr;
    int c = 0, y = 0, x = 0;
    from = a.row(0, 0);
    for (int tc = 0; tc < to.c; tc++)
        for (int ty = 0; ty < to.h; ty++) {
            V* t = to.row(tc, ty);
            for (int tx = 0; tx < to.w; tx++) {
                t[tx] = add ? t[tx] + from[x] : from[x];
                if (++x == a.w) {
                    x = 0;
                    if (++y == a.h) y = 0, c++;
                    if (c < a.c) from = a.row(c, y);
                }
            }
        }
}

// to = in * gate, where the gate is as large as `in` or one number a channel.
inline void scale(View in, View gate, View to) {
    const bool one = gate.h * gate.w == 1;
    for (int c = 0; c < in.c; c++)
        for (int y = 0; y < in.h; y++) {
            const V *x = in.row(c, y), *factor = gate.row(c, one ? 0 : y);
            V* t = to.row(c, y);
            for (int i = 0; i < in.w; i++) t[i] = x[i] * factor[one ? 0 : i];
        }
}

// The gradient of the gate: that of the product times what it multiplied, summed over pixels where the gate has one.
inline void scale_back_gate(View gradient, View in, View to, bool add) {
    const bool one = to.h * to.w == 1;
    for (int c = 0; c < in.c; c++) {
        V sum{};
        for (int y = 0; y < in.h; y++) {
            const V *g = gradient.row(c, y), *x = in.row(c, y);
            V* t = to.row(c, one ? 0 : y);
            for (int i = 0; i < in.w; i++) {
                const V d = g[i] * x[i];
                if (one) sum += d;
                else t[i] = add ? t[i] + d : d;
            }
        }
        if (one) *to.row(c, 0) = add ? *to.row(c, 0) + sum : sum;
    }
}

inline void scale_back_input(View gradient, View gate, View to, bool add) {
    const bool one = gate.h * gate.w == 1;
    for (int c = 0; c < to.c; c++)
        for (int y = 0; y < to.h; y++) {
            const V *g = gradient.row(c, y), *factor = gate.row(c, one ? 0 : y);
            V* t = to.row(c, y);
            for (int i = 0; i < to.w; i++) {
                const V d = g[i] * factor[one ? 0 : i];
                t[i] = add ? t[i] + d : d;
            }
        }
}

// Sum over pixels and lanes of each channel.
inline void channel_sums(View in, float* to) {
    for (int c = 0; c < in.c; c++) {
        V sum{};
        for (int y = 0; y < in.h; y++)
            for (int x = 0; x < in.w; x++) sum += in.row(c, y)[x];
        to[c] = sum_of_lanes(sum);
    }
}

// `valid` images [C h w] into lanes, without `crop` pixels at each side; the lanes left over get zeros.
inline void pack_images(const float* images, int h, int w, int crop, int valid, View to) {
    const size_t size = size_t(to.c) * h * w;
    for (int c = 0; c < to.c; c++)
        for (int y = 0; y < to.h; y++) {
            const float* from = images + (size_t(c) * h + y + crop) * w + crop;
            V* t = to.row(c, y);
            for (int x = 0; x < to.w; x++) {
                float lanes[LANES] = {};
                for (int l = 0; l < valid; l++) lanes[l] = from[l * size + x];
                std::memcpy(static_cast<void*>(t + x), lanes, sizeof lanes);
            }
        }
}

}  // namespace
