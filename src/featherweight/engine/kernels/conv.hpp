// Direct convolution, forward and to its input: a block of outputs times a run of pixels stays in registers.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "bf16.hpp"
#include "depthwise.hpp"
#include "lanes.hpp"
#include "winograd.hpp"

namespace {

// Registers set the tile: outputs * pixels sums, pixels + kernel - 1 inputs and a weight must fit.
constexpr int MOST_OUTPUTS = 4;
constexpr int most_pixels(int outputs) {
#if FW_REGISTERS >= 32
    return outputs >= 4 ? 5 : outputs == 3 ? 6 : 8;
#else
    return outputs >= 4 ? 2 : outputs == 3 ? 3 : outputs == 2 ? 4 : 6;
#endif
}

struct Taps {  // what a tile needs to know of its input
    size_t plane, pitch;
    int channels, kernel, stride, dilation, first_row, last_row;  // rows of the kernel that lie inside the image
};

// out[o][p] = start + sum over c, ky, kx of w[c][ky][kx][o] * in[c][ky][p * stride + kx]. K = 0: kernel, stride, dilation at run time.
template <int OB, int PB, int K, int S>
void conv_tile(const V* in, Taps t, const float* w, V* out, size_t out_plane, const float* bias, bool add) {
    V sum[OB][PB];
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int p = 0; p < PB; p++)
            sum[o][p] = add ? out[o * out_plane + p] : bias ? all(bias[o]) : V{};
    const int kernel = K ? K : t.kernel, stride = K ? S : t.stride;
    for (int c = 0; c < t.channels; c++, in += t.plane, w += kernel * kernel * OB) {
        for (int ky = t.first_row; ky < t.last_row; ky++) {
            const V* row = in + (K ? ky : ky * t.dilation) * t.pitch;
            const float* wr = w + ky * kernel * OB;
            if constexpr (K > 0) {
                V x[(PB - 1) * S + K];
                UNROLL for (int p = 0; p < (PB - 1) * S + K; p++) x[p] = row[p];
                UNROLL for (int kx = 0; kx < K; kx++)
                    UNROLL for (int o = 0; o < OB; o++) {
                        V weight = all(wr[kx * OB + o]);
                        UNROLL for (int p = 0; p < PB; p++) sum[o][p] += weight * x[p * S + kx];
                    }
            } else {
                for (int kx = 0; kx < kernel; kx++)
                    UNROLL for (int p = 0; p < PB; p++) {
                        V x = row[p * stride + kx * t.dilation];
                        UNROLL for (int o = 0; o < OB; o++) sum[o][p] += all(wr[kx * OB + o]) * x;
                    }
            }
        }
    }
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int p = 0; p < PB; p++) out[o * out_plane + p] = sum[o][p];
}

using ConvTile = void (*)(const V*, Taps, const float*, V*, size_t, const float*, bool);

template <int K, int S, int OB, int... PB>
ConvTile tile_of_pixels(int pixels, std::integer_sequence<int, PB...>) {
    static constexpr ConvTile tiles[] = {conv_tile<OB, PB + 1, K, S>...};
    return tiles[pixels - 1];
}

template <int K, int S>
ConvTile tile_of(int outputs, int pixels) {
    switch (outputs) {
        case 1: return tile_of_pixels<K, S, 1>(pixels, std::make_integer_sequence<int, most_pixels(1)>());
        case 2: return tile_of_pixels<K, S, 2>(pixels, std::make_integer_sequence<int, most_pixels(2)>());
        case 3: return tile_of_pixels<K, S, 3>(pixels, std::make_integer_sequence<int, most_pixels(3)>());
        default: return tile_of_pixels<K, S, 4>(pixels, std::make_integer_sequence<int, most_pixels(4)>());
    }
}

inline ConvTile conv_tile_for(int kernel, int stride, int dilation, int outputs, int pixels) {
    if (dilation > 1) return tile_of<0, 0>(outputs, pixels);
    if (stride == 1 && kernel == 1) return tile_of<1, 1>(outputs, pixels);
    if (stride == 1 && kernel == 3) return tile_of<3, 1>(outputs, pixels);
    if (stride == 1 && kernel == 5) return tile_of<5, 1>(outputs, pixels);
    if (stride == 1 && kernel == 7) return tile_of<7, 1>(outputs, pixels);
    if (stride == 2 && kernel == 3) return tile_of<3, 2>(outputs, pixels);
    if (stride == 2 && kernel == 1) return tile_of<1, 2>(outputs, pixels);
    return tile_of<0, 0>(outputs, pixels);
}

// `total` cut into the fewest pieces of at most `most`, as equal as can be: 14 by 4 is 4, 4, 3, 3.
inline std::vector<int> pieces(int total, int most) {
    int n = (total + most - 1) / most;
    std::vector<int> sizes(n, total / n);
    for (int i = 0; i < total % n; i++) sizes[i]++;
    return sizes;
}

inline bool is_pointwise(int groups, int kernel, int stride, int pad) { return groups == 1 && kernel == 1 && stride == 1 && pad == 0; }

// One convolution bound to its shapes: which tile works where, and its weights in the tiles' order.
struct Convolution {
    int groups, inputs, outputs;  // channels of one group
    int kernel, stride, pad, dilation, width;
    std::vector<int> blocks;
    std::vector<std::vector<ConvTile>> tiles;  // [block][run]
    std::vector<float> weights;                // [group][block][c][ky][kx][output of the block]
    const bool winograd, single, halves;  // `single`: depthwise.hpp has it; `halves`: bf16.hpp
    std::vector<int> runs;
    WinogradWeights winograd_weights;
    std::vector<float> taps;  // of one block, on their way to `winograd_weights`
    PairsConvolution pairs;

