// Random changes to images: bytes of a data set -> float32 images, warped and normalised, in one pass.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "lanes.hpp"
#include "thread_pool.hpp"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int MOST_COLOURS = 3;

// What `sample` of native.py passes on; augment.py says what the values are.
struct Warp {
    const uint8_t* images;      // [..][c][h][w]
    const int64_t* chosen;      // [count], images of the batch
    const float* affine;        // [5][count]: angle, shift right, shift down, factor, shear
    const float* after;         // [count][3][3], applied to what the affine map leads to; or null
    const float* displacement;  // [count][2][h][w], in half sides; or null
    const float *factor, *offset;  // [c], of the normalisation
    float horizon;
    const float* mirror;   // [2][count], 1 or -1 for x and y, after all that; or null
    int reflect;           // whether what lies outside is mirrored; black otherwise
    const float* colours;  // [count][c][c + 1], of c up to MOST_COLOURS channels; or null
    int count;
    float* output;  // [count][c][h][w]
};

// The product of `after` and the inverse of shear, scaling, rotation and shift: homographies.py's affine_maps.
inline void matrix_of(const Warp& warp, int image, double m[3][3]) {
    double v[5];
    for (int i = 0; i < 5; i++) v[i] = warp.affine[size_t(i) * warp.count + image];
    const double cos = std::cos(v[0]) / v[3], sin = std::sin(v[0]) / v[3];
    const double across = cos - v[4] * sin, along = -sin - v[4] * cos;
    const double affine[3][3] = {
        {across, along, -across * v[1] - along * v[2]}, {sin, cos, -sin * v[1] - cos * v[2]}, {0, 0, 1}};
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++) {
            m[row][column] = affine[row][column];
            if (!warp.after) continue;
            const float* after = warp.after + size_t(image) * 9 + row * 3;
            m[row][column] = after[0] * affine[0][column] + after[1] * affine[1][column] + after[2] * affine[2][column];
        }
    for (int row = 0; row < 2 && warp.mirror; row++)
        for (int column = 0; column < 3; column++) m[row][column] *= warp.mirror[size_t(row) * warp.count + image];
}

// Two neighbours from each place, the first one lowest.
inline U pairs(const uint16_t* entries, I at) {
#if defined(__AVX512F__) && FW_LANES == 16
    return (U)_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xFFFF, (__m512i)at, entries, 2);
#elif defined(__AVX2__) && FW_LANES == 8
    return (U)_mm256_i32gather_epi32(reinterpret_cast<const int*>(entries), (__m256i)at, 2);
#else
    U found;
    for (int l = 0; l < LANES; l++) found[l] = uint32_t(entries[at[l]]) | uint32_t(entries[at[l] + 1]) << 16;
    return found;
#endif
}

inline V between(V v, float low, float high) {  // NaN gives `low`
    v = v > all(low) ? v : all(low);
    return v < all(high) ? v : all(high);
}

// A place in a frame, whose image begins at 1, mirrored about the centres of the outermost of `side` pixels.
inline V mirrored(V place, int side) {
    const V last = all(side - 1.0f), period = all(std::max(1.0f, 2 * (side - 1.0f)));
    V past = place - all(1);
    past = past > all(0) ? past : -past;
    past = between(past, 0, 1e6f);  // beyond, floats are too coarse to say where
    past -= period * __builtin_convertvector(__builtin_convertvector(past / period, I), V);
    past -= last;
    return between(last - (past > all(0) ? past : -past), 0, side - 1.0f) + all(1);
}

// Samples images of one size. `frames` holds a copy of one for each thread: zeros around it, so that no pixel is a case,
// and each pixel together with the one below, so that a word has all four that an interpolation needs.
class Sampler {
public:
    Sampler(int c, int h, int w, int threads)
        : c(c), h(h), w(w), pitch(w + 3), plane(size_t(pitch) * (h + 2)), x(padded()), y(padded()), nothing(w),
          frames(threads, std::vector<uint16_t>(plane * c)) {
        for (int p = 0; p < h * w; p++) x[p] = p % w - (w - 1) / 2.0f, y[p] = p / w - (h - 1) / 2.0f;
    }

    // A few images are a task, since one takes a microsecond; its values know nothing of threads.
    void run(const Warp& warp, ThreadPool& workers) {
        constexpr int together = 4;
        workers.run((warp.count + together - 1) / together, [&](int task, int thread) {
            for (int i = task * together; i < std::min(warp.count, (task + 1) * together); i++) image(warp, i, thread);
        });
    }

private:
    size_t padded() const { return (size_t(h) * w + LANES - 1) / LANES * LANES; }

