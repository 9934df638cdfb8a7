// 1x1 convolutions whose products are of bfloat16 numbers, two in each lane at a time, on CPUs that have AVX512-BF16. Sums
// are float32, and so is all that is kept: only the operands are rounded, to the nearest, as they are packed.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "lanes.hpp"

namespace {
constexpr int PAIRS_OUTPUTS = 4, PAIRS_PIXELS = 5;  // 20 sums, 5 pixels and a weight in 32 registers
}  // namespace

#if FW_LANES == 16 && defined(__x86_64__) && defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 10)
#include <immintrin.h>
#define FW_BF16 __attribute__((target("avx512bf16")))

namespace {

inline bool has_bf16() { return __builtin_cpu_supports("avx512bf16"); }

using Halves = __m512bh;  // 32 numbers: the products of neighbours go into the same lane's sum

FW_BF16 inline Halves halves(V first, V second) { return _mm512_cvtne2ps_pbh((__m512)second, (__m512)first); }
FW_BF16 inline V dot(V sum, Halves a, Halves b) { return (V)_mm512_dpbf16_ps((__m512)sum, a, b); }

// The bits of a number rounded to bfloat16; NaN stays NaN.
inline uint32_t bf16_of(float number) {
    uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return bits >> 16 | 0x40u;
    return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
}

// One row of all channels, two channels side by side in each lane: to[c / 2][x].
FW_BF16 inline void pack_channels(View in, int y, V* to) {
    alignas(64) int16_t order[32];
    for (int l = 0; l < 16; l++) order[2 * l] = int16_t(l), order[2 * l + 1] = int16_t(16 + l);
    const __m512i turns = _mm512_load_si512(order);
    for (int c = 0; c < in.c; c += 2, to += in.w) {
        const bool both = c + 1 < in.c;
        const V *first = in.row(c, y), *second = in.row(both ? c + 1 : c, y);
        for (int x = 0; x < in.w; x++) {
            const Halves pair = halves(first[x], both ? second[x] : V{});
            to[x] = (V)_mm512_permutexvar_epi16(turns, (__m512i)pair);
        }
    }
}

// out[o][p] = start + sum over pairs of channels of w[pair][o] * in[pair][p].
template <int OB, int PB>
FW_BF16 void pairs_tile(const V* in, size_t plane, int pairs, const uint32_t* w, V* out, size_t out_plane, const float* bias, bool add) {
    V sum[OB][PB];
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int p = 0; p < PB; p++)
            sum[o][p] = add ? out[o * out_plane + p] : bias ? all(bias[o]) : V{};
    for (int c = 0; c < pairs; c++, in += plane, w += OB) {
        Halves x[PB];
        UNROLL for (int p = 0; p < PB; p++) x[p] = (Halves)in[p];
        UNROLL for (int o = 0; o < OB; o++) {
            const Halves weight = (Halves)_mm512_set1_epi32(int(w[o]));
            UNROLL for (int p = 0; p < PB; p++) sum[o][p] = dot(sum[o][p], weight, x[p]);
        }
    }
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int p = 0; p < PB; p++) out[o * out_plane + p] = sum[o][p];
}

using PairsTile = void (*)(const V*, size_t, int, const uint32_t*, V*, size_t, const float*, bool);

template <int OB, int... PB>
PairsTile pairs_tile_of(int pixels, std::integer_sequence<int, PB...>) {
    static constexpr PairsTile tiles[] = {pairs_tile<OB, PB + 1>...};
    return tiles[pixels - 1];
}

inline PairsTile pairs_tile_for(int outputs, int pixels) {
    constexpr auto counts = std::make_integer_sequence<int, PAIRS_PIXELS>();
    switch (outputs) {
        case 1: return pairs_tile_of<1>(pixels, counts);
        case 2: return pairs_tile_of<2>(pixels, counts);
        case 3: return pairs_tile_of<3>(pixels, counts);
        default: return pairs_tile_of<4>(pixels, counts);
    }
}

// Rows of one channel, two pixels side by side: to[y][x / 2].
FW_BF16 inline void pack_pixels(View in, int c, int y, int rows, V* to) {
    for (int end = y + rows; y < end; y++) {
        const V* row = in.row(c, y);
        int x = 0;
        for (; x + 2 <= in.w; x += 2) *to++ = (V)halves(row[x], row[x + 1]);
        if (x < in.w) *to++ = (V)halves(row[x], V{});
    }
}

// Sums over `count` pairs of pixels of out[o] * in[c], which lie `apart`; `carry` as in weights.hpp's pointwise_tile.
template <int OB, int CB>
FW_BF16 void pairs_gradient_tile(const V* in, const V* out, size_t apart, int count, V* carry, size_t carried, bool first, bool last,
                                 float* to, size_t outs) {
    V sum[OB][CB];
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int c = 0; c < CB; c++) sum[o][c] = first ? V{} : carry[o * carried + c];
    for (int k = 0; k < count; k++, in++, out++) {
        Halves d[OB];
        UNROLL for (int o = 0; o < OB; o++) d[o] = (Halves)out[o * apart];
        UNROLL for (int c = 0; c < CB; c++) {
            const Halves v = (Halves)in[c * apart];
            UNROLL for (int o = 0; o < OB; o++) sum[o][c] = dot(sum[o][c], d[o], v);
        }
    }
    for (int o = 0; o < OB; o++)
        for (int c = 0; c < CB; c++)
            if (last) to[o * outs + c] = sum_of_lanes(sum[o][c]);
            else carry[o * carried + c] = sum[o][c];
}

