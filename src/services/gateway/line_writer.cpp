#include "services/gateway/line_writer.hpp"

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

bool is_regular(int file) {
  struct stat info{};
  return ::fstat(file, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

LineWriter::LineWriter(std::string name, std::string path, std::size_t bytes_max, Duration end_patience)
    : name_(std::move(name)), path_(std::move(path)), bytes_max_(bytes_max), end_patience_(end_patience) {
  if (!is_on()) return;
  open();
  thread_ = std::thread([this] { work(); });
}

LineWriter::~LineWriter() {
  if (!is_on()) return;
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  has_work_.notify_one();
  thread_.join();
  if (file_ > STDERR_FILENO) ::close(file_);
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
  int opened =
      path_ == "-" ? STDOUT_FILENO : ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (opened < 0) return log_error("{} {} cannot be opened: {}", name_, path_, std::strerror(errno));
  if (file_ > STDERR_FILENO) ::close(file_);
  file_ = opened;
  takes_always_ = is_regular(file_);
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
    for (const auto& lines : taken) {
      put(lines);
      std::lock_guard relock(mutex_);
      bytes_ -= lines.size();
    }
    if (reopens) open();
    tell_losses();
    lock.lock();
  }
}

void LineWriter::put(std::string_view lines) {
  auto last_progress = monotonic_now();
  while (!lines.empty()) {
    if (file_ < 0 || gave_up_ || !wait_until_it_takes(last_progress)) return lose(lines);
    auto written =
        ::write(file_, lines.data(), takes_always_ ? lines.size() : std::min(lines.size(), kPieceBytes));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) {
      if (!std::exchange(has_failed_, true))
        log_error("{} cannot be written: {}", name_, std::strerror(errno));
      return lose(lines);
    }
    lines.remove_prefix(static_cast<std::size_t>(written));
    last_progress = monotonic_now();
  }
  has_failed_ = false;
}

// False if nobody will: at the end, patience is bounded.
bool LineWriter::wait_until_it_takes(Instant last_progress) {
  if (takes_always_) return true;
  pollfd waiting{.fd = file_, .events = POLLOUT, .revents = 0};
  while (::poll(&waiting, 1, static_cast<int>(kLookEvery / std::chrono::milliseconds(1))) <= 0) {
    gave_up_ = ends_ && monotonic_now() - last_progress > end_patience_;
    if (gave_up_) return false;
    tell_losses();
  }
  return true;
}

void LineWriter::lose(std::string_view lines) {
  lines_lost_ += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
}

// Once when it begins, and once when it is over.
void LineWriter::tell_losses() {
  auto lost = lines_lost_.load();
  bool loses = lost > losses_told_;
  if (loses && !is_losing_)
    log_warn("{} is not taken as fast as it is written: lines are lost until it is", name_);
  if (!loses && is_losing_)
    log_warn("{} is written again; {} lines of it were lost since the start", name_, lost);
  is_losing_ = loses;
  losses_told_ = lost;
}

}  // namespace oxbow
