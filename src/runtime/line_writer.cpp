#include "runtime/line_writer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/log.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(100);
constexpr std::size_t kPieceBytes = PIPE_BUF;  // a pipe that takes anything takes so much without waiting

bool is_a(int file, mode_t kind) {
  struct stat info{};
  return ::fstat(file, &info) == 0 && (info.st_mode & S_IFMT) == kind;
}

// As many as fit: whoever else writes there, lines of this process or of others, writes between them. Only
// part of a line that is longer than that.
std::string_view whole_lines_of(std::string_view lines) {
  if (lines.size() <= kPieceBytes) return lines;
  auto end = lines.substr(0, kPieceBytes).rfind('\n');
  return lines.substr(0, end == std::string_view::npos ? kPieceBytes : end + 1);
}

// Another way to the same pipe, on which no write waits. Whoever shares the first one keeps it as it is.
int unwaiting(int file) {
  if (!is_a(file, S_IFIFO)) return file;
  int opened = ::open(fmt::format("/proc/self/fd/{}", file).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  return opened < 0 ? file : opened;
}

}  // namespace

LineWriter::LineWriter(std::string name, std::string path, std::size_t bytes_max, Duration end_patience)
    : name_(std::move(name)),
      path_(std::move(path)),
      given_(path_ == "-" ? STDOUT_FILENO : -1),
      bytes_max_(bytes_max),
      end_patience_(end_patience) {
  begin();
}

LineWriter::LineWriter(std::string name, int file, std::size_t bytes_max, Duration end_patience)
    : name_(std::move(name)), given_(file), bytes_max_(bytes_max), end_patience_(end_patience) {
  begin();
}

void LineWriter::begin() {
  if (!is_on()) return;
  open();
  thread_ = std::thread([this] { work(); });
}

LineWriter::~LineWriter() {
  finish();
  if (file_ > STDERR_FILENO) ::close(file_);
}

void LineWriter::finish() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
    give_up_at_ = monotonic_now() + end_patience_;
  }
  has_work_.notify_one();
  thread_.join();
}

void LineWriter::write(std::string lines) {
  if (!is_on() || lines.empty()) return;
  {
    std::lock_guard lock(mutex_);
    if (bytes_ + lines.size() > bytes_max_) return lose(lines);
    bytes_ += lines.size();
    waiting_.push_back(std::move(lines));
  }
  has_work_.notify_one();
}

void LineWriter::reopen() {
  if (!is_on()) return;
  {
    std::lock_guard lock(mutex_);
    wants_reopening_ = true;
  }
  has_work_.notify_one();
}

// One that cannot be opened leaves what is open as it is.
void LineWriter::open() {
  constexpr int kHow = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC;
  int opened = given_ >= 0 ? unwaiting(given_) : ::open(path_.c_str(), kHow, 0666);
  bool lacked_reader = std::exchange(lacks_reader_, opened < 0 && errno == ENXIO);
  if (opened < 0 && !lacks_reader_)
    return log_error("{} {} cannot be opened: {}", name_, path_, std::strerror(errno));
  if (lacks_reader_ && !lacked_reader) log_warn("{} waits for a reader of {}", name_, path_);
  if (file_ > STDERR_FILENO) ::close(file_);
  file_ = opened;
  takes_always_ = is_a(file_, S_IFREG);
}

void LineWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [&] { return ends_ || wants_reopening_ || !waiting_.empty(); });
    bool reopens = std::exchange(wants_reopening_, false);
    if (!reopens && waiting_.empty()) return;
    std::deque<std::string> taken;
    taken.swap(waiting_);
    lock.unlock();
    bool is_all = false;
    for (const auto& lines : taken) {
      put(lines);
      std::lock_guard relock(mutex_);
      bytes_ -= lines.size();
      is_all = bytes_ == 0;
    }
    if (reopens) open();
    tell_losses(is_all);
    lock.lock();
  }
}

void LineWriter::put(std::string_view lines) {
  auto rest = lines;
  while (!rest.empty()) {
    if (gave_up_ || !wait_until_it_takes()) return lose(rest);
    auto piece = is_torn_ ? std::string_view("\n") : takes_always_ ? rest : whole_lines_of(rest);
    auto written = ::write(file_, piece.data(), piece.size());
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) {
      if (!std::exchange(has_failed_, true))
        log_error("{} cannot be written: {}", name_, std::strerror(errno));
      mend(lines.substr(0, lines.size() - rest.size()));
      return lose(rest);
    }
    if (!std::exchange(is_torn_, false)) rest.remove_prefix(static_cast<std::size_t>(written));
  }
  has_failed_ = false;
}

// What comes behind part of a line would look as if it belonged to it.
void LineWriter::mend(std::string_view written) {
  auto torn = written.size() - (written.rfind('\n') + 1);
  if (torn > 0) is_torn_ = !take_back(torn);
}

// From a file that is ours alone.
bool LineWriter::take_back(std::size_t bytes) {
  struct stat info{};
  return takes_always_ && given_ < 0 && ::fstat(file_, &info) == 0 &&
         ::ftruncate(file_, info.st_size - static_cast<off_t>(bytes)) == 0;
}

// False if nobody will: at the end, patience is bounded.
bool LineWriter::wait_until_it_takes() {
  if (takes_always_) return true;
  while (file_ >= 0 || lacks_reader_) {
    gave_up_ = monotonic_now() > give_up_at_.load();
    if (gave_up_) return false;
    if (takes_soon()) return true;
    tell_losses(false);
  }
  return false;
}

bool LineWriter::takes_soon() {
  if (lacks_reader_) {
    open();
    if (lacks_reader_) std::this_thread::sleep_for(kLookEvery);
    return file_ >= 0;
  }
  pollfd waiting{.fd = file_, .events = POLLOUT, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(kLookEvery / std::chrono::milliseconds(1))) > 0;
}

void LineWriter::lose(std::string_view lines) {
  lines_lost_ += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
}

// Once when it begins, and once when it is over: when nothing waits any more and nothing was lost since.
void LineWriter::tell_losses(bool has_put_all) {
  auto lost = lines_lost_.load();
  bool loses = lost > std::exchange(losses_told_, lost);
  if (loses && !std::exchange(is_losing_, true))
    log_warn("{} is not taken as fast as it is written: lines are lost until it is", name_);
  if (!loses && has_put_all && std::exchange(is_losing_, false))
    log_warn("{} is written again; {} lines of it were lost since the start", name_, lost);
}

}  // namespace oxbow
