#include "apps/plane.hpp"

#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

// Stands in until the pipeline is wired: the control plane works, nothing moves.
class NoPlane : public DataPlane {
 public:
  Task<void> start_mirror(MirrorScope) override { co_return refusal(); }
  Task<void> stop_mirror(MirrorScope) override { co_return Status{}; }
  void pause(std::optional<std::string>) override {}
  void resume(std::optional<std::string>) override {}
  void halt(std::string) override {}
  void set_rate(Rate) override {}
  Result<VerifyId> start_verify(std::optional<std::string>, std::uint64_t) override { return refusal(); }
  Result<VerifyReport> verify_report(VerifyId) const override { return refusal(); }
  PlaneStatus status() const override { return {}; }
  Result<std::vector<std::string>> explain_key(std::string) const override { return refusal(); }

 private:
  static std::unexpected<Error> refusal() {
    return Err(ErrorCode::unsupported, "this build has no data plane");
  }
};

Task<void> wait_for_stop() {
  while (true) CO_TRY(co_await sleep_for(std::chrono::hours(1)));
}

}  // namespace

Result<RunningPlane> make_plane(boost::asio::any_io_executor, const Spec&, FindingStore&) {
  return RunningPlane{std::make_unique<NoPlane>(), wait_for_stop};
}

}  // namespace oxbow
