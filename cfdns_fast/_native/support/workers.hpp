// Workers: threads that help a call, and wait a while for the next call.
//
// A new thread often starts on the CPU of its caller and is moved milliseconds later; a thread that wakes up continues
// on the CPU where it ran before, if that is idle.
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
  // The workers of this process. They are never destroyed, because threads may wait until the process ends. A forked
  // child has none of its parent's threads, so it gets workers of its own.
  static Workers& of_process() {
    (void)registered_;
    Workers* workers = current_.load();
    if (workers != nullptr) return *workers;
    Workers* made = new Workers;
    if (current_.compare_exchange_strong(workers, made)) return *made;
    delete made;
    return *workers;
  }

  // Run the task on this thread and on up to `others` more at the same time; return when all have ended. The task must
  // not throw, and must do all the work even when only this thread runs it.
  void run(size_t others, const std::function<void()>& task) {
    Job job{task, others};
    begin(job);
    task();
    end(job);
  }

 private:
  struct Job {
    const std::function<void()>& task;
    size_t wanted;        // number of threads that may still start it
    size_t running = 0;   // number of threads that run it
    Job* next = nullptr;  // the next job that threads may still start
    std::condition_variable done;
  };

  // Long enough for batches that follow each other, and short enough that an idle process soon has one thread again.
  static constexpr std::chrono::seconds patience{2};

  // Sleeping CPUs take 20 to 50 µs to wake up, so a thread that yields for this long is there sooner.
  static constexpr std::chrono::microseconds moment{100};

  static inline std::atomic<Workers*> current_{nullptr};

  // Registered when the module is loaded, because a fork could interrupt a registration at the first call.
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
    // A thread that has not started the job would find nothing to do.
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

  // Block signals in the thread, except those of its own faults: handlers expect to run on the application's threads.
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

  // Poll before a wait that is often short. Yielding lets other threads of the same priority run.
  template <typename Condition>
  static void stay_awake(std::unique_lock<std::mutex>& guard, Condition holds) {
    const auto end = std::chrono::steady_clock::now() + moment;
    while (!holds() && std::chrono::steady_clock::now() < end) {
      guard.unlock();
      std::this_thread::yield();
      guard.lock();
    }
  }

  std::mutex mutex_;  // guards the jobs and all members below
  std::condition_variable wake_;
  Job* jobs_ = nullptr;  // jobs that threads may still start
  size_t wanted_ = 0;    // number of threads that all jobs may still start
  size_t idle_ = 0;      // number of threads that wait, or are about to wait
};

}  // namespace cfdns