using PairsGradientTile = void (*)(const V*, const V*, size_t, int, V*, size_t, bool, bool, float*, size_t);
constexpr int PAIRS_INPUTS = 6;

template <int OB, int... CB>
PairsGradientTile pairs_gradient_tile_of(int inputs, std::integer_sequence<int, CB...>) {
    static constexpr PairsGradientTile tiles[] = {pairs_gradient_tile<OB, CB + 1>...};
    return tiles[inputs - 1];
}

inline PairsGradientTile pairs_gradient_tile_for(int outputs, int inputs) {
    constexpr auto counts = std::make_integer_sequence<int, PAIRS_INPUTS>();
    switch (outputs) {
        case 1: return pairs_gradient_tile_of<1>(inputs, counts);
        case 2: return pairs_gradient_tile_of<2>(inputs, counts);
        case 3: return pairs_gradient_tile_of<3>(inputs, counts);
        default: return pairs_gradient_tile_of<4>(inputs, counts);
    }
}

}  // namespace
#else
namespace {
inline bool has_bf16() { return false; }
}  // namespace
#endif

namespace {

#ifdef FW_BF16
// A 1x1 convolution of stride 1, forward or back, row by row.
struct PairsConvolution {
    int pairs = 0, width = 0;
    std::vector<int> blocks, runs;
    std::vector<std::vector<PairsTile>> tiles;  // [block][run]
    std::vector<uint32_t> weights;              // [block][pair][output of the block]

    PairsConvolution() = default;
    PairsConvolution(int inputs, std::vector<int> outputs, std::vector<int> pixels, int width)
        : pairs((inputs + 1) / 2), width(width), blocks(std::move(outputs)), runs(std::move(pixels)) {
        for (int b : blocks) {
            tiles.emplace_back();
            for (int r : runs) tiles.back().push_back(pairs_tile_for(b, r));
        }
    }

    size_t room() const { return size_t(pairs) * width; }

    // Of weights `w`, in which inputs and outputs lie so far apart.
    void pack(const float* w, int inputs, size_t in_apart, size_t out_apart) {
        weights.clear();
        for (size_t o0 = 0, b = 0; b < blocks.size(); o0 += blocks[b++])
            for (int c = 0; c < inputs; c += 2)
                for (int o = 0; o < blocks[b]; o++) {
                    const float* at = w + (o0 + o) * out_apart + c * in_apart;
                    weights.push_back(bf16_of(*at) | (c + 1 < inputs ? bf16_of(at[in_apart]) << 16 : 0));
                }
    }

    void run(View in, View out, const float* bias, bool add, V* scratch) const {
        for (int y = 0; y < out.h; y++) {
            pack_channels(in, y, scratch);
            for (size_t r = 0, x = 0; r < runs.size(); x += runs[r++]) {
                const uint32_t* w = weights.data();
                for (size_t b = 0, o = 0; b < blocks.size(); o += blocks[b], w += size_t(blocks[b++]) * pairs)
                    tiles[b][r](scratch + x, width, pairs, w, out.row(int(o), y) + x, out.plane, bias ? bias + o : nullptr, add);
            }
        }
    }
};

// Gradients of its weights, in strips of rows that fit the second cache when packed.
struct PairsGradient {
    int inputs, outputs, across, strip;
    size_t apart;
    PairsGradient(int inputs, int outputs, int h, int w) : inputs(inputs), outputs(outputs), across((w + 1) / 2) {
        const size_t row = size_t(inputs + outputs) * across * sizeof(V);
        strip = std::max(1, std::min(h, int(size_t(256 << 10) / row)));
        apart = size_t(strip) * across | 1;
    }
    size_t room() const { return size_t(inputs) * outputs + (size_t(inputs) + outputs) * apart; }

    void run(View in, View out, float* to, V* scratch) const {
        V *carry = scratch, *packed_in = carry + size_t(inputs) * outputs, *packed_out = packed_in + inputs * apart;
        for (int y = 0; y < out.h; y += strip) {
            const int rows = std::min(strip, out.h - y);
            for (int c = 0; c < inputs; c++) pack_pixels(in, c, y, rows, packed_in + c * apart);
            for (int o = 0; o < outputs; o++) pack_pixels(out, o, y, rows, packed_out + o * apart);
            for (int c = 0; c < inputs; c += PAIRS_INPUTS)
                for (int o = 0; o < outputs; o += PAIRS_OUTPUTS) {
                    const int ob = std::min(PAIRS_OUTPUTS, outputs - o), cb = std::min(PAIRS_INPUTS, inputs - c);
                    const size_t at = size_t(o) * inputs + c;
                    pairs_gradient_tile_for(ob, cb)(packed_in + c * apart, packed_out + o * apart, apart, rows * across, carry + at, inputs,
                                                    y == 0, y + rows == out.h, to + at, inputs);
                }
        }
    }
};
#else
struct PairsConvolution {
    PairsConvolution() = default;
    PairsConvolution(int, std::vector<int>, std::vector<int>, int) {}
    size_t room() const { return 0; }
    void pack(const float*, int, size_t, size_t) {}
    void run(View, View, const float*, bool, V*) const {}
};
struct PairsGradient {
    PairsGradient(int, int, int, int) {}
    size_t room() const { return 0; }
    void run(View, View, float*, V*) const {}
};
#endif

}  // namespace
