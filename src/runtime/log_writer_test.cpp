#include "runtime/log_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <future>
#include <string>

#include "base/log.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;

// Stderr is a pipe while this lives.
class PipedLog {
 public:
  PipedLog() : before_(::dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    reading_ = ends[0];
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~PipedLog() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    ::close(reading_);
  }

  static void fill() {
    ::fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    std::string page(4096, '\n');
    while (::write(STDERR_FILENO, page.data(), page.size()) > 0) {
    }
    ::fcntl(STDERR_FILENO, F_SETFL, 0);
  }

  // Until `text` has come.
  std::string read_to(const std::string& text) const {
    std::string all;
    std::array<char, 4096> piece;
    while (all.find(text) == std::string::npos) {
      auto count = ::read(reading_, piece.data(), piece.size());
      if (count <= 0) break;
      all.append(piece.data(), static_cast<std::size_t>(count));
    }
    return all;
  }

 private:
  int before_;
  int reading_ = -1;
};

TEST(LogWriter, MakesNobodyWaitForAReaderThatHasStopped) {
  PipedLog log;
  LogWriter writer;
  PipedLog::fill();
  auto logged = std::async(std::launch::async, [] { log_warn("here it is"); });
  bool is_free = logged.wait_for(5s) == std::future_status::ready;
  EXPECT_NE(log.read_to("here it is\n").find("warn  here it is\n"), std::string::npos);
  EXPECT_TRUE(is_free);
}

TEST(LogWriter, HasWrittenAllAtItsEndAndLetsOthersWriteBehindIt) {
  PipedLog log;
  {
    LogWriter writer;
    for (int i = 0; i < 100; ++i) log_warn("line {}", i);
  }
  log_warn("behind it");
  auto text = log.read_to("behind it\n");
  std::size_t at = 0;
  for (int i = 0; i < 100 && at != std::string::npos; ++i) at = text.find(fmt::format("line {}\n", i), at);
  EXPECT_NE(at, std::string::npos) << text;
}

}  // namespace
}  // namespace oxbow
