// A private PostgreSQL server for one test program: cluster.py beside this file starts it in a temporary
// directory on a free port and takes it down when this object goes, or when this process ends in whatever
// way.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace oxbow::testing {

class Cluster {
 public:
  explicit Cluster(const std::vector<std::string>& settings = {});  // "max_wal_size=1GB"
  ~Cluster();
  Cluster(const Cluster&) = delete;

  std::string url(const std::string& database, const std::string& user = "postgres") const;
  int port() const { return port_; }

 private:
  pid_t child_ = -1;
  int lifeline_ = -1;  // the server lives while this is open
  int port_ = 0;
};

}  // namespace oxbow::testing
