// 3x3 convolutions of stride 1 with half the products (Winograd, 1980; Lavin and Gray, 2016), along rows alone:
// M = 4 neighbouring outputs of a row cost 6 products a tap row instead of 12, M = 2 cost 4 instead of 6.
//   outputs = A' [(G weights) * (B' inputs)],  and backward  weights = G' [(A outputs) * (B' inputs)].
#pragma once
#include <algorithm>
#include <vector>

#include "lanes.hpp"

namespace {

template <int M>
struct Transform;

template <>
struct Transform<4> {  // at the points 0, 1, -1, 2, -2 and infinity
    static void weights(const float* w, float* u) {
        u[0] = w[0] / 4;
        u[1] = -(w[0] + w[1] + w[2]) / 6;
        u[2] = -(w[0] - w[1] + w[2]) / 6;
        u[3] = (w[0] + 2 * w[1] + 4 * w[2]) / 24;
        u[4] = (w[0] - 2 * w[1] + 4 * w[2]) / 24;
        u[5] = w[2];
    }
    static void weights_back(const V* u, V* w) {
        V odd = all(1 / 12.0f) * (u[3] - u[4]) - all(1 / 6.0f) * (u[1] - u[2]);
        V even = all(1 / 6.0f) * (u[1] + u[2]), far = u[3] + u[4];
        w[0] = all(0.25f) * u[0] - even + all(1 / 24.0f) * far;
        w[1] = odd;
        w[2] = all(1 / 6.0f) * far - even + u[5];
    }
    static void inputs(const V* d, V* x) {
        V even = d[4] - all(4) * d[2], odd = d[3] - all(4) * d[1];
        V wide = d[4] - d[2], skew = all(2) * (d[3] - d[1]);
        x[0] = all(4) * d[0] - all(5) * d[2] + d[4];
        x[1] = even + odd;
        x[2] = even - odd;
        x[3] = wide + skew;
        x[4] = wide - skew;
        x[5] = all(4) * d[1] - all(5) * d[3] + d[5];
    }
    static void outputs(const V* m, V* y) {
        V one = m[1] + m[2], minus = m[1] - m[2], two = m[3] + m[4], less = m[3] - m[4];
        y[0] = m[0] + one + two;
        y[1] = minus + all(2) * less;
        y[2] = one + all(4) * two;
        y[3] = minus + all(8) * less + m[5];
    }
    static void outputs_back(const V* y, V* m) {
        V even = y[0] + y[2], odd = y[1] + y[3], far = y[0] + all(4) * y[2], skew = all(2) * y[1] + all(8) * y[3];
        m[0] = y[0];
        m[1] = even + odd;
        m[2] = even - odd;
        m[3] = far + skew;
        m[4] = far - skew;
        m[5] = y[3];
    }
};

template <>
struct Transform<2> {  // at the points 0, 1, -1 and infinity
    static void weights(const float* w, float* u) {
        u[0] = w[0];
        u[1] = (w[0] + w[1] + w[2]) / 2;
        u[2] = (w[0] - w[1] + w[2]) / 2;
        u[3] = w[2];
    }
    static void weights_back(const V* u, V* w) {
        V even = all(0.5f) * (u[1] + u[2]);
        w[0] = u[0] + even;
        w[1] = all(0.5f) * (u[1] - u[2]);
        w[2] = even + u[3];
    }
    static void inputs(const V* d, V* x) {
        x[0] = d[0] - d[2];
        x[1] = d[1] + d[2];
        x[2] = d[2] - d[1];
        x[3] = d[3] - d[1];
    }
    static void outputs(const V* m, V* y) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] + m[3];
    }
    static void outputs_back(const V* y, V* m) {
        m[0] = y[0];
        m[1] = y[0] + y[1];
        m[2] = y[0] - y[1];
        m[3] = y[1];
    }
};

// A row of `width` outputs as so many tiles of four, then of two; the last may reach past the end by one.
struct Row {
    int width, fours, twos;
    explicit Row(int width) : width(width), fours(width / 4 + (width % 4 == 3)), twos(width % 4 == 1 || width % 4 == 2) {}
    int points() const { return 6 * fours + 4 * twos; }
    int valid(int x, int m) const { return std::min(m, width - x); }

    void inputs(const V* in, V* to) const {  // `in` at the row's first tap
        for (int t = 0; t < fours; t++) Transform<4>::inputs(in + 4 * t, to + 6 * t);
        if (twos) Transform<2>::inputs(in + 4 * fours, to + 6 * fours);
    }
    void outputs_back(const V* gradient, V* to) const {
        const int whole = fours - (width % 4 == 3);
        for (int t = 0; t < whole; t++) Transform<4>::outputs_back(gradient + 4 * t, to + 6 * t);
        if (whole < fours) {
            const V y[4] = {gradient[width - 3], gradient[width - 2], gradient[width - 1], V{}};
            Transform<4>::outputs_back(y, to + 6 * whole);
        }
        if (!twos) return;
        const V y[2] = {gradient[4 * fours], width % 4 == 1 ? V{} : gradient[4 * fours + 1]};
        Transform<2>::outputs_back(y, to + 6 * fours);
    }
};

