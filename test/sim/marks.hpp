// Names the situations that a simulation must have reached, so that a campaign that never got there cannot
// pass.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace oxbow::sim {

class Marks {
 public:
  void hit(std::string_view name) { ++hits_[std::string(name)]; }
  const std::map<std::string, std::uint64_t>& hits() const { return hits_; }
  std::uint64_t count(std::string_view name) const {
    auto at = hits_.find(std::string(name));
    return at == hits_.end() ? 0 : at->second;
  }

  void add(const Marks& other) {
    for (const auto& [name, count] : other.hits_) hits_[name] += count;
  }

 private:
  std::map<std::string, std::uint64_t> hits_;
};

}  // namespace oxbow::sim
