#include "apps/gateway_thread.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iterator>
#include <random>
#include <thread>

#include "adapters/net/net.hpp"
#include "base/log.hpp"
#include "core/lifecycle/adoption.hpp"
#include "core/spec/http_address.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/task_group.hpp"

namespace oxbow {

namespace asio = boost::asio;

struct GatewayThread::Impl {
  explicit Impl(const Spec& of) : spec(of) {}

  Status compile(const Spec& from, const KeyKinds& kinds) {
    routes = TRY(compile_routes(from, kinds, std::chrono::floor<std::chrono::days>(wall_now())));
    key_kinds = kinds;
    return {};
  }

  std::shared_ptr<const Routing> routing(const Lifecycle& lifecycle, const DataFacts& facts) {
    return std::make_shared<const Routing>(Routing{routes, routing_state(spec, lifecycle, facts, ++revision),
                                                   spec.gateway->shadow.twin_buckets,
                                                   spec.gateway->state_headers, lifecycle.begun_anew});
  }

  Spec spec;
  std::shared_ptr<const Routes> routes;
  KeyKinds key_kinds;  // of `routes`
  std::uint64_t revision = 0;
  asio::io_context context{1};
  std::unique_ptr<Dialer> dialer;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<TaskGroup> group;
  std::thread thread;
};

namespace {

// Every connection of a user is two descriptors, and the usual soft limit is for programs without users.
void take_all_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::optional<net::Identity> identity_of(const ListenSpec& listen) {
  if (!listen.tls()) return std::nullopt;
  return net::Identity{listen.certificate, listen.key};
}

}  // namespace

GatewayThread::GatewayThread(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<GatewayThread>> GatewayThread::open(const Spec& spec, ExemplarStore* exemplars) {
  take_all_descriptors();
  auto impl = std::make_unique<Impl>(spec);
  TRY(impl->compile(spec, {}));
  auto executor = impl->context.get_executor();
  auto services = service_addresses(spec.legacy);
  std::ranges::move(service_addresses(spec.new_side), std::back_inserter(services));
  impl->dialer = TRY(net::make_dialer(executor, services));
  std::vector<std::unique_ptr<Listener>> listeners;
  for (const auto& listen : spec.gateway->listen) {
    listeners.push_back(
        TRY(net::listen(executor, *parse_listen_address(listen.address), identity_of(listen))));
    log_info("the gateway listens on {}", listeners.back()->address());
  }
  std::random_device device;
  auto seed = (std::uint64_t{device()} << 32) | device();
  impl->gateway = std::make_unique<Gateway>(GatewayParts{executor, spec, *impl->dialer, std::move(listeners),
                                                         impl->routing({}, {}), exemplars, wall_now, seed});
  impl->group = std::make_unique<TaskGroup>(executor);
  return std::unique_ptr<GatewayThread>(new GatewayThread(std::move(impl)));
}

void GatewayThread::start() {
  impl_->group->spawn(impl_->gateway->run());
  impl_->thread = std::thread([this] { impl_->context.run(); });
}

void GatewayThread::publish(const Lifecycle& lifecycle, const DataFacts& facts) {
  if (facts.key_kinds != impl_->key_kinds) {
    auto compiled = impl_->compile(impl_->spec, facts.key_kinds);
    if (!compiled) log_error("keys are still read as of an unknown kind: {}", to_string(compiled.error()));
  }
  impl_->gateway->publish(impl_->routing(lifecycle, facts));
}

Status GatewayThread::take_over(const Spec& spec, const Lifecycle& lifecycle, const DataFacts& facts) {
  if (!spec.gateway)
    return Err(ErrorCode::illegal_transition,
               "it has no `gateway` any more; that counts from the next start");
  if (adopted_cohorts(spec) != adopted_cohorts(impl_->spec))
    return Err(ErrorCode::illegal_transition,
               "its entities or cohorts are others; that counts from the next start");
  TRY(impl_->compile(spec, facts.key_kinds));
  impl_->spec = spec;
  publish(lifecycle, facts);
  return {};
}

const Gateway& GatewayThread::gateway() const {
  return *impl_->gateway;
}

GatewayThread::~GatewayThread() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->context, [this] { impl_->group->cancel(); });
  impl_->thread.join();
}

}  // namespace oxbow