struct WinogradTaps {
    const V* rows[4];  // transformed input rows of channel 0, as many as the tile needs
    size_t channel;    // from channel to channel
    int channels, first_row, last_row;
};

template <int OB, int M>
void winograd_tile(const WinogradTaps& t, int at, const float* u, V* out, size_t out_plane, const float* bias, bool add, int valid) {
    constexpr int P = M + 2;
    V sum[OB][P] = {};
    for (int c = 0; c < t.channels; c++, u += 3 * OB * P)
        for (int ky = t.first_row; ky < t.last_row; ky++) {
            const V* x = t.rows[ky] + c * t.channel + at;
            const float* w = u + ky * OB * P;
            UNROLL for (int p = 0; p < P; p++) {
                V v = x[p];
                UNROLL for (int o = 0; o < OB; o++) sum[o][p] += all(w[o * P + p]) * v;
            }
        }
    UNROLL for (int o = 0; o < OB; o++) {
        V y[M];
        Transform<M>::outputs(sum[o], y);
        V* to = out + o * out_plane;
        for (int i = 0; i < valid; i++) to[i] = (bias ? y[i] + all(bias[o]) : y[i]) + (add ? to[i] : V{});
    }
}

// Two rows of outputs at once: M = 2 down the columns too, so that four sums serve both rows instead of six. `t.rows` are
// four input rows; what they stand for in the column transform is a sum or difference of two of them.
template <int OB, int M>
void winograd_pair(const WinogradTaps& t, int at, const float* u, V* out, size_t out_plane, size_t out_pitch, const float* bias, bool add,
               int valid) {
    constexpr int P = M + 2;
    V upper[OB][M], lower[OB][M];
    UNROLL for (int j = 0; j < 4; j++) {
        const V* plus = t.rows[j == 0 ? 0 : j == 1 ? 1 : j == 2 ? 2 : 3] + at;
        const V* minus = t.rows[j == 0 ? 2 : j == 1 ? 2 : 1] + at;
        const float* w = u + size_t(j) * t.channels * OB * P;
        V sum[OB][P] = {};
        for (int c = 0; c < t.channels; c++, plus += t.channel, minus += t.channel, w += OB * P)
            UNROLL for (int p = 0; p < P; p++) {
                V v = j == 1 ? plus[p] + minus[p] : plus[p] - minus[p];
                UNROLL for (int o = 0; o < OB; o++) sum[o][p] += all(w[o * P + p]) * v;
            }
        UNROLL for (int o = 0; o < OB; o++) {
            V y[M];
            Transform<M>::outputs(sum[o], y);
            UNROLL for (int i = 0; i < M; i++) {
                if (j == 0) upper[o][i] = y[i];
                else if (j < 3) upper[o][i] += y[i];
                if (j == 1) lower[o][i] = y[i];
                else if (j == 2) lower[o][i] -= y[i];
                else if (j == 3) lower[o][i] += y[i];
            }
        }
    }
    UNROLL for (int o = 0; o < OB; o++) {
        V *first = out + o * out_plane, *second = first + out_pitch;
        for (int i = 0; i < valid; i++) {
            const V start = bias ? all(bias[o]) : V{};
            first[i] = upper[o][i] + (add ? first[i] + start : start);
            second[i] = lower[o][i] + (add ? second[i] + start : start);
        }
    }
}

using WinogradPair = void (*)(const WinogradTaps&, int, const float*, V*, size_t, size_t, const float*, bool, int);

inline WinogradPair winograd_pair_for(int outputs, bool four) {
    static constexpr WinogradPair fours[] = {winograd_pair<1, 4>, winograd_pair<2, 4>, winograd_pair<3, 4>, winograd_pair<4, 4>};
    static constexpr WinogradPair twos[] = {winograd_pair<1, 2>, winograd_pair<2, 2>, winograd_pair<3, 2>, winograd_pair<4, 2>};
    return (four ? fours : twos)[outputs - 1];
}

using WinogradTile = void (*)(const WinogradTaps&, int, const float*, V*, size_t, const float*, bool, int);

inline WinogradTile winograd_tile_for(int outputs, bool four) {
    static constexpr WinogradTile fours[] = {winograd_tile<1, 4>, winograd_tile<2, 4>, winograd_tile<3, 4>, winograd_tile<4, 4>};
    static constexpr WinogradTile twos[] = {winograd_tile<1, 2>, winograd_tile<2, 2>, winograd_tile<3, 2>, winograd_tile<4, 2>};
    return (four ? fours : twos)[outputs - 1];
}

// Half the products pay where transforms are shared by several channels and sums have registers to stay in.
inline bool winograd_pays(int inputs, int outputs, int kernel, int stride, int width) {
    return FW_REGISTERS >= 32 && kernel == 3 && stride == 1 && width > 1 && inputs > 2 && outputs > 2;
}

constexpr int RING = 4;  // transformed rows kept: as many as a pair of rows needs; and one of zeros

inline size_t winograd_room(int inputs, int width) { return size_t(RING + 1) * inputs * Row(width).points(); }

