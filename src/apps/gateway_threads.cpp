#include "apps/gateway_threads.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iterator>
#include <random>
#include <thread>

#include "adapters/net/net.hpp"
#include "base/log.hpp"
#include "core/routing/moved_users.hpp"
#include "core/spec/http_address.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/task_group.hpp"
#include "runtime/thread_priority.hpp"

namespace oxbow {

namespace asio = boost::asio;

namespace {

// A thread and what belongs to it.
struct Line {
  asio::io_context context{1};
  std::unique_ptr<Dialer> dialer;
  std::unique_ptr<TaskGroup> group;
  std::thread thread;

  Status open(const std::vector<ServiceAddress>& services) {
    dialer = TRY(net::make_dialer(context.get_executor(), services));
    group = std::make_unique<TaskGroup>(context.get_executor());
    return {};
  }

  void start(Task<void> task) {
    group->spawn(std::move(task));
    thread = std::thread([this] { context.run(); });
  }

  void end() {
    if (!thread.joinable()) return;
    asio::post(context, [this] { group->cancel(); });
    thread.join();
  }

  GatewayParts::Line lend() { return {context.get_executor(), *dialer}; }
};

std::chrono::year_month_day today() {
  return std::chrono::floor<std::chrono::days>(wall_now());
}

}  // namespace

struct GatewayThreads::Impl {
  explicit Impl(const Spec& of) : spec(of) {}

  Status compile(const Spec& from, const KeyKinds& kinds) {
    routes = TRY(compile_routes(from, kinds, today()));
    key_kinds = kinds;
    return {};
  }

  std::shared_ptr<const Routing> routing(const Lifecycle& lifecycle, const DataFacts& facts) {
    return std::make_shared<const Routing>(
        Routing{routes, routing_state(spec, lifecycle, facts, ++revision), spec.gateway->shadow.twin_buckets,
                spec.gateway->state_headers, lifecycle.begun_anew, spec.gateway->read_your_writes});
  }

  Spec spec;
  std::shared_ptr<const Routes> routes;
  KeyKinds key_kinds;  // of `routes`
  std::uint64_t revision = 0;
  Line users;
  Line shadows;
  std::unique_ptr<Gateway> gateway;
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

GatewayThreads::GatewayThreads(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<GatewayThreads>> GatewayThreads::open(const Spec& spec, ExemplarStore* exemplars,
                                                             BeatBoard& beats) {
  take_all_descriptors();
  auto impl = std::make_unique<Impl>(spec);
  TRY(impl->compile(spec, {}));
  auto services = service_addresses(spec.legacy);
  std::ranges::move(service_addresses(spec.new_side), std::back_inserter(services));
  TRY(impl->users.open(services));
  TRY(impl->shadows.open(services));
  std::vector<std::unique_ptr<Listener>> listeners;
  for (const auto& listen : spec.gateway->listen) {
    listeners.push_back(TRY(net::listen(impl->users.context.get_executor(),
                                        *parse_listen_address(listen.address), identity_of(listen))));
    log_info("the gateway listens on {}", listeners.back()->address());
  }
  std::random_device device;
  auto seed = (std::uint64_t{device()} << 32) | device();
  impl->gateway = std::make_unique<Gateway>(GatewayParts{spec, impl->users.lend(), impl->shadows.lend(),
                                                         std::move(listeners), impl->routing({}, {}),
                                                         exemplars, beats, wall_now, seed});
  return std::unique_ptr<GatewayThreads>(new GatewayThreads(std::move(impl)));
}

void GatewayThreads::start() {
  asio::post(impl_->shadows.context, let_others_go_first);
  impl_->shadows.start(impl_->gateway->run_shadows());
  impl_->users.start(impl_->gateway->run());
}

void GatewayThreads::publish(const Lifecycle& lifecycle, const DataFacts& facts) {
  if (facts.key_kinds != impl_->key_kinds) {
    auto compiled = impl_->compile(impl_->spec, facts.key_kinds);
    if (!compiled) log_error("keys are still read as of an unknown kind: {}", to_string(compiled.error()));
  }
  impl_->gateway->publish(impl_->routing(lifecycle, facts));
}

Result<GatewayThreads::Prepared> GatewayThreads::prepare(const Spec& spec, const DataFacts& facts) {
  return Prepared{TRY(compile_routes(spec, facts.key_kinds, today())), facts.key_kinds};
}

void GatewayThreads::take_over(const Spec& spec, Prepared prepared, const Lifecycle& lifecycle,
                               const DataFacts& facts) {
  auto before = impl_->routing(lifecycle, facts);
  impl_->spec = spec;
  impl_->routes = std::move(prepared.routes);
  impl_->key_kinds = std::move(prepared.key_kinds);  // publish() makes them anew for others
  auto after = impl_->routing(lifecycle, facts);
  for (const auto& moved :
       moved_users(before->routes->table, before->state, after->routes->table, after->state))
    log_warn("the changed spec moves users: {}", moved);
  publish(lifecycle, facts);
}

void GatewayThreads::reopen_access_log() {
  impl_->gateway->reopen_access_log();
}

const Gateway& GatewayThreads::gateway() const {
  return *impl_->gateway;
}

GatewayThreads::~GatewayThreads() {
  impl_->users.end();
  impl_->shadows.end();
}

}  // namespace oxbow
