// The data plane as `oxbow up` runs it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "model/spec.hpp"
#include "ports/finding_store.hpp"
#include "services/control/beat_board.hpp"
#include "services/control/data_plane.hpp"

namespace oxbow {

struct RunningPlane {
  std::unique_ptr<DataPlane> plane;
  std::function<Task<void>()> run;  // works until it is asked to stop
};

// Constructs the pipeline over both databases. What is lent outlives it. `known` is what was found out
// before.
RunningPlane make_plane(boost::asio::any_io_executor executor, const Spec& spec, FindingStore& findings,
                        BeatBoard& beats, DataFacts known);

}  // namespace oxbow
