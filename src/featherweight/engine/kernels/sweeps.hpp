// Which sweeps a node adds to a step, forward and backward, and what happens between two of them.
#pragma once
#include "group_norm.hpp"
#include "residual.hpp"
#include "separable.hpp"

namespace {

inline Window window(const Node& n) { return {n.kernel, n.kernel_w, n.stride, n.stride_w}; }

inline void Plan::add_forward(int index, bool training) {
    const Node& n = nodes[index];
    State& s = *states[index];
    const Size in = sizes[n.in], out = sizes[n.out];
    switch (n.kind) {
        case CONVOLUTION:
            if (training) {
                s.forward = std::make_unique<Convolution>(n.groups, in.c / n.groups, out.c / n.groups, n.kernel, n.stride, n.pad, n.dilation,
                                                          out.w, bf16);
                need(s.forward->room());
            }
            sweep(training, [this, index](int slot, int, int thread) { convolve(index, slot, thread); }, true);
            if (training) multiplied += s.forward->products(out.h);
            break;
        case NORM_ACT_POOL:
            if (n.norm && training) {
                s.affine.resize(in.c);
                s.moments.resize(size_t(slots) * in.c);
                sweep(true, [this, &n, &s](int slot, int group, int) {
                    moments(value(n.in, slot), call.valid(group), s.moments.data() + size_t(group) * sizes[n.in].c);
                });
                close([this, index] { measured_norm(index); });
            }
            if (n.act_weight >= 0 && training) s.affine.resize(in.c), s.act_sums.resize(size_t(slots) * in.c);
            if (n.kernel > 1 && training) {
                s.where_size = size_t(out.c) * out.h * out.w;
                s.where.take(s.where_size * slots);
            }
            if (feeds_depthwise(index)) break;
            if (feeds_sum(index)) {
                add_sum(index, training);
                break;
            }
            sweep(training, [this, &n, &s, training](int slot, int group, int thread) {
                const Dropout drop = training ? dropout(n, group, call.seed) : Dropout{};
                norm_act_pool(value(n.in, slot), value(n.out, slot), n.norm || n.act_weight >= 0 ? s.affine.data() : nullptr, n.act, drop,
                             {n.kernel, n.stride}, vectors(thread), s.where.data + slot * s.where_size);
            });
            break;
        case AVERAGE:
            sweep(training, [this, &n](int slot, int, int) { average_pool(value(n.in, slot), value(n.out, slot), window(n)); });
            break;
        case GROUP_NORM:
            add_group_norm(index, training);
            break;
        case SCALE:
            sweep(training, [this, &n](int slot, int, int) { scale(value(n.other, slot), value(n.in, slot), value(n.out, slot)); });
            break;
        case ADD:
            if (feeds_sum(index - 1)) break;
            [[fallthrough]];
        case COPY:
            sweep(training, [this, &n](int slot, int, int) {
                copy(value(n.in, slot), value(n.out, slot), false);
                if (n.kind == ADD) copy(value(n.other, slot), value(n.out, slot), true);
            });
            break;
    }
}

inline void Plan::add_backward(int index) {
    const Node& n = nodes[index];
    if (!needs[n.out]) return;
    if (n.kind == ADD && gradients[n.other] == gradients[n.out]) written[n.other] = true;
    if (n.kind == ADD && needs[n.other] && gradients[n.other] != gradients[n.out]) {
        const bool add = !first_gradient(n.other);
        sweep(true, [this, &n, add](int slot, int, int thread) { copy(gradient(n.out, slot, thread), gradient(n.other, slot, thread), add); });
    }
    if (n.kind == SCALE && needs[n.other]) {
        const bool add = !first_gradient(n.other);
        sweep(true, [this, &n, add](int slot, int, int thread) {
            scale_back_input(gradient(n.out, slot, thread), value(n.in, slot), gradient(n.other, slot, thread), add);
        });
    }
    const bool add = needs[n.in] && !first_gradient(n.in);
    if (n.kind == ADD && feeds_sum(index - 1)) return;
    if (n.kind == CONVOLUTION) convolution_back(index, add);
    if (n.kind == NORM_ACT_POOL) norm_act_pool_back(index, add);
    if (n.kind == GROUP_NORM) group_norm_backward(index, add);
    if (!needs[n.in]) return;
    if (n.kind == SCALE)
        sweep(true, [this, &n, add](int slot, int, int thread) {
            scale_back_gate(gradient(n.out, slot, thread), value(n.other, slot), gradient(n.in, slot, thread), add);
        });
    if (n.kind == AVERAGE)
        sweep(true, [this, &n, add](int slot, int, int thread) {
            average_pool_back(gradient(n.out, slot, thread), gradient(n.in, slot, thread), window(n), add);
        });
    if (n.kind == ADD || n.kind == COPY)
        sweep(true, [this, &n, add](int slot, int, int thread) { copy(gradient(n.out, slot, thread), gradient(n.in, slot, thread), add); });
}

inline void Plan::convolution_back(int index, bool add) {
    const Node& n = nodes[index];
    State& s = *states[index];
    const Size in = sizes[n.in], out = sizes[n.out];
    if (fleeting[n.in]) {
        sweep(true, [this, index](int slot, int, int thread) { convolve(index - 1, slot, thread); }, true);
        multiplied += states[index - 1]->forward->products(sizes[n.in].h);
    }
    s.linear = in.h * in.w == 1 && n.kernel == 1 && n.groups == 1;
    s.weight_count = size_t(out.c) * (in.c / n.groups) * n.kernel * n.kernel;
    s.weight_pitch = s.linear ? size_t(in.c + LANES - 1) / LANES * LANES : s.weight_count / out.c;
    s.weights.take(s.weight_pitch * out.c * slots);
    if (n.bias >= 0) s.biases.take(size_t(out.c) * slots);
    if (n.groups == 1 && n.dilation == 1 && winograd_pays(in.c, out.c, n.kernel, n.stride, out.w)) {
        auto winograd = std::make_unique<WinogradGradient>(in.c, out.c, out.h, out.w);
        if (winograd->pays()) need(winograd->room()), s.winograd = std::move(winograd);
    }
    const bool pointwise = is_pointwise(n.groups, n.kernel, n.stride, n.pad);
    if (pointwise) need(PointwiseGradient::room(in.c, out.c));
    const bool halves = pointwise && !s.linear && s.forward->halves;
    const PairsGradient pairs(in.c, out.c, out.h, out.w);
    if (halves) need(pairs.room());
    if (reads_plane(index)) return depthwise_back(index);
    sweep(true, [this, &n, &s, pointwise, halves, pairs](int slot, int group, int thread) {
        const View x = value(n.in, slot, thread), g = gradient(n.out, slot, thread);
        float* to = s.weights.data + group * s.weight_pitch * g.c;
        if (s.linear) linear_gradient(x, g, s.weight_pitch, scratch[thread].data, to);
        else if (halves) pairs.run(x, g, to, vectors(thread));
        else if (pointwise) PointwiseGradient(x, g).run(x, g, to, vectors(thread));
        else if (s.winograd) s.winograd->run(x, g, n.pad, to, vectors(thread));
        else weight_gradient(x, g, n.groups, n.kernel, n.stride, n.pad, n.dilation, to);
        if (n.bias >= 0) channel_sums(g, s.biases.data + size_t(group) * g.c);
    }, true);
    multiplied += s.winograd ? s.winograd->products(out.h) : double(s.weight_count) * out.h * out.w;
    if (!needs[n.in]) return;
    const int reach = plan_back(index);
    need(s.back->room());
    if (n.stride > 1) {
        s.dilated.c = out.c, s.dilated.h = in.h + reach, s.dilated.w = in.w + reach;
        s.dilated.block.take(s.dilated.size() * workers.size());
    }
    sweep(true, [this, &n, &s, add](int slot, int, int thread) {
        View g = gradient(n.out, slot, thread);
        if (n.stride > 1) {  // zeros between the pixels make of it a convolution of stride 1
            const View wide = s.dilated.at(thread);
            const int at = n.dilation * (n.kernel - 1) - n.pad;
            for (int c = 0; c < g.c; c++)
                for (int y = 0; y < g.h; y++)
                    for (int x = 0; x < g.w; x++) wide.row(c, at + y * n.stride)[at + x * n.stride] = g.row(c, y)[x];
            g = wide;
        }
        s.back->run(g, gradient(n.in, slot, thread), nullptr, add, vectors(thread));
    }, true);
    multiplied += s.back->products(in.h);
}

// The convolution that leads from the gradient of node `index`'s output to that of its input; the reach of its kernel.
inline int Plan::plan_back(int index) {
    const Node& n = nodes[index];
    const int reach = n.dilation * (n.kernel - 1), pad = n.stride == 1 ? reach - n.pad : 0;  // from the first tap to the last
    states[index]->back = std::make_unique<Convolution>(n.groups, sizes[n.out].c / n.groups, sizes[n.in].c / n.groups, n.kernel, 1, pad,
                                                        n.dilation, sizes[n.in].w, bf16);
    return reach;
}

inline void Plan::norm_act_pool_back(int index, bool add) {
    const Node& n = nodes[index];
    State& s = *states[index];
    const bool pooled = n.kernel > 1;
    if (!n.norm) {
        if (needs[n.in])
            sweep(true, [this, &n, &s, index, pooled, add](int slot, int group, int thread) {
                const View g = gradient(n.out, slot, thread), y = value(n.out, slot), to = gradient(n.in, slot, thread);
                const Dropout drop = dropout(n, group, call.seed);
                if (pooled) backward_pool(g, y, to, n.act, drop, {n.kernel, n.stride}, s.where.data + slot * s.where_size, add);
                else if (n.act_weight < 0) norm_act_back(g, y, value(n.in, slot), to, nullptr, n.act, drop, add, nullptr);
                else {
                    Sums* sums = reinterpret_cast<Sums*>(vectors(thread));
                    norm_act_back(g, y, value(n.in, slot), to, s.affine.data(), n.act, drop, add, sums);
                    keep_act_sums(index, group, sums);
                }
            });
        return;
    }
    const int channels = sizes[n.in].c;
    s.sums.resize(size_t(slots) * channels);
    const bool summed = feeds_sum(index);
    if (summed) need(3 * size_t(channels) + sizes[n.in].w);
    if (!feeds_depthwise(index))
        sweep(true, [this, &n, &s, index, pooled, summed, channels](int slot, int group, int thread) {
            const View g = gradient(n.out, slot, thread), y = value(n.out, slot), x = value(n.in, slot);
            const Dropout drop = dropout(n, group, call.seed);
            Sums* sums = reinterpret_cast<Sums*>(vectors(thread));
            if (summed)
                norm_act_back(gradient(nodes[index + 1].out, slot, thread), y, x, g, s.affine.data(), n.act, drop, false, sums,
                              vectors(thread) + 3 * channels);
            else if (pooled) backward_pooled_sums(g, y, x, s.affine.data(), n.act, drop, n.kernel, s.where.data + slot * s.where_size, sums);
            else norm_act_back(g, y, x, g, s.affine.data(), n.act, drop, false, sums);
            keep_sums(index, group, sums);
            if (n.act_weight >= 0) keep_act_sums(index, group, sums);
        });
    s.lines.resize(channels);
    close([this, index] { norm_gradients(index); });
    if (!needs[n.in]) return;
    sweep(true, [this, &n, &s, pooled, add](int slot, int group, int thread) {
        const View g = gradient(n.out, slot, thread), x = value(n.in, slot), to = gradient(n.in, slot, thread);
        const V mask = lane_mask(call.valid(group));
        if (pooled) backward_pooled_norm(g, value(n.out, slot), x, to, s.lines.data(), mask, n.act, dropout(n, group, call.seed),
                                         n.kernel, s.where.data + slot * s.where_size, add);
        else backward_norm(g, x, to, s.lines.data(), mask, add);
    });
}

inline void Plan::keep_sums(int index, int group, const Sums* sums) {
    const int channels = sizes[nodes[index].in].c;
    for (int c = 0; c < channels; c++)
        states[index]->sums[size_t(group) * channels + c] = {sum_of_lanes(sums[c].gradient), sum_of_lanes(sums[c].product)};
}

inline void Plan::keep_act_sums(int index, int group, const Sums* sums) {
    const int channels = sizes[nodes[index].in].c;
    for (int c = 0; c < channels; c++) states[index]->act_sums[size_t(group) * channels + c] = sum_of_lanes(sums[c].weight);
}

inline void Plan::pack_weights(bool back) {
    workers.run(int(nodes.size()), [this, back](int i, int) {
        if (nodes[i].kind != CONVOLUTION) return;
        states[i]->forward->pack(call.value(nodes[i].weight));
        if (back && states[i]->back) states[i]->back->pack_back(call.value(nodes[i].weight));
    });
}

// The batch's own mean and variance, group after group (Chan et al., 1983), and the running ones moved towards them.
inline void Plan::measured_norm(int index) {
    const Node& n = nodes[index];
    State& s = *states[index];
    const Size& size = sizes[n.in];
    const double pixels = double(size.h) * size.w, total = pixels * call.count;
    float momentum = n.momentum;
    if (n.count >= 0) {
        int64_t* steps = static_cast<int64_t*>(call.values[n.count]);
        ++*steps;
        if (momentum < 0) momentum = 1 / float(*steps);
    }
    for (int c = 0; c < size.c; c++) {
        double seen = 0, mean = 0, squares = 0;
        for (int g = 0; g < call.groups(); g++) {
            const Moments& m = s.moments[size_t(g) * size.c + c];
            const double more = pixels * call.valid(g), distance = m.mean - mean;
            squares += m.squares + distance * distance * seen * more / (seen + more);
            mean += distance * more / (seen + more);
            seen += more;
        }
        const float* gamma = call.value(n.gamma);
        const float* beta = call.value(n.beta);
        s.affine[c] = {float(mean), float((gamma ? gamma[c] : 1) / std::sqrt(squares / total + n.eps)), beta ? beta[c] : 0,
                       act_weight(n, c)};
        s.moments[c] = {mean, squares};  // of the whole batch, for the way back
        float &running = call.value(n.mean)[c], &variance = call.value(n.variance)[c];
        running += momentum * (float(mean) - running);
        variance += momentum * (float(squares / (total - 1)) - variance);
    }
}

inline void Plan::running_norm(int index) {
    const Node& n = nodes[index];
    const float *gamma = call.value(n.gamma), *beta = call.value(n.beta), *mean = call.value(n.mean), *variance = call.value(n.variance);
    for (int c = 0; c < sizes[n.in].c; c++)
        states[index]->affine[c] = {mean[c], float((gamma ? gamma[c] : 1) / std::sqrt(double(variance[c]) + n.eps)), beta ? beta[c] : 0,
                                    act_weight(n, c)};
}

inline void Plan::plain_affine(int index) {  // of PReLU without a norm before it
    for (int c = 0; c < sizes[nodes[index].in].c; c++) states[index]->affine[c] = {0, 1, 0, act_weight(nodes[index], c)};
}

// d of x = gain (d of y - mean of d of y - normalised x * mean of (d of y * normalised x)), as a line in d of y and x.
inline void Plan::norm_gradients(int index) {
    const Node& n = nodes[index];
    State& s = *states[index];
    const int channels = sizes[n.in].c;
    const double total = double(sizes[n.in].h) * sizes[n.in].w * call.count;
    float *gamma = call.gradient(n.gamma), *beta = call.gradient(n.beta);
    for (int c = 0; c < channels; c++) {
        double sum = 0, product = 0;
        for (int g = 0; g < call.groups(); g++) {
            sum += s.sums[size_t(g) * channels + c].first;
            product += s.sums[size_t(g) * channels + c].second;
        }
        const double inverse = 1 / std::sqrt(s.moments[c].squares / total + n.eps), gain = s.affine[c].gain;
        if (gamma) gamma[c] += float(product * inverse);
        if (beta) beta[c] += float(sum);
        s.lines[c] = {s.affine[c].mean, float(gain), float(-gain * inverse * inverse * product / total), float(-gain * sum / total)};
    }
}

// Adds a share of every weight's partial gradients, group after group, to the caller's.
inline void Plan::reduce_weights(int part, int parts) {
    for (size_t i = 0; i < nodes.size(); i++) {
        const Node& n = nodes[i];
        const State& s = *states[i];
        if (n.kind == GROUP_NORM && part == 0) reduce_group_norm(int(i));
        if (float* to = part == 0 ? call.gradient(n.act_weight) : nullptr) {
            const int channels = sizes[n.in].c;
            for (int c = 0; c < channels; c++) {
                float sum = 0;
                for (int g = 0; g < call.groups(); g++) sum += s.act_sums[size_t(g) * channels + c];
                to[n.shared ? 0 : c] += sum;
            }
        }
        if (n.kind != CONVOLUTION) continue;
        const int outputs = sizes[n.out].c;
        const size_t each = s.weight_count / outputs;
        if (float* to = call.gradient(n.weight))
            for (int o = outputs * part / parts; o < outputs * (part + 1) / parts; o++)
                for (size_t k = 0; k < each; k++) {
                    float sum = 0;
                    for (int g = 0; g < call.groups(); g++) sum += s.weights.data[(size_t(g) * outputs + o) * s.weight_pitch + k];
                    to[o * each + k] += sum;
                }
        if (float* to = part == 0 ? call.gradient(n.bias) : nullptr)
            for (int o = 0; o < outputs; o++) {
                float sum = 0;
                for (int g = 0; g < call.groups(); g++) sum += s.biases.data[size_t(g) * outputs + o];
                to[o] += sum;
            }
    }
}

}  // namespace
