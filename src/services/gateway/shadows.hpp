// Takes copies of answered requests that are to have a shadow, and says why others have none.
//
// The contract: a shadow can never delay, fail or exhaust memory for a user. It begins when the user has his
// answer; it has a thread, connections, deadlines and a byte budget of its own; what does not fit is dropped,
// and counted by its reason.
// Belongs to the users' thread.
#pragma once

#include <functional>
#include <memory>

#include "protocol/http1/forwarding.hpp"
#include "services/gateway/destination.hpp"
#include "services/gateway/shadow_copy.hpp"

namespace oxbow {

class Shadows {
 public:
  using Refuses = std::function<ShadowSkip(Side)>;
  using OnCopy = std::function<void(std::unique_ptr<ShadowCopy>)>;
  using OnSkip = std::function<void(const std::shared_ptr<const Routing>&, std::size_t route, ShadowSkip)>;

  Shadows(std::size_t memory_bytes_max, std::size_t body_bytes_max, Refuses refuses, OnCopy on_copy,
          OnSkip on_skip);

  // Why the other side gets no shadows just now, so that no copy is worth beginning; `none` if it does.
  ShadowSkip refuses(const Destination& destination) const { return refuses_(other(destination.side)); }

  std::unique_ptr<ShadowCopy> begin(const Destination& destination);

  // The head of the user's answer.
  static void keep_head(ShadowCopy& copy, const HeaderFields& fields, std::string_view head_bytes);

  // The user has his answer. Why there will be no shadow, if that is known by now.
  ShadowSkip submit(std::unique_ptr<ShadowCopy> copy, const Destination& destination,
                    const RequestHead& request, http1::RequestChanges changes);

  // The user got no whole answer, so there is nothing to compare with. The reason that counts.
  ShadowSkip drop(std::unique_ptr<ShadowCopy> copy, ShadowSkip why);

  // A request that would be copied, but for this reason.
  void pass_over(const Destination& destination, ShadowSkip why);

  // What all copies hold now. Any thread.
  std::size_t memory_bytes() const { return budget_->used(); }

 private:
  ShadowSkip skip(const ShadowCopy& copy, ShadowSkip why);

  std::size_t body_bytes_max_;
  Refuses refuses_;
  OnCopy on_copy_;
  OnSkip on_skip_;
  std::shared_ptr<ShadowBudget> budget_;  // of its copies, too, which may outlive us
};

}  // namespace oxbow
