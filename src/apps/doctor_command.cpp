#include "apps/cli.hpp"

namespace oxbow {

void add_doctor_command(Cli&) {}

}  // namespace oxbow
