#include "integration/postgres/fixture.hpp"
