#include "support/cluster.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/assert.hpp"

namespace oxbow::testing {
namespace {

std::string read_line(int from) {
  std::string line;
  char c = 0;
  while (read(from, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

}  // namespace

Cluster::Cluster(const std::vector<std::string>& settings) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  OXBOW_ASSERT(pipe2(in.data(), O_CLOEXEC) == 0 && pipe2(out.data(), O_CLOEXEC) == 0, "no pipes");
  std::vector<const char*> words = {"/usr/bin/python3", OXBOW_TEST_SUPPORT "/cluster.py"};
  for (const auto& setting : settings) words.push_back(setting.c_str());
  words.push_back(nullptr);
  child_ = fork();
  if (child_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execvp(words[0], const_cast<char* const*>(words.data()));
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  lifeline_ = in[1];
  auto line = read_line(out[0]);  // postgresql://postgres@127.0.0.1:5432/postgres
  close(out[0]);
  OXBOW_ASSERT(!line.empty(), "cluster.py did not start a server");
  port_ = std::stoi(line.substr(line.rfind(':') + 1));
}

Cluster::~Cluster() {
  close(lifeline_);
  waitpid(child_, nullptr, 0);
}

std::string Cluster::url(const std::string& database, const std::string& user) const {
  return fmt::format("postgresql://{}@127.0.0.1:{}/{}", user, port_, database);
}

}  // namespace oxbow::testing
