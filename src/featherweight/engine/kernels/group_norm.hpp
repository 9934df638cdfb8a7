// Group norm and layer norm: each image by the mean and variance of its own groups of channels. An image is a lane, so its
// statistics are vectors, and no sum goes over lanes but those of the weights' gradients.
#pragma once
#include "plan.hpp"

namespace {

inline V square_root(V v) {
    for (int l = 0; l < LANES; l++) v[l] = std::sqrt(v[l]);
    return v;
}

// The weight and the shift of each channel, or of each value where `each`; 1 and 0 where there are none.
struct Scaling {
    const float *gamma, *beta;
    bool each;
    size_t at(View v, int c, int y) const { return each ? (size_t(c) * v.h + y) * v.w : c; }
    V gain(size_t row, int i) const { return all(gamma ? gamma[row + (each ? i : 0)] : 1); }
    V shift(size_t row, int i) const { return all(beta ? beta[row + (each ? i : 0)] : 0); }
};

struct Centre {  // of the channels of one group, by image; `inverse` of the deviation, 0 in lanes without an image
    V mean, inverse;
};

inline Centre centre(View in, int first, int end, float eps, V mask) {
    const V share = all(1.0f / (float(end - first) * float(in.h) * float(in.w)));
    V mean{}, squares{};
    for (int c = first; c < end; c++)
        for (int y = 0; y < in.h; y++) {
            V sum{};
            for (int i = 0; i < in.w; i++) sum += in.row(c, y)[i];
            mean += sum * share;
        }
    for (int c = first; c < end; c++)
        for (int y = 0; y < in.h; y++) {
            V sum{};
            for (int i = 0; i < in.w; i++) {
                const V d = in.row(c, y)[i] - mean;
                sum += d * d;
            }
            squares += sum * share;
        }
    return {mean, mask > all(0) ? all(1) / square_root(squares + all(eps)) : all(0)};
}

inline void group_norm(View in, View out, int groups, float eps, Scaling by, V mask) {
    const int each = in.c / groups;
    for (int g = 0; g < groups; g++) {
        const Centre of = centre(in, g * each, (g + 1) * each, eps, mask);
        for (int c = g * each; c < (g + 1) * each; c++)
            for (int y = 0; y < in.h; y++) {
                const size_t row = by.at(in, c, y);
                const V* x = in.row(c, y);
                V* to = out.row(c, y);
                for (int i = 0; i < in.w; i++) to[i] = (x[i] - of.mean) * of.inverse * by.gain(row, i) + by.shift(row, i);
            }
    }
}

// d of x = inverse (d of z - mean of d of z - z * mean of (d of z * z)), where z is x normalised and d of z is gamma * d of y.
// The sums of d of y * z and of d of y over lanes, and over pixels unless `each`, go to `gammas` and `betas`.
inline void group_norm_back(View gradient, View in, View to, bool needed, int groups, float eps, Scaling by, V mask, bool add,
                            float* gammas, float* betas) {
    const int each = in.c / groups;
    const V share = all(1.0f / (float(each) * float(in.h) * float(in.w)));
    for (int g = 0; g < groups; g++) {
        const Centre of = centre(in, g * each, (g + 1) * each, eps, mask);
        V plain{}, product{};
        for (int c = g * each; c < (g + 1) * each; c++) {
            V gamma{}, beta{};
            for (int y = 0; y < in.h; y++) {
                const size_t row = by.at(in, c, y);
                const V *d = gradient.row(c, y), *x = in.row(c, y);
                V sum{}, sum_of_products{};
                for (int i = 0; i < in.w; i++) {
                    const V both = d[i] * (x[i] - of.mean) * of.inverse, gain = by.gain(row, i);
                    sum += d[i] * gain;
                    sum_of_products += both * gain;
                    gamma += both;
                    beta += d[i];
                    if (by.each) gammas[row + i] = sum_of_lanes(both), betas[row + i] = sum_of_lanes(d[i]);
                }
                plain += sum * share;
                product += sum_of_products * share;
            }
            if (!by.each) gammas[c] = sum_of_lanes(gamma), betas[c] = sum_of_lanes(beta);
        }
        if (!needed) continue;
        for (int c = g * each; c < (g + 1) * each; c++)
            for (int y = 0; y < in.h; y++) {
                const size_t row = by.at(in, c, y);
                const V *d = gradient.row(c, y), *x = in.row(c, y);
                V* t = to.row(c, y);
                for (int i = 0; i < in.w; i++) {
                    const V v = of.inverse * (d[i] * by.gain(row, i) - plain - (x[i] - of.mean) * of.inverse * product);
                    t[i] = add ? t[i] + v : v;
                }
            }
    }
}

inline Scaling scaling(const Node& n, const Call& call) { return {call.value(n.gamma), call.value(n.beta), n.shared != 0}; }

inline void Plan::add_group_norm(int index, bool training) {
    const Node& n = nodes[index];
    sweep(training, [this, &n](int slot, int group, int) {
        group_norm(value(n.in, slot), value(n.out, slot), n.groups, n.eps, scaling(n, call), lane_mask(call.valid(group)));
    });
}

inline void Plan::group_norm_backward(int index, bool add) {
    const Node& n = nodes[index];
    State& s = *states[index];
    const Size size = sizes[n.in];
    s.weight_count = size_t(size.c) * (n.shared ? size.h * size.w : 1);
    s.weights.take(s.weight_count * slots);
    s.biases.take(s.weight_count * slots);
    sweep(true, [this, &n, &s, add](int slot, int group, int thread) {
        const bool needed = needs[n.in];
        const View g = gradient(n.out, slot, thread), x = value(n.in, slot);
        group_norm_back(g, x, needed ? gradient(n.in, slot, thread) : View{}, needed, n.groups, n.eps, scaling(n, call),
                        lane_mask(call.valid(group)), add, s.weights.data + group * s.weight_count, s.biases.data + group * s.weight_count);
    });
}

// Adds the partial gradients of its weights, group after group, to the caller's.
inline void Plan::reduce_group_norm(int index) {
    const State& s = *states[index];
    const Node& n = nodes[index];
    for (auto [to, from] : {std::pair{call.gradient(n.gamma), s.weights.data}, {call.gradient(n.beta), s.biases.data}})
        for (size_t k = 0; to && k < s.weight_count; k++) {
            float sum = 0;
            for (int g = 0; g < call.groups(); g++) sum += from[g * s.weight_count + k];
            to[k] += sum;
        }
}

}  // namespace
