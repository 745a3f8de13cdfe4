// Writes the log on a thread of its own while it lives, so that no other thread waits for a reader of stderr
// that has stopped. Lines of before and after are written by whoever has them. One at a time.
#pragma once

#include "runtime/line_writer.hpp"

namespace oxbow {

class LogWriter {
 public:
  LogWriter();
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

 private:
  LineWriter lines_;
};

}  // namespace oxbow
