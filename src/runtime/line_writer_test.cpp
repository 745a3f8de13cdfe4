#include "runtime/line_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <sstream>
#include <thread>

#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;

class LineWriterTest : public testing::Test {
 protected:
  LineWriterTest() {
    std::string made = testing::TempDir() + "lines_XXXXXX";
    directory = ::mkdtemp(made.data());
  }
  ~LineWriterTest() override { std::filesystem::remove_all(directory); }

  std::string path(const std::string& name) const { return directory / name; }

  static std::string content(const std::string& of) {
    std::stringstream text;
    text << std::ifstream(of).rdbuf();
    return text.str();
  }

  static int count(std::string_view text, std::string_view part) {
    int found = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
    return found;
  }

  static void wait_until(const std::function<bool()>& fact) {
    for (auto began = monotonic_now(); !fact() && monotonic_now() - began < 10s;)
      std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(fact());
  }

  std::filesystem::path directory;
};

TEST_F(LineWriterTest, HasWrittenAllAtItsEnd) {
  std::string all;
  {
    LineWriter writer("the log", path("a"));
    for (int i = 0; i < 1000; ++i) {
      auto line = std::to_string(i) + "\n";
      all += line;
      writer.write(line);
    }
  }
  EXPECT_EQ(content(path("a")), all);
}

TEST_F(LineWriterTest, AppendsToWhatIsThere) {
  {
    LineWriter("the log", path("a")).write("one\n");
  }
  {
    LineWriter("the log", path("a")).write("two\n");
  }
  EXPECT_EQ(content(path("a")), "one\ntwo\n");
}

TEST_F(LineWriterTest, KeepsItsFileWhereItCannotOpenItAnew) {
  {
    LineWriter writer("the log", path("a"));
    std::filesystem::rename(path("a"), path("b"));
    std::filesystem::create_directory(path("a"));
    writer.reopen();
    writer.write("one\n");
  }
  EXPECT_EQ(content(path("b")), "one\n");
}

// A pipe that is full takes nothing.
TEST_F(LineWriterTest, NeverWaitsForAReaderAndCountsWhatIsLost) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  int reading = ::open(path("pipe").c_str(), O_RDWR | O_CLOEXEC);
  std::uint64_t lost = 0;
  auto began = monotonic_now();
  {
    LineWriter writer("the log", path("pipe"), 1000, 100ms);
    writer.write(std::string(900, 'x') + "\n");
    for (int i = 0; i < 300; ++i) writer.write(std::string(400, 'x') + "\ny\n");
    for (; writer.lines_lost() == 0 && monotonic_now() - began < 5s;)
      writer.write(std::string(900, 'x') + "\n");
    lost = writer.lines_lost();
  }
  EXPECT_GT(lost, 0u);
  EXPECT_LT(monotonic_now() - began, 5s) << "the end has waited for a reader who reads nothing";
  ::close(reading);
}

TEST_F(LineWriterTest, SaysOnceThatLinesAreLostAndOnceThatTheyAreWrittenAgain) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  int reading = ::open(path("pipe").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  testing::internal::CaptureStderr();
  LineWriter writer("the log", path("pipe"), 100 << 10);
  for (auto began = monotonic_now(); monotonic_now() - began < 1s; std::this_thread::sleep_for(250ms))
    for (auto lost = writer.lines_lost(); writer.lines_lost() == lost;)
      writer.write(std::string(1000, 'x') + "\n");
  auto said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count(said, "are lost until it is"), 1) << said;
  EXPECT_EQ(count(said, "is written again"), 0) << said;

  testing::internal::CaptureStderr();
  std::string text, piece(4096, ' ');
  wait_until([&] {
    writer.write("last\n");
    for (ssize_t bytes; (bytes = ::read(reading, piece.data(), piece.size())) > 0;)
      text.append(piece, 0, static_cast<std::size_t>(bytes));
    return text.find("last") != std::string::npos;
  });
  writer.write("end\n");
  writer.finish();
  said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count(said, "is written again"), 1) << said;
  EXPECT_EQ(count(said, "are lost until it is"), 0) << said;
  ::close(reading);
}

TEST_F(LineWriterTest, WaitsForTheReaderOfAPipeAndMakesNobodyElseWait) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::unique_ptr<LineWriter> writer;
  auto opened = std::async(std::launch::async, [&] {
    writer = std::make_unique<LineWriter>("the log", path("pipe"));
    writer->write("one\n");
  });
  bool is_free = opened.wait_for(5s) == std::future_status::ready;
  std::ifstream reading(path("pipe"));
  std::string line;
  std::getline(reading, line);
  EXPECT_EQ(line, "one");
  EXPECT_TRUE(is_free);
}

TEST_F(LineWriterTest, EndsWithoutAReader) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::uint64_t lost = 0;
  auto ended = std::async(std::launch::async, [&] {
    LineWriter writer("the log", path("pipe"), 1000, 100ms);
    writer.write("one\n");
    writer.finish();
    lost = writer.lines_lost();
  });
  EXPECT_EQ(ended.wait_for(5s), std::future_status::ready);
  int reading = ::open(path("pipe").c_str(), O_RDWR | O_CLOEXEC);
  ended.get();
  ::close(reading);
  EXPECT_EQ(lost, 1u);
}

TEST_F(LineWriterTest, EndsAlthoughAReaderKeepsTakingALittle) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  int reading = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    std::string piece(4096, ' ');
    while (!stop) {
      std::this_thread::sleep_for(20ms);
      [[maybe_unused]] auto count = ::read(reading, piece.data(), piece.size());
    }
  });
  auto began = monotonic_now();
  {
    LineWriter writer("the log", path("pipe"), 8 << 20, 200ms);
    writer.write(std::string(2 << 20, 'x') + "\n");
  }
  EXPECT_LT(monotonic_now() - began, 5s);
  stop = true;
  reader.join();
  ::close(reading);
}

// Files may not grow further than that while this lives.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit full{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(LineWriterTest, LeavesNoPartOfALineOnADiskThatWasFull) {
  std::signal(SIGXFSZ, SIG_IGN);
  {
    LineWriter writer("the log", path("a"));
    writer.write("first\n");
    wait_until([&] { return content(path("a")) == "first\n"; });
    {
      FullDisk disk(12);
      writer.write("2nd\nlost\n");
      wait_until([&] { return writer.lines_lost() == 1; });
    }
    writer.write("behind\n");
  }
  EXPECT_EQ(content(path("a")), "first\n2nd\nbehind\n");
}

TEST_F(LineWriterTest, BeginsANewLineWhereAReaderHasLeftAmidOne) {
  std::signal(SIGPIPE, SIG_IGN);
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  int reading = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  auto writer = std::make_unique<LineWriter>("the log", path("pipe"));
  writer->write(std::string(1 << 20, 'x') + "\n");
  wait_until([&] {
    int bytes = 0;
    return ::ioctl(reading, FIONREAD, &bytes) == 0 && bytes >= 1 << 16;
  });
  ::close(reading);
  wait_until([&] { return writer->lines_lost() == 1; });
  reading = ::open(path("pipe").c_str(), O_RDONLY | O_CLOEXEC);
  writer->write("next\n");
  auto ended = std::async(std::launch::async, [&] { writer.reset(); });
  std::string text, piece(4096, ' ');
  for (ssize_t count; (count = ::read(reading, piece.data(), piece.size())) > 0;)
    text.append(piece, 0, static_cast<std::size_t>(count));
  ::close(reading);
  EXPECT_TRUE(text.ends_with("x\nnext\n")) << text.substr(text.size() - 20);
}

}  // namespace
}  // namespace oxbow
