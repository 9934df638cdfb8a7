// Gradients of the weights of Winograd convolutions: the transform along rows, over strips of rows.
#pragma once
#include "winograd.hpp"

namespace {

// to[o][c][ky] (+)= over rows and tiles of outputs[o] * inputs[c, ky rows down], at one point of the transform.
template <int OB, int CB>
void winograd_weight_tile(const V* out, size_t out_channel, const V* in, size_t in_channel, size_t row, int rows, int tiles, int step,
                      V* to, size_t outs, bool add) {
    V sum[OB][CB][3];
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int k = 0; k < CB * 3; k++) sum[o][k / 3][k % 3] = add ? to[o * outs + k] : V{};
    for (int y = 0; y < rows; y++, out += row, in += row)
        for (int t = 0; t < tiles; t++) {
            V d[OB];
            UNROLL for (int o = 0; o < OB; o++) d[o] = out[o * out_channel + t * step];
            UNROLL for (int c = 0; c < CB; c++)
                UNROLL for (int ky = 0; ky < 3; ky++) {
                    V x = in[c * in_channel + ky * row + t * step];
                    UNROLL for (int o = 0; o < OB; o++) sum[o][c][ky] += d[o] * x;
                }
        }
    UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int k = 0; k < CB * 3; k++) to[o * outs + k] = sum[o][k / 3][k % 3];
}

using WinogradWeightTile = void (*)(const V*, size_t, const V*, size_t, size_t, int, int, int, V*, size_t, bool);

inline WinogradWeightTile winograd_weight_tile_for(int outputs, int inputs) {
    static constexpr WinogradWeightTile tiles[4][2] = {{winograd_weight_tile<1, 1>, winograd_weight_tile<1, 2>},
                                                   {winograd_weight_tile<2, 1>, winograd_weight_tile<2, 2>},
                                                   {winograd_weight_tile<3, 1>, winograd_weight_tile<3, 2>},
                                                   {winograd_weight_tile<4, 1>, winograd_weight_tile<4, 2>}};
    return tiles[outputs - 1][inputs - 1];
}

// The weight gradient of one lane group, in strips of rows whose transforms fit the second cache.
struct WinogradGradient {
    Row row;
    int inputs, outputs, strip;
    bool whole;  // one strip holds the image
    WinogradGradient(int inputs, int outputs, int height, int width) : row(width), inputs(inputs), outputs(outputs) {
        const int fitting = int(size_t(512 << 10) / (sizeof(V) * row.points() * (inputs + outputs))) - 1;
        strip = std::max(2, std::min(height, fitting));
        whole = strip >= height;
    }
    int kinds() const { return 6 + 4 * row.twos; }  // points of a tile of four, then of one of two
    size_t sums() const { return whole ? size_t(kinds()) * 4 * 2 * 3 : size_t(kinds()) * outputs * inputs * 3; }
    size_t room() const { return sums() + size_t(row.points()) * (inputs * (strip + 2) + outputs * strip); }
    double products(int height) const { return 3.0 * row.points() * height * inputs * outputs; }
    // Sums of wide layers would not fit the cache; there the plain kernel is as good.
    bool pays() const { return sums() * sizeof(V) <= (1 << 20); }

    void run(View in, View out, int pad, float* to, V* scratch) const {
        V *sum = scratch, *x = sum + sums(), *d = x + size_t(row.points()) * inputs * (strip + 2);
        for (int first = 0; first < out.h; first += strip) {
            const int rows = std::min(strip, out.h - first);
            transform(in, out, first, rows, pad, x, d);
            blocks([&](int o, int ob, int c, int cb) {
                V* at = whole ? sum : sum + (size_t(o) * inputs + c) * 3;
                for (int kind = 0; kind < kinds(); kind++) {
                    const int point = kind < 6 ? kind : 6 * row.fours + kind - 6;
                    winograd_weight_tile_for(ob, cb)(d + size_t(o) * strip * row.points() + point, strip * row.points(),
                                                 x + size_t(c) * (strip + 2) * row.points() + point, (strip + 2) * row.points(),
                                                 row.points(), rows, kind < 6 ? row.fours : 1, 6, at + kind * kind_pitch(), out_pitch(),
                                                 first > 0);
                }
                if (first + rows == out.h) finish(at, ob, cb, to + (size_t(o) * inputs + c) * 9);
            });
        }
    }

private:
    size_t out_pitch() const { return whole ? 2 * 3 : size_t(inputs) * 3; }
    size_t kind_pitch() const { return sums() / kinds(); }

    void transform(View in, View out, int first, int rows, int pad, V* x, V* d) const {
        for (int c = 0; c < inputs; c++)
            for (int y = 0; y < rows + 2; y++)
                row.inputs(in.row(c, first + y - pad) - pad, x + (size_t(c) * (strip + 2) + y) * row.points());
        for (int o = 0; o < outputs; o++)
            for (int y = 0; y < rows; y++) row.outputs_back(out.row(o, first + y), d + (size_t(o) * strip + y) * row.points());
    }

    template <class Work>
    void blocks(const Work& work) const {
        for (int o = 0; o < outputs; o += 4)
            for (int c = 0; c < inputs; c += 2) work(o, std::min(4, outputs - o), c, std::min(2, inputs - c));
    }

    // From the points of the transform back to the three columns of the kernel.
    void finish(const V* sum, int ob, int cb, float* to) const {
        for (int o = 0; o < ob; o++)
            for (int k = 0; k < cb * 3; k++) {
                const V* at = sum + o * out_pitch() + k;
                V u[6], w[3], two[3] = {};
                for (int kind = 0; kind < 6; kind++) u[kind] = at[kind * kind_pitch()];
                Transform<4>::weights_back(u, w);
                if (row.twos) {
                    for (int kind = 0; kind < 4; kind++) u[kind] = at[(6 + kind) * kind_pitch()];
                    Transform<2>::weights_back(u, two);
                }
                for (int kx = 0; kx < 3; kx++) to[size_t(o) * inputs * 9 + k * 3 + kx] = sum_of_lanes(w[kx] + two[kx]);
            }
    }
};

}  // namespace