    void image(const Warp& warp, int image, int thread) {
        uint16_t* frame = frames[thread].data();
        const uint8_t* from = warp.images + size_t(warp.chosen[image]) * c * h * w;
        for (int channel = 0; channel < c; channel++, from += h * w)
            for (int row = 0; row <= h; row++) {
                const uint8_t* above = row > 0 ? from + (row - 1) * w : nothing.data();
                const uint8_t* below = row < h ? from + row * w : nothing.data();
                uint16_t* to = frame + channel * plane + size_t(row) * pitch + 1;
                for (int column = 0; column < w; column++) to[column] = uint16_t(above[column] | below[column] << 8);
            }
        double m[3][3];
        matrix_of(warp, image, m);
        if (warp.after) pixels<true>(warp, image, frame, m);
        else pixels<false>(warp, image, frame, m);
    }

    template <bool PROJECTIVE>
    void pixels(const Warp& warp, int image, const uint16_t* frame, const double m[3][3]) const {
        const int count = h * w;
        // Columns and rows are those of the frame, whose zeros begin one before the image.
        const float middle_x = (w + 1) / 2.0f, middle_y = (h + 1) / 2.0f;
        const double shift_x = PROJECTIVE ? 0 : middle_x, shift_y = PROJECTIVE ? 0 : middle_y;
        const V xx = all(float(m[0][0])), xy = all(float(m[0][1])), x1 = all(float(m[0][2] + shift_x));
        const V yx = all(float(m[1][0])), yy = all(float(m[1][1])), y1 = all(float(m[1][2] + shift_y));
        const V zx = all(float(m[2][0])), zy = all(float(m[2][1])), z1 = all(float(m[2][2]));
        const float* field = warp.displacement ? warp.displacement + size_t(image) * 2 * count : nullptr;
        float* output = warp.output + size_t(image) * c * count;
        for (int p = 0; p < count; p += LANES) {
            const int filled = std::min(LANES, count - p);
            const V px = load(&x[p], LANES), py = load(&y[p], LANES);
            V column = xx * px + xy * py + x1, row = yx * px + yy * py + y1;
            if (PROJECTIVE) {
                V z = zx * px + zy * py + z1;
                z = z > all(warp.horizon) ? z : all(warp.horizon);
                column = column / z + all(middle_x), row = row / z + all(middle_y);
            }
            if (field) {
                column += load(field + p, filled) * all(w / 2.0f);
                row += load(field + count + p, filled) * all(h / 2.0f);
            }
            if (warp.reflect) column = mirrored(column, w), row = mirrored(row, h);
            column = between(column, 0, float(w + 1)), row = between(row, 0, float(h + 1));
            const I left = __builtin_convertvector(column, I), top = __builtin_convertvector(row, I);
            const V right = column - __builtin_convertvector(left, V), down = row - __builtin_convertvector(top, V);
            const I at = top * pitch + left;
            const auto seen = [&](int channel) {
                const U four = pairs(frame + channel * plane, at);
                const V above = byte(four) + right * (byte(four >> 16) - byte(four));
                const V below = byte(four >> 8) + right * (byte(four >> 24) - byte(four >> 8));
                return above + down * (below - above);
            };
            const auto put = [&](int channel, V brightness) {
                const V value = brightness * all(warp.factor[channel]) + all(warp.offset[channel]);
                float* to = output + size_t(channel) * count + p;
                if (filled == LANES) std::memcpy(to, &value, sizeof value);
                else std::memcpy(to, &value, filled * sizeof(float));
            };
            if (!warp.colours) {
                for (int channel = 0; channel < c; channel++) put(channel, seen(channel));
                continue;
            }
            V colours[MOST_COLOURS] = {};
            for (int channel = 0; channel < c; channel++) colours[channel] = seen(channel);
            const float* map = warp.colours + size_t(image) * c * (c + 1);
            for (int channel = 0; channel < c; channel++, map += c + 1) {
                V sum = all(map[c]);
                for (int from = 0; from < c; from++) sum += all(map[from]) * colours[from];
                put(channel, between(sum, 0, 255));
            }
        }
    }
    static V load(const float* from, int filled) {
        V v = {};
        std::memcpy(&v, from, filled * sizeof(float));
        return v;
    }
    static V byte(U word) { return __builtin_convertvector((I)(word & 0xFFu), V); }

    int c, h, w, pitch;
    size_t plane;
    std::vector<float> x, y;  // of each pixel from the middle
    std::vector<uint8_t> nothing;  // a row of zeros
    std::vector<std::vector<uint16_t>> frames;
};

}  // namespace
