// A few threads that wait for work. Who does what changes nothing: tasks write to places of their own.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

// Callers allow no more threads than there are processors; this bounds what a caller that does not ask can do.
constexpr int MOST_THREADS = 4096;

inline void breathe() {
#if defined(__x86_64__)
    _mm_pause();
#endif
}

class ThreadPool {
public:
    explicit ThreadPool(int threads) {
        if (threads < 1 || threads > MOST_THREADS)
            throw std::invalid_argument("1 to " + std::to_string(MOST_THREADS) + " threads are possible");
        helpers.reserve(threads - 1);
        try {
            for (int t = 1; t < threads; t++) helpers.emplace_back([this, t] { serve(t); });
        } catch (const std::system_error& error) {
            const int started = size();
            stop();
            throw std::runtime_error("the system started " + std::to_string(started) + " of " + std::to_string(threads) +
                                     " threads and refused the next: " + error.code().message());
        } catch (...) {
            stop();
            throw;
        }
    }
    ~ThreadPool() { stop(); }
    int size() const { return int(helpers.size()) + 1; }

    // work(task, thread) for every task from 0; returns when all are done.
    void run(int count, const std::function<void(int, int)>& work) {
        if (helpers.empty() || count <= 1) {
            for (int task = 0; task < count; task++) work(task, 0);
            return;
        }
        {
            std::lock_guard<std::mutex> guard(lock);
            job = &work;
            tasks = count;
            next = 0;
            open = true;
            call++;
        }
        wake.notify_all();
        take(0);
        // A helper that has not come by now is not waited for: on a busy machine it may take milliseconds to wake.
        {
            std::lock_guard<std::mutex> guard(lock);
            open = false;
        }
        while (busy.load(std::memory_order_acquire) > 0) breathe_or_yield();
    }

private:
    void stop() {
        {
            std::lock_guard<std::mutex> guard(lock);
            over = true;
            call++;
        }
        wake.notify_all();
        for (auto& helper : helpers) helper.join();
        helpers.clear();
    }
    void take(int thread) {
        for (int task; (task = next.fetch_add(1)) < tasks;) (*job)(task, thread);
    }
    void breathe_or_yield() {
        // Other processes may need this core: after some microseconds of spinning, step back.
        static thread_local int spins = 0;
        if (++spins % 256) breathe();
        else std::this_thread::yield();
    }
    void serve(int thread) {
        uint64_t seen = 0;
        for (;;) {
            for (int spin = 0; spin < 4096 && call.load(std::memory_order_acquire) == seen; spin++) breathe();
            if (call.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> guard(lock);
                wake.wait(guard, [&] { return call.load() != seen; });
            }
            {
                std::lock_guard<std::mutex> guard(lock);
                seen = call.load();
                if (over) return;
                if (!open) continue;
                busy.fetch_add(1, std::memory_order_relaxed);
            }
            take(thread);
            busy.fetch_sub(1, std::memory_order_release);
        }
    }

    std::vector<std::thread> helpers;
    std::mutex lock;
    std::condition_variable wake;
    std::atomic<uint64_t> call{0};
    std::atomic<int> next{0}, busy{0};
    const std::function<void(int, int)>* job = nullptr;
    int tasks = 0;
    bool over = false, open = false;
};

}  // namespace