    // `bf16`: with products in bfloat16 where the kernel is one pixel.
    Convolution(int groups, int inputs, int outputs, int kernel, int stride, int pad, int dilation, int width, bool bf16)
        : groups(groups), inputs(inputs), outputs(outputs), kernel(kernel), stride(stride), pad(pad), dilation(dilation), width(width),
          blocks(pieces(outputs, MOST_OUTPUTS)), weights(size_t(groups) * outputs * inputs * kernel * kernel),
          winograd(groups == 1 && dilation == 1 && winograd_pays(inputs, outputs, kernel, stride, width)),
          single(inputs == 1 && outputs == 1 && groups > 1 && kernel == 3 && stride == 1 && dilation == 1),
          halves(bf16 && has_bf16() && is_pointwise(groups, kernel, stride, pad) && width > 1),
          runs(pieces(width, single ? DEPTHWISE_PIXELS : most_pixels(blocks[0]))),
          winograd_weights(winograd ? inputs : 0, winograd ? outputs : 0) {
        for (int b : blocks) {
            tiles.emplace_back();
            if (single || halves) continue;
            for (int r : runs) tiles.back().push_back(conv_tile_for(kernel, stride, dilation, b, r));
        }
        if (halves) pairs = PairsConvolution(inputs, blocks, pieces(width, PAIRS_PIXELS), width);
    }

    // From PyTorch's [outputs][inputs][ky][kx].
    void pack(const float* w) {
        if (winograd) return pack_winograd(w, false);
        if (halves) return pairs.pack(w, inputs, 1, inputs);
        float* to = weights.data();
        const int taps = kernel * kernel;
        for (int o0 = 0, b = 0, g = 0; g < groups * int(blocks.size()); g++, o0 += blocks[b], b = (b + 1) % int(blocks.size()))
            for (int c = 0; c < inputs; c++)
                for (int k = 0; k < taps; k++)
                    for (int o = 0; o < blocks[b]; o++) *to++ = w[(size_t(o0 + o) * inputs + c) * taps + k];
    }

    // For the way back: inputs and outputs change places and the kernel is turned by 180 degrees.
    void pack_back(const float* w) {
        if (winograd) return pack_winograd(w, true);
        if (halves) return pairs.pack(w, inputs, outputs, 1);
        float* to = weights.data();
        const int taps = kernel * kernel;
        for (int g = 0; g < groups; g++)
            for (size_t o0 = 0, b = 0; b < blocks.size(); o0 += blocks[b++])
                for (int c = 0; c < inputs; c++)
                    for (int k = 0; k < taps; k++)
                        for (int o = 0; o < blocks[b]; o++)
                            *to++ = w[((size_t(g) * inputs + c) * outputs + o0 + o) * taps + taps - 1 - k];
    }

    void pack_winograd(const float* w, bool back) {
        taps.resize(size_t(inputs) * MOST_OUTPUTS * 9);
        for (size_t o0 = 0, b = 0; b < blocks.size(); o0 += blocks[b++]) {
            float* to = taps.data();
            for (int c = 0; c < inputs; c++)
                for (int o = 0; o < blocks[b]; o++) {
                    const float* from = w + (back ? c * outputs + o0 + o : (o0 + o) * inputs + c) * 9;
                    for (int k = 0; k < 9; k++) *to++ = from[back ? 8 - k : k];
                }
            winograd_weights.put(taps.data(), inputs, blocks[b], o0 * inputs);
        }
    }

    // Multiply-adds of one image of `height` rows of outputs.
    double products(int height) const {
        const double all_rows = winograd ? double(Row(width).points()) * winograd_tap_rows(height + 2 - 2 * pad, pad)
                                     : double(kernel) * kernel * width * height;
        return all_rows * groups * outputs * inputs;
    }

    size_t room() const { return winograd ? winograd_room(inputs, width) : halves ? pairs.room() : 0; }

    // The same for one channel of a depthwise convolution: `in` and `out` are that channel.
    void run_channel(int c, View in, View out, const float* bias) const {
        depthwise(in, out, weights.data() + 9 * c, runs, pad, bias ? bias + c : nullptr, false);
    }

    // out = this convolution of `in` (+ bias, or + out); `in` has a border of `pad`, `scratch` `room()` vectors.
    void run(View in, View out, const float* bias, bool add, V* scratch) const {
        if (winograd) return winograd_convolution(in, out, winograd_weights, blocks, pad, bias, add, scratch);
        if (single) return depthwise(in, out, weights.data(), runs, pad, bias, add);
        if (halves) return pairs.run(in, out, bias, add, scratch);
        for (int g = 0; g < groups; g++)
            for (int y = 0; y < out.h; y++) {
                int top = y * stride - pad;
                Taps t{in.plane, in.pitch, inputs, kernel, stride, dilation, std::max(0, (dilation - 1 - top) / dilation),
                       std::min(kernel, (in.h - top + dilation - 1) / dilation)};
                const V* source = in.row(g * inputs, top) - pad;
                for (size_t r = 0, x = 0; r < runs.size(); x += runs[r++]) {
                    const float* w = weights.data() + size_t(g) * outputs * inputs * kernel * kernel;
                    for (size_t b = 0, o = 0; b < blocks.size(); o += blocks[b++]) {
                        int first = g * outputs + int(o);
                        tiles[b][r](source + x * stride, t, w, out.row(first, y) + x, out.plane,
                                    bias ? bias + first : nullptr, add);
                        w += size_t(blocks[b]) * inputs * kernel * kernel;
                    }
                }
            }
    }
};

}  // namespace
