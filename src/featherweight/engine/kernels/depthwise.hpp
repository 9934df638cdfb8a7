// 3x3 convolutions of one channel each, stride 1: the nine weights stay in registers over a whole plane, and two rows of
// outputs share the rows they both read. Each output's products are added in the order of conv.hpp's.
#pragma once
#include <utility>
#include <vector>

#include "lanes.hpp"

namespace {

constexpr int DEPTHWISE_PIXELS = FW_REGISTERS >= 32 ? 6 : 2;  // of a row at once: 2 x 6 sums, 9 weights and 8 inputs in registers

// RB rows of PB outputs. Rows above and below the image are the border's zeros.
template <int PB, int RB>
void depthwise_tile(const V* in, size_t pitch, const V* weights, V start, bool add, V* out, size_t out_pitch) {
    V sum[RB][PB];
    UNROLL for (int r = 0; r < RB; r++)
        UNROLL for (int p = 0; p < PB; p++) sum[r][p] = add ? out[r * out_pitch + p] : start;
    UNROLL for (int row = 0; row < RB + 2; row++) {
        V x[PB + 2];
        UNROLL for (int p = 0; p < PB + 2; p++) x[p] = in[row * pitch + p];
        UNROLL for (int r = 0; r < RB; r++)
            if (row - r >= 0 && row - r < 3)
                UNROLL for (int kx = 0; kx < 3; kx++)
                    UNROLL for (int p = 0; p < PB; p++) sum[r][p] += weights[(row - r) * 3 + kx] * x[p + kx];
    }
    UNROLL for (int r = 0; r < RB; r++)
        UNROLL for (int p = 0; p < PB; p++) out[r * out_pitch + p] = sum[r][p];
}

// PB columns of a plane, from its first row to its last.
template <int PB>
void depthwise_columns(const V* in, size_t pitch, const float* w, V start, bool add, V* out, size_t out_pitch, int h) {
    V weights[9];
    UNROLL for (int k = 0; k < 9; k++) weights[k] = all(w[k]);
    int y = 0;
    for (; y + 2 <= h; y += 2) depthwise_tile<PB, 2>(in + y * pitch, pitch, weights, start, add, out + y * out_pitch, out_pitch);
    if (y < h) depthwise_tile<PB, 1>(in + y * pitch, pitch, weights, start, add, out + y * out_pitch, out_pitch);
}

using DepthwiseColumns = void (*)(const V*, size_t, const float*, V, bool, V*, size_t, int);

template <int... PB>
DepthwiseColumns depthwise_columns_of(int pixels, std::integer_sequence<int, PB...>) {
    static constexpr DepthwiseColumns columns[] = {depthwise_columns<PB + 1>...};
    return columns[pixels - 1];
}

// out = each channel of `in` by its own nine weights (+ bias, or + out); `in` has a border of `pad`, 0 to 2.
inline void depthwise(View in, View out, const float* weights, const std::vector<int>& runs, int pad, const float* bias, bool add) {
    for (int c = 0; c < out.c; c++) {
        const V start = bias ? all(bias[c]) : V{};
        for (size_t r = 0, x = 0; r < runs.size(); x += runs[r++])
            depthwise_columns_of(runs[r], std::make_integer_sequence<int, DEPTHWISE_PIXELS>())(
                in.row(c, -pad) - pad + x, in.pitch, weights + 9 * c, start, add, out.row(c, 0) + x, out.pitch, out.h);
    }
}

// to[c][3][3]: sums over pixels and lanes of out * in, pixel after pixel as in weights.hpp; two pixels share the columns
// that they both read.
inline void depthwise_gradient(View in, View out, int pad, float* to) {
    for (int c = 0; c < out.c; c++, to += 9) {
        V sum[9] = {};
        for (int y = 0; y < out.h; y++) {
            const V *row = in.row(c, y - pad) - pad, *d = out.row(c, y);
            int x = 0;
            for (; x + 2 <= out.w; x += 2) {
                const V first = d[x], second = d[x + 1];
                UNROLL for (int ky = 0; ky < 3; ky++) {
                    const V* at = row + ky * in.pitch + x;
                    const V v[4] = {at[0], at[1], at[2], at[3]};
                    UNROLL for (int kx = 0; kx < 3; kx++) sum[ky * 3 + kx] += first * v[kx];
                    UNROLL for (int kx = 0; kx < 3; kx++) sum[ky * 3 + kx] += second * v[kx + 1];
                }
            }
            if (x < out.w)
                UNROLL for (int k = 0; k < 9; k++) sum[k] += d[x] * row[k / 3 * in.pitch + x + k % 3];
        }
        for (int k = 0; k < 9; k++) to[k] = sum_of_lanes(sum[k]);
    }
}

}  // namespace