// Transformed weights in the tiles' order: [block][c][ky][o][p] for one row, [block][4][c][o][p] for a pair of rows.
struct WinogradWeights {
    std::vector<float> fours, twos, paired_fours, paired_twos;

    WinogradWeights(size_t inputs, size_t outputs)
        : fours(inputs * outputs * 3 * 6), twos(inputs * outputs * 3 * 4), paired_fours(inputs * outputs * 4 * 6),
          paired_twos(inputs * outputs * 4 * 4) {}

    // Of one block, `taps` [c][count][3][3]; `before` is how many (output, input) pairs came earlier.
    void put(const float* taps, int channels, int count, size_t before) {
        float *four = &fours[before * 18], *two = &twos[before * 12];
        float *paired_four = &paired_fours[before * 24], *paired_two = &paired_twos[before * 16];
        for (int c = 0; c < channels; c++)
            for (int ky = 0; ky < 3; ky++)
                for (int o = 0; o < count; o++, four += 6, two += 4) {
                    const float* row = taps + (c * count + o) * 9 + ky * 3;
                    Transform<4>::weights(row, four);
                    Transform<2>::weights(row, two);
                }
        for (int c = 0; c < channels; c++)
            for (int o = 0; o < count; o++) {
                float mixed[4][3];
                for (int kx = 0; kx < 3; kx++) {
                    const float* w = taps + (c * count + o) * 9 + kx;
                    const float column[3] = {w[0], w[3], w[6]};
                    float points[4];
                    Transform<2>::weights(column, points);
                    for (int j = 0; j < 4; j++) mixed[j][kx] = points[j];
                }
                for (int j = 0; j < 4; j++) {
                    const int place = (j * channels + c) * count + o;
                    Transform<4>::weights(mixed[j], paired_four + place * 6);
                    Transform<2>::weights(mixed[j], paired_two + place * 4);
                }
            }
    }
};

// Rows of the kernel that lie inside the image for output row y; and how many output rows, one or two, to make at once.
inline int taps_inside(int y, int height, int pad) { return std::min(3, height + pad - y) - std::max(0, pad - y); }

inline int rows_at_once(int y, int height, int pad) {
    const int rows = height + 2 * pad - 2;
    return y + 1 < rows && taps_inside(y, height, pad) + taps_inside(y + 1, height, pad) > 4 ? 2 : 1;
}

inline int winograd_tap_rows(int height, int pad) {  // how often a row of points is multiplied for each input and output
    int total = 0;
    for (int y = 0, step; y < height + 2 * pad - 2; y += step) {
        step = rows_at_once(y, height, pad);
        total += step == 2 ? 4 : taps_inside(y, height, pad);
    }
    return total;
}

inline void winograd_convolution(View in, View out, const WinogradWeights& u, const std::vector<int>& blocks, int pad, const float* bias,
                             bool add, V* ring) {
    const Row row(out.w);
    const size_t points = row.points(), ring_row = points * in.c;
    V* zeros = ring + RING * ring_row;
    std::memset(static_cast<void*>(zeros), 0, ring_row * sizeof(V));
    int ready = 0;  // input rows transformed so far
    for (int y = 0, step; y < out.h; y += step) {
        step = rows_at_once(y, in.h, pad);
        const int top = y - pad, taps = step + 2;
        WinogradTaps t{{}, points, in.c, std::max(0, -top), std::min(taps, in.h - top)};
        for (; ready < top + t.last_row; ready++)
            for (int c = 0; c < in.c; c++) row.inputs(in.row(c, ready) - pad, ring + ready % RING * ring_row + c * points);
        for (int ky = 0; ky < taps; ky++)
            t.rows[ky] = ky < t.first_row || ky >= t.last_row ? zeros : ring + (top + ky) % RING * ring_row;
        for (int tile = 0; tile < row.fours + row.twos; tile++) {
            const bool four = tile < row.fours;
            const int valid = row.valid(4 * tile, four ? 4 : 2), point = four ? 6 : 4;
            const float* w = (step == 2 ? (four ? u.paired_fours : u.paired_twos) : (four ? u.fours : u.twos)).data();
            for (size_t b = 0, o = 0; b < blocks.size(); o += blocks[b++]) {
                V* to = out.row(int(o), y) + 4 * tile;
                const float* start = bias ? bias + o : nullptr;
                if (step == 2) winograd_pair_for(blocks[b], four)(t, 6 * tile, w, to, out.plane, out.pitch, start, add, valid);
                else winograd_tile_for(blocks[b], four)(t, 6 * tile, w, to, out.plane, start, add, valid);
                w += size_t(blocks[b]) * in.c * point * (step == 2 ? 4 : 3);
                // The next rows of outputs are not in the cache, and too far apart for it to foresee.
                for (int i = 0; i < blocks[b] && y + step + 1 < out.h; i++)
                    for (int v = 0; v < valid; v++) {
                        __builtin_prefetch(to + i * out.plane + step * out.pitch + v, 1, 2);
                        __builtin_prefetch(to + i * out.plane + (step + 1) * out.pitch + v, 1, 2);
                    }
            }
        }
    }
}

}  // namespace
