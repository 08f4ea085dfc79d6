// Workers: threads that help a call and stay a while for the next one.
//
// A thread that is new at every call often begins on the CPU that is busy with the caller, until the scheduler balances some
// milliseconds later; one that wakes up goes where it was, if that is idle. (Measured for 3 ms of work on two CPUs, Linux 6.18:
// the other thread begins after 2.7 ms at the median if it is new, after 0.03 ms if it was waiting.)
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#ifndef _WIN32
#include <pthread.h>
#include <signal.h>
#endif

#include "support/can_throw.hpp"

namespace cfdns {

class Workers {
 public:
  // Those of this process. They are never destroyed, because threads may wait until the process ends. A fork has none of its
  // parent's threads, so it gets its own.
  static Workers& of_process() {
    (void)registered_;
    Workers* workers = current_.load();
    if (workers != nullptr) return *workers;
    Workers* made = new Workers;
    if (current_.compare_exchange_strong(workers, made)) return *made;
    delete made;
    return *workers;
  }

  // Do the task here and, at the same time, on so many other threads or as many as there can be. Returns when all of them
  // are done. The task must not throw, and must do everything even where it is done here alone.
  void run(size_t others, const std::function<void()>& task) {
    Job job{task, others};
    begin(job);
    task();
    end(job);
  }

 private:
  struct Job {
    const std::function<void()>& task;
    size_t wanted;        // so many threads may still begin it
    size_t running = 0;   // so many have not ended it
    Job* next = nullptr;  // of those that threads may still begin
    std::condition_variable done;
  };

  // Batches that follow each other find them; a process that is done with threads is single-threaded again soon.
  static constexpr std::chrono::seconds patience{2};

  // A CPU that sleeps takes 20 to 50 µs to wake up. (Measured, two threads: 3 to 5 % of batches of 3,000 records, 1 % of 30,000;
  // less with 40 µs, nothing with 20. To pause the CPU instead of yielding is slower than to sleep, on a virtual machine.)
  static constexpr std::chrono::microseconds moment{100};

  static inline std::atomic<Workers*> current_{nullptr};

  // Done when the module is loaded. What is done first at the first call can be cut in two by a fork.
#ifdef _WIN32
  static constexpr int registered_ = 0;
#else
  static inline const int registered_ = pthread_atfork(nullptr, nullptr, [] { current_.store(nullptr); });
#endif

  void begin(Job& job) {
    if (job.wanted == 0) return;
    const size_t wanted = job.wanted;
    {
      std::lock_guard<std::mutex> guard(mutex_);
      job.next = jobs_;
      jobs_ = &job;
      wanted_ += wanted;
      while (idle_ < wanted_ && start()) ++idle_;
    }
    for (size_t i = 0; i < wanted; ++i) wake_.notify_one();
  }

  void end(Job& job) {
    std::unique_lock<std::mutex> guard(mutex_);
    // Who has not begun it would find nothing to do.
    if (job.wanted != 0) {
      Job** at = &jobs_;
      while (*at != &job) at = &(*at)->next;
      *at = job.next;
      wanted_ -= job.wanted;
    }
    auto all_ended = [&] { return job.running == 0; };
    stay_awake(guard, all_ended);
    job.done.wait(guard, all_ended);
  }

  // Without signals, but for those of a fault of its own: they are for threads that expect them.
  bool start() {
#ifndef _WIN32
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
#endif
    bool started = true;
    try {
      std::thread([this] { work(); }).detach();
    } catch (const std::exception&) {
      started = false;  // no more threads, or no memory for one
    }
#ifndef _WIN32
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
    return started;
  }

  void work() {
    std::unique_lock<std::mutex> guard(mutex_);
    auto is_wanted = [&] { return jobs_ != nullptr; };
    while (can_throw()) {
      stay_awake(guard, is_wanted);
      if (!wake_.wait_for(guard, patience, is_wanted)) break;
      Job& job = *jobs_;
      if (--job.wanted == 0) jobs_ = job.next;
      --wanted_;
      --idle_;
      ++job.running;
      guard.unlock();
      job.task();
      guard.lock();
      ++idle_;
      if (--job.running == 0) job.done.notify_one();
    }
    --idle_;
  }

  // Before a wait for what often comes at once. Who else wants the CPU gets it, unless its priority is lower.
  template <typename Condition>
  static void stay_awake(std::unique_lock<std::mutex>& guard, Condition holds) {
    const auto end = std::chrono::steady_clock::now() + moment;
    while (!holds() && std::chrono::steady_clock::now() < end) {
      guard.unlock();
      std::this_thread::yield();
      guard.lock();
    }
  }

  std::mutex mutex_;  // guards all that follows, and the jobs
  std::condition_variable wake_;
  Job* jobs_ = nullptr;  // that threads may still begin
  size_t wanted_ = 0;    // so many, of all of them
  size_t idle_ = 0;      // threads that wait, or are about to
};

}  // namespace cfdns
