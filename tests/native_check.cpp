// Runs programs that test_native_sanitizers.py wrote, each value in memory of exactly its size.
// Usage: native_check FILE. Prints how many programs ran, and a digest of the values that they gave.
#include "../src/featherweight/engine/kernels/engine.cpp"

#include <cmath>
#include <fstream>
#include <iostream>

template <class T>
static T* filled(size_t count, float value) {
    T* data = static_cast<T*>(std::malloc(std::max<size_t>(1, count * sizeof(T))));
    for (size_t i = 0; i < count; i++) data[i] = T(value + 0.01f * float(i % 7));
    return data;
}

static uint64_t digest = 14695981039346656037u; // FNV-1a

static void count_in(const float* values, size_t count) {
    const unsigned char* bytes = reinterpret_cast<const unsigned char*>(values);
    for (size_t i = 0; i < count * sizeof(float); i++) digest = (digest ^ bytes[i]) * 1099511628211u;
}

int main(int, char** arguments) {
    std::ifstream file(arguments[1]);
    int programs = 0, batch, threads, nodes, tensors, values;
    while (file >> batch >> threads >> nodes >> tensors >> values) {
        std::vector<Node> program(nodes);
        std::vector<Size> sizes(tensors);
        for (Node& n : program) {
            int32_t* whole = &n.kind;
            for (int i = 0; i < 24; i++) file >> whole[i];
            file >> n.eps >> n.momentum >> n.rate;
        }
        for (Size& s : sizes) file >> s.c >> s.h >> s.w;
        std::vector<void*> places;
        std::vector<float*> gradients;
        std::vector<size_t> counted;
        for (int i = 0; i < values; i++) {
            size_t count;
            int counts;
            file >> count >> counts;
            places.push_back(counts ? static_cast<void*>(filled<int64_t>(count, 0)) : filled<float>(count, 0.1f));
            gradients.push_back(counts ? nullptr : filled<float>(count, 0));
            counted.push_back(count);
        }
        char error[200];
        const int normalised = programs % 3 != 1, log_output = programs % 3 == 2;
        auto planned = [&](int on) {
            return featherweight_plan(program.data(), nodes, sizes.data(), tensors, batch, on, normalised, 0.1, 0.5, 2,
                                      log_output, featherweight_bf16(), error);
        };
        for (int wrong : {-1, 0, MOST_THREADS + 1})
            if (planned(wrong) || std::string(error).find("threads are possible") == std::string::npos) {
                std::cerr << "program " << programs << ": planned on " << wrong << " threads\n";
                return 1;
            }
        void* plan = planned(threads);
        const Size in = sizes[0], out = sizes[program.back().out];
        for (int count : {batch, 2, batch - 1}) {
            float* images = filled<float>(size_t(count) * in.c * in.h * in.w, 0.2f);
            int64_t* labels = filled<int64_t>(count, 0);
            float* taught = count == batch ? filled<float>(size_t(count) * out.c, 0.1f) : nullptr;
            float loss;
            int64_t correct;
            if (featherweight_step(plan, images, labels, taught, count, 3, places.data(), gradients.data(), &loss, &correct) ||
                !std::isfinite(loss)) {
                std::cerr << "program " << programs << ": loss " << loss << "\n";
                return 1;
            }
            for (int64_t wrong : {int64_t(-1), int64_t(out.c), INT64_MAX}) {
                labels[count - 1] = wrong;
                if (!featherweight_step(plan, images, labels, taught, count, 3, places.data(), gradients.data(), &loss, &correct)) {
                    std::cerr << "program " << programs << ": label " << wrong << " was taken\n";
                    return 1;
                }
            }
            float* output = filled<float>(size_t(count) * out.c, 0);
            featherweight_scores(plan, images, count, places.data(), output);
            count_in(output, size_t(count) * out.c);
            for (int i = 0; i < values; i++)
                if (gradients[i]) count_in(gradients[i], counted[i]);
            uint8_t* bytes = filled<uint8_t>(3 * size_t(in.c) * in.h * in.w, 200);
            int64_t* chosen = filled<int64_t>(count, 2);
            float* affine = filled<float>(size_t(5) * count, 0.5f);
            float* after = filled<float>(size_t(9) * count, 0.3f);
            float* field = filled<float>(size_t(2) * count * in.h * in.w, 0.1f);
            float *factor = filled<float>(in.c, 0.1f), *offset = filled<float>(in.c, 0.1f);
            float* mirror = filled<float>(size_t(2) * count, 1);
            float* colours = filled<float>(size_t(count) * in.c * (in.c + 1), 0.4f);
            for (bool all : {false, true})
                if (featherweight_sample(plan, bytes, 3, chosen, count, affine, all ? after : nullptr, all ? field : nullptr,
                                         1e-4f, factor, offset, all ? mirror : nullptr, all,
                                         all && in.c <= MOST_COLOURS ? colours : nullptr, images)) {
                    std::cerr << "program " << programs << ": nothing sampled\n";
                    return 1;
                }
            chosen[count - 1] = 3;
            if (!featherweight_sample(plan, bytes, 3, chosen, count, affine, nullptr, nullptr, 1e-4f, factor, offset, nullptr,
                                      0, nullptr, images)) {
                std::cerr << "program " << programs << ": an image that is not there was sampled\n";
                return 1;
            }
            std::free(bytes), std::free(chosen), std::free(affine), std::free(after), std::free(field);
            std::free(factor), std::free(offset), std::free(mirror), std::free(colours);
            std::free(images), std::free(labels), std::free(taught), std::free(output);
        }
        for (int i = 0; i < nodes; i++)
            if (program[i].kind == NORM_ACT_POOL && program[i].drop) {
                const Size s = sizes[program[i].in];
                float* mask = filled<float>(size_t(batch) * s.c * s.h * s.w, 0);
                featherweight_mask(plan, i, batch, 3, mask);
                std::free(mask);
            }
        if (featherweight_convolutions(plan) < 0 || featherweight_products(plan) < 0 || featherweight_bytes(plan) == 0) return 1;
        featherweight_free(plan);
        for (void* place : places) std::free(place);
        for (float* gradient : gradients) std::free(gradient);
        programs++;
    }
    if (featherweight_peak(2, 1e-3) <= 0 || featherweight_peak(0, 1e-3) >= 0) return 1;
    std::cout << programs << " " << digest << "\n";
}
