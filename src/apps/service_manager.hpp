// Tells systemd how a service of Type=notify is doing. Nothing happens where nobody listens.
#pragma once

#include <string_view>

namespace oxbow {

void notify_service_manager(std::string_view state);  // "READY=1", "STOPPING=1"

}  // namespace oxbow
