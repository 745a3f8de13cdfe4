// Exemplar pairs in a file of their own, `exemplars.db`, because they hold what users were told and may be
// deleted at any time, and because damage here must not touch the journal. Only its owner may read the file.
// Safe from any thread; calls block for the disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ports/exemplar_store.hpp"

namespace oxbow {

struct ExemplarBounds {
  std::uint64_t clusters_max = 1024;
  std::uint64_t bytes_max = 32ull << 20;  // of requests and answers
};

class SqliteExemplars : public ExemplarStore {
 public:
  struct Opened;

  // Creates the file where it is missing. One that is damaged, or that another version wrote, is moved aside.
  // Fails if there can be no store at this place; the error is one sentence for the operator.
  static Result<Opened> open(const std::string& path, ExemplarBounds bounds);

  ~SqliteExemplars() override;

  Status save(const std::vector<DifferenceCluster>& clusters) override;
  Result<std::vector<DifferenceCluster>> load() override;
  Status forget(const std::vector<ClusterSignature>& signatures) override;

 private:
  struct Impl;
  explicit SqliteExemplars(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

struct SqliteExemplars::Opened {
  std::unique_ptr<SqliteExemplars> store;
  std::string complaint;  // what happened to a file that could not be used; mostly empty
};

}  // namespace oxbow
