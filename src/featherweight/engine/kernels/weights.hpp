// Gradients of convolution weights: sums over one lane group, reduced over its lanes at the end.
#pragma once
#include <utility>

#include "depthwise.hpp"

namespace {

struct Pair {  // an input and the gradient of an output, at the tile's first channel of each
    const V *in, *out;
    size_t in_plane, in_pitch, out_plane, out_pitch;
    int h, w, stride;  // of the output
};

// to[o][c][ky][kx] = sum over y, x, lanes of out[o][y][x] * in[c][y * stride + ky][x * stride + kx], for OB outputs,
// CB inputs and KY rows of K taps at once. `outs` and `ins` are how far apart `to` keeps outputs and inputs.
template <int OB, int CB, int KY, int K, int S>
void weight_tile(Pair a, float* to, size_t outs, size_t ins) {
    V sum[OB][CB][KY][K] = {};
    const int stride = S ? S : a.stride;
    for (int y = 0; y < a.h; y++) {
        const V* in = a.in + size_t(y) * stride * a.in_pitch;
        const V* out = a.out + y * a.out_pitch;
        for (int x = 0; x < a.w; x++, in += stride, out++) {
            V d[OB];
            UNROLL for (int o = 0; o < OB; o++) d[o] = out[o * a.out_plane];
            UNROLL for (int c = 0; c < CB; c++)
                UNROLL for (int ky = 0; ky < KY; ky++)
                    UNROLL for (int kx = 0; kx < K; kx++) {
                        V v = in[c * a.in_plane + ky * a.in_pitch + kx];
                        UNROLL for (int o = 0; o < OB; o++) sum[o][c][ky][kx] += d[o] * v;
                    }
        }
    }
    for (int o = 0; o < OB; o++)
        for (int c = 0; c < CB; c++)
            for (int k = 0; k < KY * K; k++) to[o * outs + c * ins + k] = sum_of_lanes(sum[o][c][k / K][k % K]);
}

using WeightTile = void (*)(Pair, float*, size_t, size_t);

struct WeightTiles {  // how a kernel is cut up
    int outputs, inputs, rows, columns;
    WeightTile tile[4][4];  // [outputs - 1][inputs - 1]
};

template <int KY, int K, int S>
WeightTiles by_outputs(int most) {
    return {most, 1, KY, K,
            {{weight_tile<1, 1, KY, K, S>}, {weight_tile<2, 1, KY, K, S>}, {weight_tile<3, 1, KY, K, S>},
             {weight_tile<4, 1, KY, K, S>}}};
}

template <int S>
WeightTiles by_both() {
#define ROW(O) {weight_tile<O, 1, 1, 1, S>, weight_tile<O, 2, 1, 1, S>, weight_tile<O, 3, 1, 1, S>, weight_tile<O, 4, 1, 1, S>}
    return {4, FW_REGISTERS >= 32 ? 4 : 2, 1, 1, {ROW(1), ROW(2), ROW(3), ROW(4)}};
#undef ROW
}

inline WeightTiles weight_tiles_for(int kernel, int stride, int dilation) {
    if (dilation > 1) return stride == 1 ? by_both<1>() : by_both<0>();
#if FW_REGISTERS >= 32
    if (kernel == 3) return stride == 1 ? by_outputs<3, 3, 1>(3) : by_outputs<3, 3, 2>(3);
    if (kernel == 5) return stride == 1 ? by_outputs<1, 5, 1>(4) : by_outputs<1, 5, 2>(4);
    if (kernel == 7) return stride == 1 ? by_outputs<1, 7, 1>(3) : by_outputs<1, 7, 2>(3);
#else
    if (kernel == 3) return stride == 1 ? by_outputs<1, 3, 1>(3) : by_outputs<1, 3, 2>(3);
    if (kernel == 5) return stride == 1 ? by_outputs<1, 5, 1>(2) : by_outputs<1, 5, 2>(2);
    if (kernel == 7) return stride == 1 ? by_outputs<1, 7, 1>(1) : by_outputs<1, 7, 2>(1);
#endif
    return stride == 1 ? by_both<1>() : by_both<0>();
}

// to[groups * outputs][inputs][k][k]: the weights' gradient over one lane group; `in` has a border of `pad`.
inline void weight_gradient(View in, View out, int groups, int kernel, int stride, int pad, int dilation, float* to) {
    const int inputs = in.c / groups, outputs = out.c / groups, taps = kernel * kernel;
    if (groups > 1 && inputs == 1 && outputs == 1 && kernel == 3 && stride == 1 && dilation == 1)
        return depthwise_gradient(in, out, pad, to);
    const WeightTiles tiles = weight_tiles_for(kernel, stride, dilation);
    for (int g = 0; g < groups; g++)
        for (int o = 0, ob; o < outputs; o += ob) {
            ob = std::min(tiles.outputs, outputs - o);
            for (int c = 0, cb; c < inputs; c += cb) {
                cb = std::min(tiles.inputs, inputs - c);
                for (int ky = 0; ky < kernel; ky += tiles.rows)
                    for (int kx = 0; kx < kernel; kx += tiles.columns) {
                        Pair a{in.row(g * inputs + c, ky * dilation - pad) + kx * dilation - pad, out.row(g * outputs + o, 0),
                               in.plane, in.pitch, out.plane, out.pitch, out.h, out.w, stride};
                        float* w = to + (size_t(g * outputs + o) * inputs + c) * taps + ky * kernel + kx;
                        tiles.tile[ob - 1][cb - 1](a, w, size_t(inputs) * taps, taps);
                    }
            }
        }
}

// The same for one tap, in strips of rows: `carry` keeps the sums of the strips before, [o][c].
template <int OB, int CB>
void pointwise_tile(Pair a, V* carry, size_t carried, bool first, bool last, float* to, size_t outs) {
    V sum[OB][CB];
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int c = 0; c < CB; c++) sum[o][c] = first ? V{} : carry[o * carried + c];
    for (int y = 0; y < a.h; y++) {
        const V *in = a.in + size_t(y) * a.in_pitch, *out = a.out + y * a.out_pitch;
        for (int x = 0; x < a.w; x++, in++, out++) {
            V d[OB];
            UNROLL for (int o = 0; o < OB; o++) d[o] = out[o * a.out_plane];
            UNROLL for (int c = 0; c < CB; c++) {
                const V v = in[c * a.in_plane];
                UNROLL for (int o = 0; o < OB; o++) sum[o][c] += d[o] * v;
            }
        }
    }
    for (int o = 0; o < OB; o++)
        for (int c = 0; c < CB; c++)
            if (last) to[o * outs + c] = sum_of_lanes(sum[o][c]);
            else carry[o * carried + c] = sum[o][c];
}

