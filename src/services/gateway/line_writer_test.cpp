#include "services/gateway/line_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

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

}  // namespace
}  // namespace oxbow
