// How much room a server's disk has, which no SQL tells: asked of this machine, if the server runs on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace oxbow::postgres {

// True if a server process of this number runs here. An address may be that of a tunnel or of a container.
bool runs_here(int backend_pid);

// None if the directory cannot be seen.
std::optional<std::uint64_t> disk_free_bytes(const std::string& directory);

}  // namespace oxbow::postgres