using PointwiseTile = void (*)(Pair, V*, size_t, bool, bool, float*, size_t);

// 4 x 6 sums and 10 operands fill 32 registers; with 16, 2 x 4 sums.
constexpr int POINTWISE_OUTPUTS = FW_REGISTERS >= 32 ? 4 : 2, POINTWISE_INPUTS = FW_REGISTERS >= 32 ? 6 : 4;

template <int OB, int... CB>
PointwiseTile pointwise_tile_of(int inputs, std::integer_sequence<int, CB...>) {
    static constexpr PointwiseTile tiles[] = {pointwise_tile<OB, CB + 1>...};
    return tiles[inputs - 1];
}

inline PointwiseTile pointwise_tile_for(int outputs, int inputs) {
    constexpr auto counts = std::make_integer_sequence<int, POINTWISE_INPUTS>();
    switch (outputs) {
        case 1: return pointwise_tile_of<1>(inputs, counts);
        case 2: return pointwise_tile_of<2>(inputs, counts);
        case 3: return pointwise_tile_of<3>(inputs, counts);
        default: return pointwise_tile_of<4>(inputs, counts);
    }
}

// Weight gradients of 1x1 convolutions, stride 1. A strip of rows of all channels stays in the second cache while every
// pair of channels goes over it; of small tensors the whole is one strip.
struct PointwiseGradient {
    int inputs, outputs, strip;
    bool whole;
    PointwiseGradient(View in, View out) : inputs(in.c), outputs(out.c) {
        const size_t row = (in.c * in.pitch + out.c * out.pitch) * sizeof(V);
        strip = std::max(1, std::min(out.h, int(size_t(512 << 10) / row)));
        whole = strip >= out.h;
    }
    static size_t room(int inputs, int outputs) { return size_t(inputs) * outputs; }

    void run(View in, View out, float* to, V* carry) const {
        for (int y = 0; y < out.h; y += strip)
            for (int c = 0; c < inputs; c += POINTWISE_INPUTS)
                for (int o = 0; o < outputs; o += POINTWISE_OUTPUTS) {
                    const int ob = std::min(POINTWISE_OUTPUTS, outputs - o), cb = std::min(POINTWISE_INPUTS, inputs - c);
                    const int rows = std::min(strip, out.h - y);
                    const Pair a{in.row(c, y), out.row(o, y), in.plane, in.pitch, out.plane, out.pitch, rows, out.w, 1};
                    const size_t at = size_t(o) * inputs + c;
                    pointwise_tile_for(ob, cb)(a, carry + at, inputs, y == 0, y + rows == out.h, to + at, inputs);
                }
    }
};

template <int OB>
void linear_rows(const V* const* out, const float* images, size_t pitch, float* to) {
    for (size_t i = 0; i < pitch; i += LANES) {
        V sum[OB] = {};
        for (int l = 0; l < LANES; l++) {
            V x = *reinterpret_cast<const V*>(images + l * pitch + i);
            UNROLL for (int o = 0; o < OB; o++) sum[o] += all((*out[o])[l]) * x;
        }
        for (int o = 0; o < OB; o++) *reinterpret_cast<V*>(to + o * pitch + i) = sum[o];
    }
}

// The same where an image is one pixel: to[outputs][pitch]. There, summing over lanes would cost more than the products;
// with images as rows (`scratch`, LANES * pitch floats) nothing has to be summed over lanes.
inline void linear_gradient(View in, View out, size_t pitch, float* scratch, float* to) {
    for (int c = 0; c < in.c; c++) {
        V v = *in.row(c, 0);
        for (int l = 0; l < LANES; l++) scratch[l * pitch + c] = v[l];
    }
    for (size_t c = in.c; c < pitch; c++)
        for (int l = 0; l < LANES; l++) scratch[l * pitch + c] = 0;
    int o = 0;
    for (; o + 4 <= out.c; o += 4) {
        const V* rows[4] = {out.row(o, 0), out.row(o + 1, 0), out.row(o + 2, 0), out.row(o + 3, 0)};
        linear_rows<4>(rows, scratch, pitch, to + o * pitch);
    }
    for (; o < out.c; o++) {
        const V* row = out.row(o, 0);
        linear_rows<1>(&row, scratch, pitch, to + o * pitch);
    }
}

}  // namespace
