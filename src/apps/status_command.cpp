#include <fmt/core.h>

#include <boost/json.hpp>

#include "apps/blocking.hpp"
#include "apps/cli.hpp"
#include "apps/daemon_client.hpp"
#include "apps/status_page.hpp"
#include "apps/terminal.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kRefreshEvery = std::chrono::seconds(1);

struct StatusCommand {
  const Settings& settings;
  bool watch = false;

  Status show() const {
    auto answer = TRY(DaemonClient(settings).get("status"));
    if (settings.json) {
      fmt::print("{}\n", answer);
    } else {
      auto page = status_page(boost::json::parse(answer));
      // Home and clear below, rather than clear and write, so that nothing flickers.
      bool redraw = watch && stdout_is_terminal();
      fmt::print("{}{}{}", redraw ? "\x1b[H\x1b[J" : "", page, watch && !redraw ? "\n" : "");
    }
    std::fflush(stdout);
    return {};
  }

  Result<int> operator()() const {
    TRY(show());
    while (watch) {
      TRY(run_blocking(sleep_for(kRefreshEvery)));
      TRY(show());
    }
    return 0;
  }
};

}  // namespace

void add_status_command(Cli& cli) {
  auto command = std::make_shared<StatusCommand>(StatusCommand{cli.settings});
  auto* app = cli.add("status", "one page: states, progress, lag, proofs, what changed last",
                      [command] { return (*command)(); });
  app->add_flag("--watch", command->watch, "show it again every second, until Ctrl-C");
}

}  // namespace oxbow
