// A pool of threads. Compiled for every machine, so that the linker finds one version of the
// functions of the standard library.
#include "threads.hh"

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace spacy_distill {
namespace {

// Work of one caller, on the caller's stack.
struct Job {
    void (*work)(void*);
    void* context;
    int n_wanted;  // threads that may still join
    int n_running = 0;
    std::exception_ptr error = nullptr;
    std::condition_variable finished{};
    Job* next = nullptr;
};

class Pool {
public:
    void run(Job& job) {
        const int n_wanted = job.n_wanted;
        {
            const std::lock_guard<std::mutex> lock(mutex);
            start_threads(job.n_wanted);
            job.next = jobs;
            jobs = &job;
        }
        for (int i = 0; i < n_wanted; ++i) wake.notify_one();
        std::exception_ptr error = call(job);
        std::unique_lock<std::mutex> lock(mutex);
        remove(job);
        job.finished.wait(lock, [&] { return job.n_running == 0; });
        if (!error) error = job.error;
        if (error) std::rethrow_exception(error);
    }

    void stop() {
        {
            const std::lock_guard<std::mutex> lock(mutex);
            is_stopping = true;
        }
        wake.notify_all();
        for (std::thread& thread : threads) thread.join();
        threads.clear();
    }

private:
    std::mutex mutex;  // of all that follows, and of jobs
    std::condition_variable wake;
    std::vector<std::thread> threads;
    Job* jobs = nullptr;
    bool is_stopping = false;

    // As many as one job wants. If the system allows no more threads, the caller works alone.
    void start_threads(int n_wanted) {
        try {
            while (!is_stopping && int(threads.size()) < n_wanted)
                threads.emplace_back([this] { serve(); });
        } catch (const std::exception&) {
        }
    }

    void serve() {
        std::unique_lock<std::mutex> lock(mutex);
        while (true) {
            wake.wait(lock, [&] { return jobs || is_stopping; });
            if (is_stopping) return;
            Job& job = *jobs;
            ++job.n_running;
            if (--job.n_wanted == 0) remove(job);
            lock.unlock();
            const std::exception_ptr error = call(job);
            lock.lock();
            if (error && !job.error) job.error = error;
            if (--job.n_running == 0) job.finished.notify_one();
        }
    }

    // No more threads join it.
    void remove(Job& job) {
        Job** place = &jobs;
        while (*place && *place != &job) place = &(*place)->next;
        if (*place) *place = job.next;
    }

    static std::exception_ptr call(Job& job) {
        try {
            job.work(job.context);
            return nullptr;
        } catch (...) {
            return std::current_exception();
        }
    }
};

// Never deleted, since a thread may run while the process ends, and since a forked process has a copy
// whose threads do not exist.
std::atomic<Pool*> current{nullptr};

Pool& pool() {
    Pool* found = current;
    if (found) return *found;
#if !defined(_WIN32)
    static const int registered = pthread_atfork(nullptr, nullptr, [] { current = nullptr; });
    (void)registered;
#endif
    Pool* created = new Pool;
    if (current.compare_exchange_strong(found, created)) return *created;
    delete created;
    return *found;
}

#if !defined(_WIN32)  // there the threads have ended before a library is told of the exit
struct AtExit {
    ~AtExit() {
        if (Pool* found = current) found->stop();
    }
} at_exit;
#endif

}  // namespace

void run_in_threads(int n_threads, void (*work)(void*), void* context) {
    if (n_threads < 2) return work(context);
    Job job{work, context, n_threads - 1};
    pool().run(job);
}

}  // namespace spacy_distill
