// Where the pipeline gets its connections from. The app fills this with adapters; a test may fill it with
// fakes.
#pragma once

#include <functional>
#include <memory>

#include "model/course.hpp"
#include "model/side.hpp"
#include "ports/admin.hpp"
#include "ports/guards.hpp"
#include "ports/log.hpp"
#include "ports/reader_search.hpp"
#include "ports/rows.hpp"
#include "ports/sequences.hpp"
#include "ports/session_watch.hpp"
#include "ports/target.hpp"

namespace oxbow {

// Each call makes an object with a connection of its own, opened at first use.
struct StreamPorts {
  std::function<std::unique_ptr<SourceAdmin>()> source_admin;
  std::function<std::unique_ptr<TargetAdmin>()> target_admin;
  std::function<std::unique_ptr<SnapshotReader>(Side)> snapshot_reader;
  std::function<std::unique_ptr<TargetWriter>(int lane)> target_writer;
  std::function<std::unique_ptr<LogStream>(Lsn from, LargeTransactions)> log_stream;
};

struct PipelinePorts {
  std::function<StreamPorts(Course)> stream;
  std::function<std::unique_ptr<SessionWatch>(Side)> session_watch;
  std::function<std::unique_ptr<Guards>(Side)> guards;
  std::function<std::unique_ptr<Sequences>(Side)> sequences;
  std::function<std::unique_ptr<ReaderSearch>()> reader_search;
};

}  // namespace oxbow
